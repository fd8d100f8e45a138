"""The profile of a data set: small, mergeable without loss, and all that the checks need.

How a column is counted depends on its role, not on its type; `values` says how each type is read.
No column is an error:

- numbers: counts in cells learned from the reference; few different values have a cell each;
- dates and times listed as numeric: seconds, UTC; listed as categorical: texts;
- booleans: 0 and 1, or the categories true and false;
- many different texts, such as ids: the thousand most frequent by name (of more than a thousand,
  only those that occur twice), a hundred others by name, the rest as a number;
- a constant column has one value's cell; one without any value has one cell and no edges;
- null and NaN are missing, infinite numbers are counted apart; what is of another kind, such as a
  list, a struct, or a word among numbers, is unreadable; a column the file lacks is absent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, model_validator

from components.core.errors import DataError, ReleaseError
from components.core.verdict import Document
from components.drift.columns import ColumnProfile
from components.drift.first_format import from_first
from components.drift.learn import learn_categories, learn_numeric
from components.drift.tally import (
    CategoryTally,
    NumericTally,
    merge_columns,
    tally_like,
)

PREDICTION, LABEL = "prediction", "label"

FORMAT = 2

_BATCH_ROWS = 1 << 17
# Columns scanned at a time, so that memory does not grow with their number.
_BATCH_COLUMNS = 4
# From more rows than this the cells of a reference are chosen on evenly spaced row groups.
_LEARN_ROWS = 1 << 22
# Texts with a larger dictionary, in compressed bytes, are read without it: building it again for
# nearly unique texts takes far longer than counting them.
_LARGE_DICTIONARY = 1 << 16

Tallies = dict[str, NumericTally | CategoryTally]


class Profile(Document):
    """The columns of a data set, by name.

    Besides the features there may be `prediction` and `label`. Documents of earlier formats are
    read too.

    Raises:
        ReleaseError: on reading a document of a later format.
    """

    format: Literal[2] = 2
    columns: dict[str, ColumnProfile] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _of_any_format(cls, document: Any) -> Any:
        found = document.get("format", FORMAT) if isinstance(document, dict) else FORMAT
        if isinstance(found, int) and found > FORMAT:
            raise ReleaseError(
                f"the profile has format {found}, and this driftline reads formats up to {FORMAT}; "
                "use the version of driftline that wrote it, or a later one"
            )
        if found != 1:
            return document
        try:
            return from_first(document)
        except (KeyError, TypeError) as error:
            raise ValueError("the profile is none of format 1") from error


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
        encoded = _encoded(pq.read_metadata(path), set(categorical))
        with pq.ParquetFile(path, read_dictionary=encoded, pre_buffer=False) as file:
            return _profile(file, numeric, categorical, reference)
    except (OSError, pa.ArrowInvalid) as error:
        raise _unreadable(path, error) from error


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


def profile_labels(
    path: str | Path, target: str, reference: Profile | None = None, *, categorical: bool = False
) -> Profile:
    """Profile the labels of a Parquet file as the column `label`, batch by batch.

    A null label is not there: it is no row. Without any label there is no column.

    Args:
        path: the file.
        target: the column that holds the labels; the file may lack it.
        reference: where the cells and the kind are taken from, if it has labels; else the cells
            are learned from the file, and the column is held in memory.
        categorical: read them as categories where there is no reference; texts and booleans
            always are.

    Raises:
        DataError: when the file is not there or is no Parquet.

    >>> path = getfixture("tmp_path") / "rows.parquet"
    >>> pq.write_table(pa.table({"y": [1.0, 2.0, None]}), path)
    >>> profile_labels(path, "y").columns["label"].rows
    2
    """
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            if target not in file.schema_arrow.names:
                return Profile()
            known = reference is not None and LABEL in reference.columns
            labels = pa.nulls(0) if known else _read_column(file, target).drop_null()
            as_category = categorical or _is_category(labels.type)
            tally = _tally(LABEL, labels, as_category, reference)
            for batch in file.iter_batches(_BATCH_ROWS, columns=[target]):
                tally.add(_first(batch, target).drop_null())
    except (OSError, pa.ArrowInvalid) as error:
        raise _unreadable(path, error) from error
    if not known and isinstance(tally, CategoryTally):
        tally.settle()
    return Profile(columns={LABEL: tally.profile()} if tally.rows else {})


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
    names = list(dict.fromkeys([*numeric, *categorical]))
    as_category = set(categorical)
    known = reference.columns if reference else {}
    columns: dict[str, ColumnProfile] = {}
    for start in range(0, len(names), _BATCH_COLUMNS):
        some: Tallies = {}
        for name in names[start : start + _BATCH_COLUMNS]:
            learn = name in present and name not in known
            column = _read_column(file, name) if learn else pa.nulls(0)
            some[name] = _tally(name, column, name in as_category, reference)
        _scan(file, some, present)
        for name, tally in some.items():
            if name not in known and isinstance(tally, CategoryTally):
                tally.settle()
            columns[name] = tally.profile()
    return Profile(columns=dict(sorted(columns.items())))


def _scan(file: pq.ParquetFile, tallies: Tallies, present: set[str]) -> None:
    for name in tallies.keys() - present:
        tallies[name].skip(file.metadata.num_rows)
    found = {name: tally for name, tally in tallies.items() if name in present}
    if found:  # a scan of no columns would have no rows
        for batch in file.iter_batches(_BATCH_ROWS, columns=list(found)):
            for name, tally in found.items():
                tally.add(_first(batch, name))


def _first(batch: pa.RecordBatch, name: str) -> pa.Array:
    """Of columns with the same name the first one."""
    return batch.column(batch.schema.get_all_field_indices(name)[0])


def _tally(
    name: str, array: pa.Array, as_category: bool, reference: Profile | None
) -> NumericTally | CategoryTally:
    if reference and name in reference.columns:
        return tally_like(reference.columns[name])
    return learn_categories(array) if as_category else learn_numeric(array)


def _read_column(file: pq.ParquetFile, name: str) -> pa.ChunkedArray:
    stride = -(-file.metadata.num_rows // _LEARN_ROWS)
    groups = list(range(0, file.metadata.num_row_groups, max(stride, 1)))
    return file.read_row_groups(groups, columns=[name]).column(0)


def _encoded(metadata: pq.FileMetaData, names: set[str]) -> list[str]:
    """Those of the text columns that are read with their dictionaries."""
    texts = {
        field.name
        for field in metadata.schema.to_arrow_schema()
        if field.name in names and pa.types.is_string(field.type)
    }
    paths = [metadata.schema.column(index).path for index in range(metadata.num_columns)]
    places = [index for index, path in enumerate(paths) if path in texts]
    for row_group in map(metadata.row_group, range(metadata.num_row_groups)):
        for chunk in map(row_group.column, places):
            if _dictionary_bytes(chunk) > _LARGE_DICTIONARY:
                texts.discard(chunk.path_in_schema)
    return sorted(texts)


def _dictionary_bytes(chunk: pq.ColumnChunkMetaData) -> int:
    """The size of a column chunk's dictionary, all of the chunk where it has none."""
    if not chunk.has_dictionary_page or chunk.dictionary_page_offset is None:
        return int(chunk.total_compressed_size)
    return int(chunk.data_page_offset - chunk.dictionary_page_offset)


def _unreadable(path: str | Path, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read as Parquet: {error}; write the window again")


def _is_category(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_dictionary(kind)
    )
