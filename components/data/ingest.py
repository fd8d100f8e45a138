"""Read a window from a source and write it as one Parquet file, with a report of what was done."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from components.core.errors import DataError, EmptyWindowError
from components.core.window import Window, format_time
from components.data.intake import Intake
from components.data.report import METADATA_KEY, IngestReport
from components.data.sources import Scan, Source, open_source
from components.data.writer import WindowWriter
from components.spec.model import Spec


def ingest_window(spec: Spec, window: Window, as_of: datetime, destination: Path) -> IngestReport:
    """Write the window's rows of the spec's source to a Parquet file, in the source's order.

    The columns are the spec's: id (string), time (timestamp[us, UTC]), numeric features (double),
    categorical features (string), and the target (regression: double; classification: int64, bool
    or string, as the source has it). A feature or a target that the source lacks is all null.

    Args:
        spec: the source, the columns' roles, and the labels' delay.
        window: the event times to keep.
        as_of: labels of rows whose event time plus the delay lies after it are not known yet.
        destination: the file, written atomically: after an error there is none, or the old one.

    Returns:
        The counts, which are also in the file's metadata (`read_report`).

    Raises:
        EmptyWindowError: when no row lies in the window.
        DataError: when the source cannot be read, lacks the id or the time column, or when a
            feature of the spec is known only after the event.
    """
    source = open_source(spec)
    return ingest_source(source, spec, window, as_of, destination)


def ingest_source(
    source: Source, spec: Spec, window: Window, as_of: datetime, destination: Path
) -> IngestReport:
    """The same from a source that is open already."""
    _refuse_outcomes(spec, source)
    as_of = as_of if as_of.tzinfo else as_of.replace(tzinfo=UTC)
    scan = source.scan(spec.columns.all, spec.columns.time, window)
    intake = Intake(spec, window, as_of)
    with WindowWriter(destination, spec.columns.categorical) as writer:
        for batch in scan:
            _require(spec, source, scan)
            writer.write(intake.take(batch))
        _require(spec, source, scan)
        if not intake.rows:
            raise _nothing(spec, source, scan, intake)
        writer.conform(intake.schema())
        report = _report(spec, source, scan, intake)
        writer.commit({METADATA_KEY: report.model_dump_json().encode()})
    return report


def _refuse_outcomes(spec: Spec, source: Source) -> None:
    leaking = [name for name in spec.columns.features if name in source.outcomes]
    if leaking:
        raise DataError(
            f"{source.describe()}: {', '.join(leaking)} is known only after the event and cannot "
            "be a feature; remove it from columns.numeric and columns.categorical"
        )


def _require(spec: Spec, source: Source, scan: Scan) -> None:
    """The id and the time column have to be there, in one file at least."""
    needed = {"id": spec.columns.id, "time": spec.columns.time}
    if all(name in scan.types for name in needed.values()):
        return
    names = source.names()
    for role, name in needed.items():
        if name not in names:
            raise DataError(
                f"{source.describe()} has no column {name!r}, which columns.{role} names; "
                f"it has {_some(names)}{_nearest(name, names)}"
            )


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:20]) or "no columns at all"
    return f"{shown} and {len(names) - 20} more" if len(names) > 20 else shown


def _nearest(name: str, names: Iterable[str]) -> str:
    by_folded = {other.casefold(): other for other in names}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.5)
    return f"; did you mean {by_folded[close[0]]!r}?" if close else "; correct the spec"


def _nothing(spec: Spec, source: Source, scan: Scan, intake: Intake) -> DataError:
    """Why there are no rows, and where there are some."""
    if intake.rows_no_id:
        return DataError(
            f"{source.describe()}: none of the {intake.rows_no_id:,} rows of {intake.window} has "
            f"a value in {spec.columns.id!r}; name another column as columns.id"
        )
    message = f"{source.describe()} has no rows in the window {intake.window}"
    covered = source.coverage(spec.columns.time)
    if covered:
        first, last = (format_time(moment) for moment in covered)
        message += f"; it covers {first} to {last}: choose a window there"
    elif intake.rows_bad_time:
        message += f"; none of its rows has a time that can be read in {spec.columns.time!r}"
    else:
        message += "; it has no rows at all: check the source"
    if examples := intake.examples(spec.columns.time):
        message += (
            f" ({intake.rows_bad_time:,} rows have no readable time, such as {examples[0]!r})"
        )
    if scan.malformed:
        message += f" ({scan.malformed:,} lines are malformed: {scan.malformed_examples[0]})"
    return EmptyWindowError(message)


def _report(spec: Spec, source: Source, scan: Scan, intake: Intake) -> IngestReport:
    columns = spec.columns.all
    return IngestReport(
        window=str(intake.window),
        as_of=format_time(intake.as_of),
        source=source.describe(),
        rows_read=intake.rows_read + scan.skipped,
        rows_outside=intake.rows_outside + scan.skipped,
        rows_bad_time=intake.rows_bad_time,
        rows_no_id=intake.rows_no_id,
        duplicates=intake.duplicates,
        rows=intake.rows,
        labels=intake.labels,
        labels_not_due=intake.labels_not_due,
        missing_columns=[name for name in columns if name not in scan.types],
        extra_columns=[name for name in scan.types if name not in columns],
        columns={name: intake.column_report(name, scan.types.get(name)) for name in columns},
        fingerprint=intake.fingerprint(),
        rows_malformed=scan.malformed,
        malformed=scan.malformed_examples,
    )
