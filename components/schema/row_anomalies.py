"""What can be wrong with a window's rows as such, each as a finding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from components.core.verdict import Finding
from components.core.window import Window, parse_time
from components.core.words import percent
from components.data.report import IngestReport
from components.schema.anomalies import beyond_chance

_PROBLEMS = {
    "rows_bad_time": "have no readable event time and were left out",
    "rows_no_id": "have no id and were left out",
    "duplicates": "repeat an id; each id was kept once",
    "rows_malformed": "are malformed and were left out",
}


def row_problems(report: IngestReport) -> dict[str, int]:
    """How many rows had which problem."""
    return {name: getattr(report, name) for name in _PROBLEMS}


def row_findings(
    report: IngestReport, before: Mapping[str, int], rows_before: int
) -> Iterator[Finding]:
    """Rows that could not be used: `warn` where there are more of them than in the reference."""
    for name, count in row_problems(report).items():
        if not count:
            continue
        usual = rows_before and not beyond_chance(
            count, report.rows_read, before.get(name, 0), rows_before
        )
        share = count / max(report.rows_read, 1)
        yield Finding(
            column="",
            statistic=name.replace("_", " "),
            severity="info" if usual else "warn",
            message=f"{count:,} of {report.rows_read:,} rows ({percent(share)}) {_PROBLEMS[name]}",
            value=share,
            count=count,
            examples=report.malformed if name == "rows_malformed" else [],
        )


def new_columns(report: IngestReport, before: list[str]) -> Iterator[Finding]:
    """Columns that the source did not have; the spec does not name them."""
    for name in report.extra_columns:
        if name not in before:
            yield Finding(
                column=name,
                statistic="new column",
                severity="info",
                message=f"the source has a new column, {name}; the spec does not use it",
            )


def labels_late(report: IngestReport, window: Window, delay: timedelta) -> bool:
    """Whether some of the window's labels were not due when it was read."""
    return report.labels_not_due > 0 or parse_time(report.as_of) < window.end + delay


def late_labels(name: str, report: IngestReport) -> Finding:
    """How many labels have arrived of a window that is too fresh to have all."""
    return Finding(
        column=name,
        statistic="labels",
        severity="info",
        message=f"{report.labels:,} of {report.rows:,} rows have a label; not all were due by "
        f"{report.as_of}",
        value=report.labels / max(report.rows, 1),
        count=report.labels,
    )
