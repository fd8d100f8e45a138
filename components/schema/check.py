"""The schema check: a window's footer and profile against what the champion was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from components.core.verdict import Finding, Verdict
from components.core.window import Window
from components.data.report import ColumnReport, IngestReport, read_report
from components.drift.columns import CategoryProfile
from components.drift.profile import Profile
from components.schema import footer_anomalies, row_anomalies
from components.schema.anomalies import domain_findings, missing_values, unreadable_values
from components.schema.category_anomalies import class_findings
from components.schema.column_schema import Column, ColumnSchema
from components.schema.reading import read_profile
from components.schema.schema import Schema, column_of, columns_of, learn_schema
from components.schema.swapped import swapped_columns
from components.spec.model import Spec

# What follows from two columns' having changed places.
_DOMAIN = {
    "range",
    "scale",
    "zeros",
    "negative",
    "whole numbers",
    "resolution",
    "new categories",
    "constant",
}


def check_schema(
    path: str | Path,
    spec: Spec,
    window: Window,
    schema: Schema | None,
    champion: str,
    *,
    reference: Profile | None = None,
) -> Verdict:
    r"""Hold a window that ingest wrote against the schema of the champion's training window.

    The footer comes first: what it shows to be missing or without a value is not read.

    Args:
        path: the window's Parquet file.
        spec: its columns, label delay and limits.
        window: the window judged.
        schema: the champion's schema; without one the spec alone is the yardstick.
        champion: the champion's version, or `""`.
        reference: the champion's profile, in whose cells the window is counted.

    Raises:
        DataError: when the file is not there, is no Parquet, or was not written by ingest.

    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "rows.csv").write_text("id,at,x,y\na,2024-01-02,1.5,0\nb,2024-01-03,?,1\n")
    >>> from components.data.ingest import ingest_window
    >>> from components.spec.load import parse_spec
    >>> spec = parse_spec(
    ...     f'''{{model: toy, task: binary, metric: roc_auc,
    ...     source: {{kind: files, path: {folder / "rows.csv"}}},
    ...     columns: {{id: id, time: at, target: y, numeric: [x]}},
    ...     estimator: {{class: sklearn.linear_model.LogisticRegression}}}}''')
    >>> window = Window.parse("2024-01")
    >>> _ = ingest_window(spec, window, Window.parse("2024-03").end, folder / "window.parquet")
    >>> check_schema(folder / "window.parquet", spec, window, None, "").headline
    "x: 1 values (50.0 %) are no numbers, such as '?'; they stand for no value"
    """
    report = read_report(path)
    profile = read_profile(path, report, spec, reference)
    return judge_schema(report, profile, schema, spec, window, champion)


def judge_schema(
    report: IngestReport,
    profile: Profile,
    schema: Schema | None,
    spec: Spec,
    window: Window,
    champion: str,
) -> Verdict:
    """The same from the window's ingest report and profile alone, wherever these come from.

    Every anomaly is a finding, with its count and examples, and never an error. `blocked`: a
    feature or the target is missing, empty where it was not, of another type, mostly unreadable,
    in another unit, or swapped with another column. `drift`: beyond the limits in `checks.schema`.
    `warn`: below these, but more than chance. `info`: the rest. A cause stands without what merely
    follows from it.

    Args:
        report: what ingest said of the window.
        profile: its features, and its labels as the column `label`, in the reference's cells.
        schema: the champion's schema, or None.
        spec: its columns, label delay and limits.
        window: the window judged.
        champion: the champion's version, or `""`.
    """
    known = schema.columns if schema else {}
    seen = observe(report, profile, spec, window).columns
    findings = [
        *row_anomalies.too_few(report, schema.rows if schema else 0),
        *footer_anomalies.missing_columns(report, spec, schema),
    ]
    for name in columns_of(spec):
        if name not in report.missing_columns and name in report.columns and report.rows:
            column = column_of(profile, spec, name, report.rows)
            source = report.columns[name]
            findings += _column(name, column, seen[name], source, spec, known.get(name))
    findings = _without_swapped(findings, seen, known)
    if _labels_late(report, spec, window) and spec.columns.target in report.columns:
        findings.append(row_anomalies.late_labels(spec.columns.target, report))
    findings += footer_anomalies.key_findings(report, schema) if schema else []
    findings += row_anomalies.row_findings(
        report,
        spec.columns.time,
        schema.problems if schema else {},
        schema.rows_read if schema else 0,
    )
    findings += footer_anomalies.new_columns(report, spec, schema)
    return Verdict.of(
        "schema",
        str(window),
        champion,
        findings,
        quiet=f"{report.rows:,} rows fit {'the reference' if schema else 'the spec'}",
        facts={
            "rows": report.rows,
            "reference_rows": schema.rows if schema else 0,
            "columns": len(columns_of(spec)),
            "labels": report.labels,
            "labels_not_due": report.labels_not_due,
        },
    )


def observe(report: IngestReport, profile: Profile, spec: Spec, window: Window) -> Schema:
    """The schema of a window as it is; labels that may still come do not count as missing."""
    due = None
    if _labels_late(report, spec, window):
        source = report.columns.get(spec.columns.target)
        due = report.labels + (source.unparsable if source else 0)
    return learn_schema(report, profile, spec, due)


def _labels_late(report: IngestReport, spec: Spec, window: Window) -> bool:
    return row_anomalies.labels_late(report, window, spec.label_delay)


def _column(
    name: str,
    column: Column,
    seen: ColumnSchema,
    source: ColumnReport,
    spec: Spec,
    before: ColumnSchema | None,
) -> list[Finding]:
    """All that is wrong with one column; a cause stands alone, without what follows from it."""
    limits = spec.checks.schema_
    is_target = name == spec.columns.target
    found = list(footer_anomalies.type_findings(name, source, before)) if before else []
    found += unreadable_values(name, seen, source, before, limits)
    if not _blocked(found):
        found += missing_values(name, seen, before, limits)
    if _blocked(found) or not seen.present:
        return found
    if is_target and isinstance(column, CategoryProfile):
        found += class_findings(name, column, spec.task, alone=before is None)
    if before is None:
        return found
    domain = domain_findings(name, column, seen, before, limits, is_target=is_target)
    rounded = any(f.statistic == "type" and f.severity == "warn" for f in found)
    return found + [f for f in domain if not (rounded and f.statistic == "resolution")]


def _without_swapped(
    findings: list[Finding],
    seen: Mapping[str, ColumnSchema],
    before: Mapping[str, ColumnSchema],
) -> list[Finding]:
    """Two columns that changed places, instead of all that follows from it."""
    swapped = list(swapped_columns(seen, before))
    names = {finding.column for finding in swapped}
    return swapped + [f for f in findings if f.column not in names or f.statistic not in _DOMAIN]


def _blocked(findings: list[Finding]) -> bool:
    return any(finding.severity == "blocked" for finding in findings)
