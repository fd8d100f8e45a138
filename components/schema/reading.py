"""What the schema is learned from and judged by: a window's footer, and its profile."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.core.errors import DataError
from components.core.window import Window, parse_time
from components.data.convert import TIME
from components.data.report import IngestReport
from components.drift.columns import NumericProfile
from components.drift.profile import LABEL, Profile, profile_file, profile_labels
from components.schema.schema import columns_of, kind_of, nothing
from components.spec.model import Spec


def read_profile(
    path: str | Path, report: IngestReport, spec: Spec, reference: Profile | None
) -> Profile:
    """Profile a window's features and its labels, those columns alone that may hold a value.

    The footer is looked at first: columns that it shows to be missing or all null are not read.

    Args:
        path: the window's Parquet file.
        report: what ingest said of it.
        spec: its columns and their roles.
        reference: where the cells are taken from; a column that it has in another role gets its
            own.

    Raises:
        DataError: when the file is not there or is no Parquet.
    """
    empty = {name for name, rows in read_nulls(path).items() if rows == report.rows}
    empty.update(report.missing_columns)
    empty.update(set(columns_of(spec)) - set(pq.read_schema(path).names))
    wanted = [name for name in spec.columns.features if name not in empty]
    cells = same_roles(reference, spec) if reference else None
    found = profile_file(
        path,
        [name for name in spec.columns.numeric if name in wanted],
        [name for name in spec.columns.categorical if name in wanted],
        cells,
    ).columns
    for name in spec.columns.features:
        if name in empty:
            found[name] = nothing(spec, name, report.rows)
    if spec.columns.target not in empty:
        categorical = spec.task != "regression"
        found |= profile_labels(path, spec.columns.target, cells, categorical=categorical).columns
    return Profile(columns=dict(sorted(found.items())))


def read_nulls(path: str | Path) -> dict[str, int]:
    """How many rows of each column are null, of those columns whose statistics say so.

    Raises:
        DataError: when the file is not there or is no Parquet.

    >>> path = getfixture("tmp_path") / "rows.parquet"
    >>> pq.write_table(pa.table({"a": [1.0, None], "b": ["x", "y"]}), path)
    >>> read_nulls(path)
    {'a': 1, 'b': 0}
    """
    try:
        footer = pq.read_metadata(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise _unreadable(path, error) from error
    nulls: dict[str, int] = {}
    unknown = set()
    for group in range(footer.num_row_groups):
        for place in range(footer.num_columns):
            column = footer.row_group(group).column(place)
            name, statistics = column.path_in_schema, column.statistics
            if statistics is None or not statistics.has_null_count:
                unknown.add(name)
            else:
                nulls[name] = nulls.get(name, 0) + statistics.null_count
    return {name: count for name, count in nulls.items() if name not in unknown}


def count_due(path: str | Path, spec: Spec, report: IngestReport) -> int:
    """How many rows' labels were due when the window was read; the times are read if need be.

    Raises:
        DataError: when the file is not there or is no Parquet.
    """
    known_until = parse_time(report.as_of) - spec.label_delay
    if Window.parse(report.window).end <= known_until:
        return report.rows
    times = _read(path, spec.columns.time)
    return int(pc.sum(pc.less_equal(times, pa.scalar(known_until, TIME))).as_py() or 0)


def same_roles(reference: Profile, spec: Spec) -> Profile:
    """The reference's columns of the kind that the spec takes them for."""
    names = {LABEL if name == spec.columns.target else name: name for name in columns_of(spec)}
    return Profile(
        columns={
            name: column
            for name, column in reference.columns.items()
            if name in names
            and isinstance(column, NumericProfile) == (kind_of(spec, names[name]) == "number")
        }
    )


def _read(path: str | Path, name: str) -> pa.Array:
    try:
        return pq.read_table(path, columns=[name]).column(name).combine_chunks()
    except (OSError, KeyError, pa.ArrowInvalid) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str | Path, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read as Parquet: {error}; run ingest again")
