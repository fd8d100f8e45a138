"""What can be wrong with a column's type, and with values that are not of its kind."""

from __future__ import annotations

import re
from collections.abc import Iterator

from components.core.verdict import Finding, Severity
from components.core.words import percent
from components.data.report import ColumnReport
from components.schema.anomalies import beyond_chance
from components.schema.column_schema import ColumnSchema
from components.schema.summary import NumberSummary, Summary
from components.spec.model import SchemaCheck

_FAMILIES = {
    "number": r"u?int\d+|half_?float|float|double|decimal.*",
    "text": r"(large_)?(string|utf8)(_view)?|(large_|fixed_size_)?binary.*",
    "truth": r"bool",
    "time": r"timestamp|date\d+|time\d+|duration",
    "container": r"list|large_list|struct|map|fixed_size_list",
}


def type_findings(
    name: str,
    summary: Summary,
    arrived: ColumnReport,
    before: ColumnSchema | None,
    limits: SchemaCheck,
) -> Iterator[Finding]:
    """Another type than before, and values that are not of the column's kind."""
    if before is not None and arrived.source_type != before.source_type:
        now, then = _families(arrived.source_type), _families(before.source_type)
        usable = {"number", "truth"}  # these are numbers, whichever way they are written
        changed = bool(now and then and now - then and not (now | then <= usable))
        yield Finding(
            column=name,
            statistic="type",
            severity="blocked" if changed else "info",
            message=f"{name} changed its type: {before.source_type} -> {arrived.source_type}",
            examples=arrived.examples if changed else [],
        )
    yield from _unparsable(name, summary, arrived, before, limits)


def _unparsable(
    name: str,
    summary: Summary,
    arrived: ColumnReport,
    before: ColumnSchema | None,
    limits: SchemaCheck,
) -> Iterator[Finding]:
    """Values that are not of the column's kind: `info` where the reference had as many."""
    count = arrived.unparsable + summary.unfit
    if not count:
        return
    total = summary.present + count
    share = count / total
    usual = 0.0
    severity: Severity = "warn"
    if before is not None and before.unparsable:
        total_before = before.present + before.unparsable
        usual = before.unparsable / total_before
        if not beyond_chance(count, total, before.unparsable, total_before):
            severity = "info"
    if severity == "warn" and share > 0.5 >= usual:
        severity = "blocked"
    elif severity == "warn" and share - usual > limits.missing:
        severity = "drift"
    what = "numbers" if isinstance(summary, NumberSummary) else "texts"
    yield Finding(
        column=name,
        statistic="unparsable",
        severity=severity,
        message=f"{name}: {count:,} values ({percent(share)}) are no {what}"
        + (f", such as {arrived.examples[0]!r}" if arrived.examples else "")
        + (f"; {percent(usual)} were none before" if usual else ""),
        value=share,
        threshold=usual + limits.missing,
        count=count,
        examples=arrived.examples,
    )


def _families(source_type: str) -> set[str]:
    """The families of the types in a report; none for untyped sources and for nulls.

    >>> sorted(_families("int64, timestamp[us, tz=UTC]")), _families("text")
    (['number', 'time'], set())
    """
    inner = re.sub(r"dictionary<values=(\w+)[^>]*>", r"\1", source_type)
    names = re.split(r"\W+", re.sub(r"\[[^\]]*\]|<.*>|\([^)]*\)", "", inner))
    return {
        family
        for name in names
        for family, pattern in _FAMILIES.items()
        if re.fullmatch(pattern, name)
    }
