"""What can be wrong with one column of a window, each as a finding."""

from __future__ import annotations

from collections.abc import Iterator

from components.core.verdict import Finding
from components.core.words import percent
from components.data.report import ColumnReport
from components.drift.columns import NumericProfile
from components.schema.category_anomalies import category_findings, counts_of
from components.schema.causes import unreadable_cause
from components.schema.chance import Chance
from components.schema.column_schema import Column, ColumnSchema
from components.schema.number_anomalies import number_findings
from components.spec.model import SchemaCheck


def missing_values(
    name: str, seen: ColumnSchema, before: ColumnSchema | None, limits: SchemaCheck
) -> Iterator[Finding]:
    """No values at all, or more rows without one than before.

    Unreadable values count elsewhere, on both sides: they are no missing ones.
    """
    if not seen.rows or not seen.missing:
        return
    before = before.emptiest if before else None
    chance = Chance(
        seen.missing, seen.rows, before.missing if before else 0, before.rows if before else 0
    )
    was = (
        f"{percent(chance.share_before)} of the rows had none before" if before else "see the spec"
    )
    threshold = chance.share_before + limits.missing
    if not seen.present and not seen.unparsable:
        finding = Finding(
            column=name,
            statistic="missing values",
            severity="blocked" if before is None or chance.beyond else "info",
            message=f"{name} has no values in any of {seen.rows:,} rows; {was}",
            value=1.0,
            threshold=threshold,
            count=seen.rows,
        )
        yield chance.on(finding) if before else finding
    elif before is None:
        return
    elif chance.beyond and _matters(chance, limits):
        yield chance.on(
            Finding(
                column=name,
                statistic="missing values",
                severity="drift" if chance.share > threshold else "warn",
                message=f"{name} has more rows without a value: {percent(chance.share_before)} -> "
                f"{percent(chance.share)} (limit {percent(threshold)})",
                threshold=threshold,
            )
        )
    elif not before.missing:
        yield chance.on(
            Finding(
                column=name,
                statistic="missing values",
                severity="info",
                message=f"{name} has {seen.missing:,} rows without a value; the reference had none",
                threshold=threshold,
            )
        )


def _matters(chance: Chance, limits: SchemaCheck) -> bool:
    """Whether an increase is more than what a column with gaps shows from one week to the next.

    Gaps come in runs, an hour or a day of them, which no test of single rows knows. Where there
    were none at all before, each one is news.
    """
    more = chance.share - chance.share_before
    several = chance.share > 4 * chance.share_before and more > limits.missing / 5
    return not chance.hits_before or several or more > limits.missing / 2


def unreadable_values(
    name: str,
    seen: ColumnSchema,
    source: ColumnReport,
    before: ColumnSchema | None,
    limits: SchemaCheck,
) -> Iterator[Finding]:
    """Values that are not of the column's kind: `info` where the reference had as many."""
    if not seen.unparsable:
        return
    total_before = before.present + before.unparsable if before else 0
    chance = Chance(
        seen.unparsable,
        seen.present + seen.unparsable,
        before.unparsable if before else 0,
        total_before,
    )
    usual = chance.share_before
    severity = "warn"
    if usual and not chance.beyond:
        severity = "info"
    elif chance.share > 0.5 >= usual:
        severity = "blocked"
    elif chance.share - usual > limits.missing:
        severity = "drift"
    what = "numbers" if seen.kind == "number" else "texts"
    cause = unreadable_cause(source.examples)
    such = f", such as {source.examples[0]!r}" if source.examples else ""
    finding = Finding.model_validate(
        {
            "column": name,
            "statistic": "unparsable",
            "severity": severity,
            "message": f"{name}: {seen.unparsable:,} values ({percent(chance.share)}) are no {what}"
            f"{such}"
            + (f"; {cause}" if cause else "")
            + (f"; {percent(usual)} were none before" if usual else ""),
            "value": chance.share,
            "threshold": usual + limits.missing,
            "count": seen.unparsable,
            "examples": source.examples,
        }
    )
    yield chance.on(finding) if total_before else finding


def domain_findings(
    name: str,
    column: Column,
    seen: ColumnSchema,
    before: ColumnSchema,
    limits: SchemaCheck,
    *,
    is_target: bool,
) -> Iterator[Finding]:
    """Values that the reference did not have, and a column that has only one now."""
    if seen.kind != before.kind:
        yield Finding(
            column=name,
            statistic="role",
            severity="info",
            message=f"{name} is a {seen.kind} in the spec and was a {before.kind} for the "
            "champion; its values are not compared",
        )
        return
    if isinstance(column, NumericProfile):
        found = list(number_findings(name, column, seen, before, limits))
        constant = column.minimum == column.maximum
        value = f"{column.minimum:.6g}" if column.minimum is not None else ""
    else:
        found = list(category_findings(name, column, seen, before, limits, is_target=is_target))
        counts = counts_of(column)
        constant = len(counts) == 1 and not column.rest
        value = next(iter(counts), "")
    yield from found
    if constant and not any(finding.severity == "drift" for finding in found):
        yield from _constant(name, value, seen, before, is_target=is_target)


def _constant(
    name: str, value: str, seen: ColumnSchema, before: ColumnSchema, *, is_target: bool
) -> Iterator[Finding]:
    """One value in every row, where the reference had others so often that one would show."""
    before = before.most_constant
    others = Chance(before.present - before.most_common, before.present, 0, seen.present)
    if others.beyond:
        most = before.most_common / before.present
        yield Finding(
            column=name,
            statistic="constant",
            severity="drift" if is_target else "warn",
            message=f"{name} is constant: every value is {value}; at most {percent(most)} of them "
            "were equal before",
            value=1.0,
            threshold=most,
            answer="drift",
            p_value=others.p_value,
            count=seen.present,
            examples=[value],
        )
