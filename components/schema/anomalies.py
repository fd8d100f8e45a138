"""What can be wrong with one column of a window, each as a finding."""

from __future__ import annotations

import math
from collections.abc import Iterator

from components.core.verdict import Finding, Severity
from components.core.words import percent
from components.schema.column_schema import ColumnSchema
from components.schema.summary import CategorySummary, NumberSummary, Summary
from components.spec.model import SchemaCheck, Task

# Half a likelihood-ratio statistic, in nats: clean windows exceed it about once in a million.
_CHANCE = 14.0
_SHOWN = 5


def beyond_chance(hits: int, rows: int, hits_before: int, rows_before: int) -> bool:
    """Whether hits became more frequent by more than the chance of two samples explains.

    A likelihood-ratio test of two binomial samples (Wilks, 1938), exact enough for few hits and
    with a level so small that thousands of clean columns raise no alarm.

    >>> beyond_chance(10, 1000, 0, 1000), beyond_chance(40, 1000, 0, 1000)
    (False, True)
    """
    if not rows or not rows_before or hits * rows_before <= hits_before * rows:
        return False
    both = (hits + hits_before) / (rows + rows_before)
    ratio = 0.0
    for count, size in ((hits, rows), (hits_before, rows_before)):
        for part, expected in ((count, both * size), (size - count, (1 - both) * size)):
            ratio += part * math.log(part / expected) if part else 0.0
    return ratio > _CHANCE


def missing_column(name: str, is_target: bool) -> Finding:
    """The source has no such column."""
    role = "the target" if is_target else "a feature"
    return Finding(
        column=name,
        statistic="missing column",
        severity="blocked",
        message=f"{name}, {role}, is missing in the source; restore it or change the spec",
    )


def missing_values(
    name: str,
    summary: Summary,
    unparsable: int,
    before: ColumnSchema | None,
    limits: SchemaCheck,
) -> Iterator[Finding]:
    """No values at all, or more rows without one than before.

    Unparsable values count elsewhere, on both sides: they are no missing ones.
    """
    nulls = max(summary.nulls - unparsable, 0)
    share = nulls / max(summary.rows, 1)
    share_before = before.missing / max(before.rows, 1) if before else 0.0
    if summary.rows and not summary.present:
        was = f"{percent(share_before)} of the rows had none before" if before else "see the spec"
        had = before is None or before.present > 0
        yield Finding(
            column=name,
            statistic="missing values",
            severity="blocked" if had else "info",
            message=f"{name} has no values in any of {summary.rows:,} rows; {was}",
            value=1.0,
            threshold=limits.missing,
            count=summary.rows,
        )
    elif before is not None and beyond_chance(nulls, summary.rows, before.missing, before.rows):
        yield Finding(
            column=name,
            statistic="missing values",
            severity="drift" if share - share_before > limits.missing else "warn",
            message=f"{name} has more rows without a value: {percent(share_before)} -> "
            f"{percent(share)} (limit {percent(share_before + limits.missing)})",
            value=share,
            threshold=share_before + limits.missing,
            count=nulls,
        )
    elif nulls and before is not None and not before.missing:
        yield Finding(
            column=name,
            statistic="missing values",
            severity="info",
            message=f"{name} has {nulls:,} rows without a value; the reference had none",
            value=share,
            threshold=limits.missing,
            count=nulls,
        )


def class_findings(
    name: str, summary: CategorySummary, task: Task, training: bool
) -> Iterator[Finding]:
    """Class labels that the task cannot have."""
    classes = len(summary.counts)
    shown = _quoted(list(summary.counts))
    problem = ""
    if task == "binary" and classes > 2:
        problem = f"has {classes} classes, but the task is binary: {shown}; use task: multiclass"
    elif classes == 1 and training:
        problem = f"has one class only, {shown}; choose a window with two or more"
    if problem:
        yield Finding(
            column=name,
            statistic="classes",
            severity="blocked",
            message=f"{name} {problem}",
            value=float(classes),
            count=classes,
            examples=list(summary.counts)[:_SHOWN],
        )


