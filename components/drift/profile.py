"""The profile of a data set: small, mergeable without loss, and all that the checks need."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from components.core.errors import DataError
from components.core.verdict import Document
from components.drift.columns import ColumnProfile
from components.drift.learn import learn_categories, learn_numeric
from components.drift.tally import (
    CategoryTally,
    NumericTally,
    merge_columns,
    tally_like,
)

PREDICTION, LABEL = "prediction", "label"

_BATCH_ROWS = 1 << 17
# From more rows than this the cells of a reference are chosen on evenly spaced row groups.
_LEARN_ROWS = 1 << 24

Tallies = dict[str, NumericTally | CategoryTally]


class Profile(Document):
    """The columns of a data set, by name.

    Besides the features there may be `prediction` and `label`.
    """

    format: Literal[1] = 1
    columns: dict[str, ColumnProfile] = Field(default_factory=dict)


def profile_file(
    path: str | Path,
    numeric: Sequence[str],
    categorical: Sequence[str],
    reference: Profile | None = None,
) -> Profile:
    """Profile columns of a Parquet file, batch by batch.

    Args:
        path: the file.
        numeric: columns to read as numbers.
        categorical: columns to read as categories.
        reference: where the cells, and a column's kind, are taken from; columns that it lacks,
            or all without one, get cells from the file itself. One column at a time is then held
            in memory.

    Raises:
        DataError: when the file is not there or is no Parquet; never because of what it holds.

    >>> path = getfixture("tmp_path") / "rows.parquet"
    >>> pq.write_table(pa.table({"a": [1.0, 2.0, None], "b": ["x", "y", "x"]}), path)
    >>> columns = profile_file(path, ["a"], ["b", "c"]).columns
    >>> columns["a"].missing, columns["b"].counts, columns["c"].absent
    (1, [2, 1], 3)
    """
    try:
        schema = pq.read_schema(path)
        encoded = [name for name in categorical if _is_text(schema, name)]
        with pq.ParquetFile(path, read_dictionary=encoded, pre_buffer=True) as file:
            return _profile(file, numeric, categorical, reference)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"{path} cannot be read as Parquet: {error}; write the window again"
        ) from error


def profile_arrays(
    arrays: Mapping[str, pa.Array],
    reference: Profile | None = None,
    categorical: Collection[str] = (),
) -> Profile:
    """Profile columns that are in memory, such as predictions and labels.

    Args:
        arrays: the columns by name.
        reference: where the cells and the kinds are taken from.
        categorical: columns to read as categories where there is no reference; texts and booleans
            always are.

    >>> profile = profile_arrays({"prediction": pa.array([0.1, 0.9])})
    >>> profile.columns["prediction"].mean
    0.5
    """
    profiles = {}
    for name, array in arrays.items():
        as_category = name in categorical or _is_category(array.type)
        tally = _tally(name, array, as_category, reference)
        tally.add(array)
        profiles[name] = tally.profile()
    return Profile(columns=dict(sorted(profiles.items())))


def profile_batches(batches: Iterable[pa.RecordBatch], reference: Profile) -> Profile:
    """Profile a stream of batches in the cells of a reference, all of its columns.

    >>> reference = profile_arrays({"a": pa.array([1.0, 2.0])})
    >>> batch = pa.record_batch({"a": pa.array([2.0, 7.0])})
    >>> profile_batches([batch, batch], reference).columns["a"].maximum
    7.0
    """
    tallies = {name: tally_like(column) for name, column in reference.columns.items()}
    return _count(tallies, batches)


def merge(a: Profile, b: Profile) -> Profile:
    """The profile of two parts of a data set, or of different columns of it.

    Merging is exact: any split of the rows, in any order, gives the same profile.

    Raises:
        DataError: when a column was not counted in the same cells.

    >>> whole = profile_arrays({"a": pa.array([1.0, 2.0, 3.0])})
    >>> parts = [profile_arrays({"a": pa.array([x])}, whole) for x in (3.0, 1.0, 2.0)]
    >>> merge(merge(parts[0], parts[1]), parts[2]) == whole
    True
    """
    columns = {**a.columns, **b.columns}
    for name in a.columns.keys() & b.columns.keys():
        columns[name] = merge_columns(a.columns[name], b.columns[name], name)
    return Profile(columns=dict(sorted(columns.items())))


def _profile(
    file: pq.ParquetFile,
    numeric: Sequence[str],
    categorical: Sequence[str],
    reference: Profile | None,
) -> Profile:
    present = set(file.schema_arrow.names)
    known = reference.columns if reference else {}
    tallies: Tallies = {}
    for name in [*numeric, *categorical]:
        learn = name not in known and name in present
        column = _read_column(file, name) if learn else pa.nulls(0)
        tallies[name] = _tally(name, column, name in set(categorical), reference)
    wanted = [name for name in tallies if name in present]
    batches = file.iter_batches(_BATCH_ROWS, columns=wanted)
    if not wanted:  # a scan of no columns has no rows
        for tally in tallies.values():
            tally.skip(file.metadata.num_rows)
        batches = iter(())
    return _count(tallies, batches)


def _count(tallies: Tallies, batches: Iterable[pa.RecordBatch]) -> Profile:
    for batch in batches:
        names = set(batch.schema.names)
        for name, tally in tallies.items():
            if name in names:
                tally.add(batch.column(name))
            else:
                tally.skip(batch.num_rows)
    return Profile(columns={name: tallies[name].profile() for name in sorted(tallies)})


def _tally(
    name: str, array: pa.Array, as_category: bool, reference: Profile | None
) -> NumericTally | CategoryTally:
    if reference and name in reference.columns:
        return tally_like(reference.columns[name])
    return learn_categories(array) if as_category else learn_numeric(array)


def _read_column(file: pq.ParquetFile, name: str) -> pa.ChunkedArray:
    stride = -(-file.metadata.num_rows // _LEARN_ROWS)
    groups = list(range(0, file.metadata.num_row_groups, max(stride, 1)))
    return file.read_row_groups(groups, columns=[name]).column(name)


def _is_text(schema: pa.Schema, name: str) -> bool:
    return name in schema.names and bool(pa.types.is_string(schema.field(name).type))


def _is_category(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_dictionary(kind)
    )
