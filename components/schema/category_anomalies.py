"""What can be wrong with categories and classes, told from a column's profile."""

from __future__ import annotations

import math
from collections.abc import Iterator

from components.core.verdict import Finding, Severity
from components.core.words import percent
from components.drift.columns import CategoryProfile
from components.schema.causes import category_cause
from components.schema.chance import Chance
from components.schema.column_schema import ColumnSchema
from components.spec.model import SchemaCheck, Task

_SHOWN = 5
# How many deviations the reference's categories seen twice are allowed to add.
_DEVIATIONS = 4


def counts_of(column: CategoryProfile) -> dict[str, int]:
    """The rows of each category that occurs and has a name in the profile."""
    known = {name: count for name, count in zip(column.known, column.counts, strict=True) if count}
    return known | column.others


def class_findings(
    name: str, column: CategoryProfile, task: Task, *, alone: bool
) -> Iterator[Finding]:
    """Class labels that the task cannot have.

    Args:
        name: the target.
        column: the labels' profile.
        task: what the spec says of them.
        alone: whether there is no reference, and the labels are to be learned from.
    """
    counts = counts_of(column)
    classes = len(counts) + (column.rest > 0)
    problem = ""
    if task == "binary" and classes > 2:
        problem = (
            f"has {classes} classes, but the task is binary: {quoted(list(counts))}; "
            "use task: multiclass"
        )
    elif classes == 1 and alone:
        problem = f"has one class only, {quoted(list(counts))}; choose a window with two or more"
    if problem:
        yield Finding(
            column=name,
            statistic="classes",
            severity="blocked",
            message=f"{name} {problem}",
            value=float(classes),
            count=classes,
            examples=list(counts)[:_SHOWN],
        )


def category_findings(
    name: str,
    column: CategoryProfile,
    seen: ColumnSchema,
    before: ColumnSchema,
    limits: SchemaCheck,
    *,
    is_target: bool,
) -> Iterator[Finding]:
    """Categories that the reference did not have, by more than those that it missed by chance."""
    known = set(before.categories)
    if not before.complete:
        known |= set(column.known)
    counts = counts_of(column)
    new = {key: count for key, count in counts.items() if key not in known}
    rest = 0 if before.complete and not column.complete else column.rest
    rows = sum(new.values()) + rest
    if not rows:
        return
    chance = Chance(rows, seen.present, _missed(before), before.present)
    severity: Severity = "info"
    if chance.beyond:
        severity = "drift" if chance.share > limits.categories or is_target else "warn"
    elif is_target and before.complete and not any(before.rare):
        severity = "warn"  # the model cannot be right on a class that it never saw
    elif not before.complete:
        return  # such a column always has new ones
    examples = sorted(new, key=lambda key: (-new[key], key))
    one, more = ("class", "classes") if is_target else ("category", "categories")
    many = f"more than {len(new):,}" if rest else f"{len(new):,}"
    cause = category_cause(new, known)
    yield chance.on(
        Finding(
            column=name,
            statistic="new categories",
            severity=severity,
            message=f"{name} has {many} new {one if len(new) == 1 else more} in {rows:,} rows "
            f"({percent(chance.share)}, limit {percent(limits.categories)}): {quoted(examples)}"
            + (f"; {cause}" if cause else ""),
            threshold=limits.categories,
            examples=examples[:_SHOWN],
        )
    )


def quoted(names: list[str]) -> str:
    """Some names for a sentence.

    >>> quoted(["a", "b"])
    "'a', 'b'"
    """
    shown = ", ".join(repr(n if len(n) <= 40 else f"{n[:37]}...") for n in names[:_SHOWN])
    return f"{shown} and others" if len(names) > _SHOWN else shown


def _missed(before: ColumnSchema) -> int:
    """How many of the reference's rows speak for categories that it did not see.

    As many as it has categories seen once (Good, 1953). The error of that estimate has the
    variance of those seen once and of twice those seen twice (Esty, 1983); the first part is that
    of any count, and so in the test already.
    """
    if not before.complete:
        return before.doubtful
    once, twice = before.rare
    return min(once + math.ceil(_DEVIATIONS * math.sqrt(2 * twice)), before.present)