def domain_findings(
    name: str, summary: Summary, before: ColumnSchema, limits: SchemaCheck, is_target: bool
) -> Iterator[Finding]:
    """Values that the reference did not have."""
    if isinstance(summary, NumberSummary) and before.kind == "number":
        yield from _range(name, summary, before, limits)
        yield from _fractions(name, summary, before)
        constant = summary.minimum == summary.maximum
        value = f"{summary.minimum:.6g}" if summary.minimum is not None else ""
    elif isinstance(summary, CategorySummary) and before.kind == "category":
        yield from _categories(name, summary, before, limits, is_target)
        constant = len(summary.counts) == 1
        value = next(iter(summary.counts), "")
    else:
        return
    # At best as likely as that many draws of the reference's most frequent value.
    most = before.most_common / max(before.present, 1)
    if constant and most < 1 and -summary.present * math.log(most or 1e-9) > _CHANCE:
        yield Finding(
            column=name,
            statistic="constant",
            severity="warn",
            message=f"{name} is constant: every value is {value}; at most {percent(most)} of them "
            "were equal before",
            count=summary.present,
            examples=[value],
        )


def _range(
    name: str, summary: NumberSummary, before: ColumnSchema, limits: SchemaCheck
) -> Iterator[Finding]:
    outside = summary.below + summary.above
    if not outside:
        return
    share = outside / summary.present
    severity: Severity = "info"
    if beyond_chance(outside, summary.present, 0, before.present):
        severity = "drift" if share > limits.outside else "warn"
    yield Finding(
        column=name,
        statistic="range",
        severity=severity,
        message=f"{name} is outside of {summary.low:.6g} to {summary.high:.6g} in {outside:,} rows "
        f"({percent(share)}, limit {percent(limits.outside)}): it goes from {summary.minimum:.6g} "
        f"to {summary.maximum:.6g}, the reference from {before.minimum:.6g} to "
        f"{before.maximum:.6g}",
        value=share,
        threshold=limits.outside,
        count=outside,
        examples=summary.examples,
    )


def _fractions(name: str, summary: NumberSummary, before: ColumnSchema) -> Iterator[Finding]:
    count = summary.fractional
    if count and before.whole:
        chance = not beyond_chance(count, summary.present, 0, before.present)
        yield Finding(
            column=name,
            statistic="whole numbers",
            severity="info" if chance else "warn",
            message=f"{name} has fractions in {count:,} values; all were whole numbers before",
            value=count / summary.present,
            count=count,
        )


def _categories(
    name: str,
    summary: CategorySummary,
    before: ColumnSchema,
    limits: SchemaCheck,
    is_target: bool,
) -> Iterator[Finding]:
    new = {k: n for k, n in summary.counts.items() if k not in before.categories}
    if not new or not before.complete:
        return
    count = sum(new.values())
    share = count / summary.present
    # A sample misses rare categories: about as many rows as it has categories seen once
    # (Good, 1953).
    once = sum(n == 1 for n in before.categories.values())
    severity: Severity = "info"
    if beyond_chance(count, summary.present, once, before.present):
        severity = "drift" if share > limits.categories or is_target else "warn"
    elif is_target:
        severity = "warn"  # the model cannot be right on a class that it never saw
    examples = sorted(new, key=lambda key: (-new[key], key))
    one, more = ("class", "classes") if is_target else ("category", "categories")
    yield Finding(
        column=name,
        statistic="new categories",
        severity=severity,
        message=f"{name} has {len(new):,} new {one if len(new) == 1 else more} in {count:,} rows "
        f"({percent(share)}, limit {percent(limits.categories)}): {_quoted(examples)}",
        value=share,
        threshold=limits.categories,
        count=count,
        examples=examples[:_SHOWN],
    )


def _quoted(names: list[str]) -> str:
    shown = ", ".join(repr(n if len(n) <= 40 else f"{n[:37]}...") for n in names[:_SHOWN])
    return f"{shown} and others" if len(names) > _SHOWN else shown
