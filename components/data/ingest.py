"""Read a window from a source and write it as one Parquet file, with a report of what was done."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from pathlib import Path

from components.core.errors import DataError, EmptyWindowError
from components.core.window import Window, format_time
from components.data.intake import Intake
from components.data.part_report import PartReport
from components.data.report import METADATA_KEY, IngestReport
from components.data.sources import Source, open_source
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
    refuse_outcomes(spec, source)
    as_of = as_of if as_of.tzinfo else as_of.replace(tzinfo=UTC)
    scan = source.scan(spec.columns.all, spec.columns.time, window)
    intake = Intake(spec, window, as_of)
    with WindowWriter(destination, spec.columns.categorical) as writer:
        for batch in scan:
            require_columns(spec, source, scan.types)
            writer.write(intake.take(batch))
        require_columns(spec, source, scan.types)
        part = PartReport.of(scan, intake)
        if not part.rows:
            raise no_rows(spec, source, window, part)
        writer.conform(intake.schema())
        report = part.complete(spec, window, as_of, source.describe())
        writer.commit({METADATA_KEY: report.model_dump_json().encode()})
    return report


def refuse_outcomes(spec: Spec, source: Source) -> None:
    """A feature must be known before the event.

    Raises:
        DataError: naming the features that are not.
    """
    leaking = [name for name in spec.columns.features if name in source.outcomes]
    if leaking:
        raise DataError(
            f"{source.describe()}: {', '.join(leaking)} is known only after the event and cannot "
            "be a feature; remove it from columns.numeric and columns.categorical"
        )


def require_columns(spec: Spec, source: Source, seen: Collection[str]) -> None:
    """The id and the time column have to be there, in one file at least.

    Args:
        spec: which columns these are.
        source: asked for all of its columns where they were not seen yet.
        seen: the columns seen so far.

    Raises:
        DataError: naming the column and what it may be called.
    """
    needed = {"id": spec.columns.id, "time": spec.columns.time}
    if all(name in seen for name in needed.values()):
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


def no_rows(spec: Spec, source: Source, window: Window, found: PartReport) -> DataError:
    """Why a window that was read has no rows, and where there are some."""
    if found.rows_no_id:
        return DataError(
            f"{source.describe()}: none of the {found.rows_no_id:,} rows of {window} has "
            f"a value in {spec.columns.id!r}; name another column as columns.id"
        )
    message = f"{source.describe()} has no rows in the window {window}"
    covered = source.coverage(spec.columns.time)
    if covered:
        first, last = (format_time(moment) for moment in covered)
        message += f"; it covers {first} to {last}: choose a window there"
    elif found.rows_bad_time:
        message += f"; none of its rows has a time that can be read in {spec.columns.time!r}"
    else:
        message += "; it has no rows at all: check the source"
    if examples := found.examples[spec.columns.time]:
        message += f" ({found.rows_bad_time:,} rows have no readable time, such as {examples[0]!r})"
    if found.rows_malformed:
        message += f" ({found.rows_malformed:,} lines are malformed: {found.malformed[0]})"
    return EmptyWindowError(message)
