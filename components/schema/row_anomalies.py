"""What can be wrong with a window's rows as such, each as a finding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from components.core.verdict import Finding
from components.core.window import Window, parse_time
from components.core.words import percent
from components.data.report import IngestReport
from components.schema.chance import Chance

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
    report: IngestReport, time: str, before: Mapping[str, int], rows_before: int
) -> Iterator[Finding]:
    """Rows that could not be used: `warn` where there are more of them than in the reference.

    Args:
        report: the window's ingest report.
        time: the name of the time column.
        before: how many rows of the reference had which problem.
        rows_before: how many rows were read for it; 0 where there is none.
    """
    times = report.columns[time].examples if time in report.columns else []
    examples = {"rows_malformed": report.malformed, "rows_bad_time": times}
    for name, count in row_problems(report).items():
        if not count:
            continue
        read = report.rows_read + (report.rows_malformed if name == "rows_malformed" else 0)
        chance = Chance(count, read, before.get(name, 0), rows_before)
        shown = examples.get(name, [])
        such = f", such as {shown[0]!r}" if shown else ""
        finding = Finding(
            column="",
            statistic=name.replace("_", " "),
            severity="info" if rows_before and not chance.beyond else "warn",
            message=f"{count:,} of {read:,} rows ({percent(chance.share)}) {_PROBLEMS[name]}{such}",
            value=chance.share,
            count=count,
            examples=shown,
        )
        yield chance.on(finding) if rows_before else finding


def too_few(report: IngestReport, rows_before: int) -> Iterator[Finding]:
    """Fewer rows than could show anything, or none at all."""
    if not report.rows:
        yield Finding(
            column="",
            statistic="rows",
            severity="warn",
            answer="underpowered",
            message="the window has no rows, so nothing about its columns can be told; "
            "check the source or choose another window",
            count=0,
        )
    elif rows_before and Chance(0, report.rows, 0, rows_before).answer == "underpowered":
        yield Finding(
            column="",
            statistic="rows",
            severity="info",
            answer="underpowered",
            message=f"{report.rows:,} rows are too few to tell an anomaly from chance",
            count=report.rows,
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
