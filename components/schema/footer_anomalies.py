"""What can be wrong with a window before a row of it is read: its columns and their types."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from components.core.verdict import Finding
from components.data.report import ColumnReport, IngestReport
from components.schema.column_schema import ColumnSchema
from components.schema.schema import Schema, columns_of, split_types
from components.spec.model import Spec

_FAMILIES = {
    "number": r"u?int\d+|half_?float|float|double|decimal.*",
    "text": r"(large_)?(string|utf8)(_view)?|(large_|fixed_size_)?binary.*",
    "truth": r"bool",
    "time": r"timestamp|date\d+|time\d+|duration",
    "container": r"list|large_list|struct|map|fixed_size_list",
}
_WHOLE = r"(u?int\d+(, )?)+"
# How alike two names are that may be one column's, as difflib measures it.
_ALIKE = 0.6


def missing_columns(report: IngestReport, spec: Spec, before: Schema | None) -> Iterator[Finding]:
    """The columns that the source does not have, with the names that they may have got."""
    missing = [name for name in columns_of(spec) if name in report.missing_columns]
    renamed = _renamed(missing, _new(report, before))
    for name in missing:
        role = "the target" if name == spec.columns.target else "a feature"
        now = renamed.get(name)
        known = f": renamed to {now!r}?" if now else ""
        yield Finding(
            column=name,
            statistic="missing column",
            severity="blocked",
            message=f"{name}, {role}, is missing in the source{known}; "
            "restore it or change the spec",
            examples=[now] if now else [],
        )


def new_columns(report: IngestReport, spec: Spec, before: Schema | None) -> Iterator[Finding]:
    """Columns that the source did not have and that are no old one's new name."""
    if before is None:
        return
    missing = [name for name in columns_of(spec) if name in report.missing_columns]
    new = _new(report, before)
    renamed = set(_renamed(missing, new).values())
    for name in new:
        if name not in renamed:
            yield Finding(
                column=name,
                statistic="new column",
                severity="info",
                message=f"the source has a new column, {name}; the spec does not use it",
            )


def type_findings(name: str, source: ColumnReport, before: ColumnSchema) -> Iterator[Finding]:
    """Another type than before: one of another kind, or one that cannot hold what there was."""
    if source.source_type in before.source_types:
        return
    now = families(source.source_type)
    then = set().union(*map(families, before.source_types))
    usable = {"number", "truth"}  # these are numbers, whichever way they are written
    changed = bool(now and then and now - then and not (now | then <= usable))
    whole = re.fullmatch(_WHOLE, source.source_type)
    lossy = before.kind == "number" and before.present > 0 and not before.whole and whole
    message = f"{name} changed its type: {' or '.join(before.source_types)} -> {source.source_type}"
    if lossy and not changed:
        message += ", which cannot hold the fractions that it had"
    elif changed and source.examples:
        message += f", with values such as {source.examples[0]!r}"
    yield Finding(
        column=name,
        statistic="type",
        severity="blocked" if changed else "warn" if lossy else "info",
        message=message,
        examples=source.examples if changed else [],
    )


def key_findings(report: IngestReport, before: Schema) -> Iterator[Finding]:
    """Another type of the id or the time: both still work, but perhaps mean something else."""
    for name, then in before.keys.items():
        now = split_types(report.columns[name].source_type) if name in report.columns else then
        fresh, usual = (set().union(*map(families, each)) for each in (now, then))
        if not set(now) <= set(then) and fresh and usual:
            yield Finding(
                column=name,
                statistic="type",
                severity="info" if fresh <= usual else "warn",
                message=f"{name} changed its type: {' or '.join(then)} -> {', '.join(now)}; "
                "ids and times still have to match those of the labels and the log",
            )


def families(source_type: str) -> set[str]:
    """The families of the types in a report; none for untyped sources and for nulls.

    >>> sorted(families("int64, timestamp[us, tz=UTC]")), families("text")
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


def _new(report: IngestReport, before: Schema | None) -> list[str]:
    known = before.extra_columns if before else []
    return [name for name in report.extra_columns if name not in known]


def _renamed(missing: list[str], new: list[str]) -> dict[str, str]:
    """For each missing column the new one that it may be by now, each new one once."""
    free = {re.sub(r"[\W_]+", "", name).casefold(): name for name in new}
    found = {}
    for name in missing:
        plain = re.sub(r"[\W_]+", "", name).casefold()
        close = difflib.get_close_matches(plain, free, n=1, cutoff=_ALIKE)
        if close:
            found[name] = free.pop(close[0])
    if len(missing) == 1 and len(new) == 1:
        found[missing[0]] = new[0]
    return found
