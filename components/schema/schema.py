"""The schema of a training window, and how a later window deviates from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

from components.core.errors import DataError
from components.core.verdict import Document, Finding, Verdict
from components.core.window import Window, parse_time
from components.data.convert import TIME
from components.data.report import IngestReport, read_report
from components.schema import anomalies, row_anomalies, type_anomalies
from components.schema.column_schema import ColumnSchema, Kind, learn_column, widened
from components.schema.summary import CategorySummary, NumberSummary, Summary, summarise
from components.spec.model import Spec


class Schema(Document):
    """The columns of a training window, and how many of its rows had a problem."""

    format: Literal[1] = 1
    window: str
    rows: int
    rows_read: int
    problems: dict[str, int] = Field(default_factory=dict)
    extra_columns: list[str] = Field(default_factory=list)
    columns: dict[str, ColumnSchema]


def learn_schema(path: str | Path, spec: Spec) -> Schema:
    """Learn the schema of a window that ingest wrote; one column at a time is held in memory.

    The target is learned from the rows alone whose label was due when the window was read: a later
    window is held against it when all of its labels are.

    Args:
        path: the window's Parquet file.
        spec: its features and target are the schema's columns.

    Raises:
        DataError: when the file is not there, is no Parquet, or was not written by ingest.
    """
    report = read_report(path)
    columns = {}
    for name in _columns(spec):
        arrived = report.columns.get(name)
        source_type = arrived.source_type if arrived else "missing"
        unparsable = arrived.unparsable if arrived else 0
        column = _read(path, name)
        if name == spec.columns.target:
            column = column.filter(_due(path, spec, report))
        columns[name] = learn_column(column, _kind(spec, name), source_type, unparsable)
    return Schema(
        window=report.window,
        rows=report.rows,
        rows_read=report.rows_read,
        problems=row_anomalies.row_problems(report),
        extra_columns=sorted(report.extra_columns),
        columns=columns,
    )


def check_schema(
    path: str | Path, spec: Spec, window: Window, reference: Schema | None, champion: str
) -> Verdict:
    """Hold a window that ingest wrote against the schema of the champion's training window.

    Every anomaly is a finding, with its count and examples. `blocked`: a feature or the target is
    missing, empty where it was not, of another type, or mostly unreadable. `drift`: beyond the
    limits in `checks.schema`. `warn`: below these, but more than chance. `info`: the rest.

    Args:
        path: the window's Parquet file.
        spec: its columns, label delay and limits.
        window: the window judged.
        reference: the champion's schema; without one the spec alone is the yardstick.
        champion: the champion's version, or `""`.

    Raises:
        DataError: when the file is not there, is no Parquet, or was not written by ingest.
    """
    report = read_report(path)
    known = reference.columns if reference else {}
    summaries = {name: _summary(spec, name, known.get(name)) for name in _columns(spec)}
    _scan(path, summaries)
    findings: list[Finding] = []
    for name, summary in summaries.items():
        findings += _column_findings(name, summary, report, spec, window, known.get(name))
    if reference:
        findings += row_anomalies.row_findings(report, reference.problems, reference.rows_read)
        findings += row_anomalies.new_columns(report, reference.extra_columns)
    else:
        findings += row_anomalies.row_findings(report, {}, 0)
    return Verdict.of(
        "schema",
        str(window),
        champion,
        findings,
        quiet=f"{report.rows:,} rows fit {'the reference' if reference else 'the spec'}",
        facts={
            "rows": report.rows,
            "reference_rows": reference.rows if reference else 0,
            "columns": len(summaries),
            "labels": report.labels,
            "labels_not_due": report.labels_not_due,
        },
    )


def _column_findings(
    name: str,
    summary: Summary,
    report: IngestReport,
    spec: Spec,
    window: Window,
    before: ColumnSchema | None,
) -> Iterator[Finding]:
    """All that is wrong with one column; a cause stands alone, without what follows from it."""
    limits = spec.checks.schema_
    is_target = name == spec.columns.target
    arrived = report.columns.get(name)
    if name in report.missing_columns or arrived is None:
        yield anomalies.missing_column(name, is_target)
        return
    found = list(type_anomalies.type_findings(name, summary, arrived, before, limits))
    if is_target and row_anomalies.labels_late(report, window, spec.label_delay):
        found.append(row_anomalies.late_labels(name, report))
    elif not _blocked(found):
        unparsable = arrived.unparsable + summary.unfit
        found += anomalies.missing_values(name, summary, unparsable, before, limits)
    yield from found
    if _blocked(found) or not summary.present:
        return
    if is_target and isinstance(summary, CategorySummary):
        yield from anomalies.class_findings(name, summary, spec.task, before is None)
    if before is not None:
        yield from anomalies.domain_findings(name, summary, before, limits, is_target)


def _blocked(findings: list[Finding]) -> bool:
    return any(finding.severity == "blocked" for finding in findings)


def _columns(spec: Spec) -> list[str]:
    return [*spec.columns.features, spec.columns.target]


def _kind(spec: Spec, name: str) -> Kind:
    if name == spec.columns.target:
        return "number" if spec.task == "regression" else "category"
    return "number" if name in spec.columns.numeric else "category"


def _summary(spec: Spec, name: str, before: ColumnSchema | None) -> Summary:
    if _kind(spec, name) == "category":
        return CategorySummary()
    return NumberSummary(*widened(before, spec.checks.schema_.range))


def _read(path: str | Path, name: str) -> pa.Array:
    try:
        if name not in pq.read_schema(path).names:
            return pa.nulls(pq.read_metadata(path).num_rows)
        return pq.read_table(path, columns=[name]).column(name).combine_chunks()
    except (OSError, pa.ArrowInvalid) as error:
        raise _unreadable(path, error) from error


def _due(path: str | Path, spec: Spec, report: IngestReport) -> pa.Array:
    """Which rows' labels were due when the window was read, (n,) booleans."""
    known_until = pa.scalar(parse_time(report.as_of) - spec.label_delay, TIME)
    return pc.less_equal(_read(path, spec.columns.time), known_until)


def _scan(path: str | Path, summaries: dict[str, Summary]) -> None:
    try:
        with pq.ParquetFile(path) as file:
            wanted = [name for name in summaries if name in file.schema_arrow.names]
            summarise(file.iter_batches(columns=wanted), summaries)
    except (OSError, pa.ArrowInvalid) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str | Path, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read as Parquet: {error}; run ingest again")
