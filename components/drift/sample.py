"""A uniform sample of a file's rows, for what cannot be done on all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.core.errors import DataError
from components.data.convert import plain

# A report or a classifier of more rows a side says nothing more.
SAMPLE_ROWS = 5_000
_SEED = 0


def read_sample(path: Path, names: list[str]) -> dict[str, pa.Array]:
    """At most 5,000 rows of a file, from all over it, the same ones at every call.

    Args:
        path: a Parquet file.
        names: the columns; those that the file lacks are left out.

    Returns:
        The columns by name, (n,) each.

    Raises:
        DataError: when the file is not there or is no Parquet.
    """
    try:
        with pq.ParquetFile(path) as file:
            return take_rows(file, names, chosen_rows(file.metadata.num_rows))
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}; write it again") from error


def take_rows(
    file: pq.ParquetFile, names: list[str], rows: NDArray[np.int64]
) -> dict[str, pa.Array]:
    """Some rows of a file, which is read batch by batch.

    Args:
        file: the file.
        names: the columns; those that the file lacks are left out.
        rows: (n,) positions, ascending.

    Returns:
        The columns by name, (n,) each; one of a kind that Arrow cannot take rows of is null.
    """
    found = [name for name in names if name in file.schema_arrow.names]
    empty = file.schema_arrow.empty_table()
    parts = {name: [_taken(empty.column(name).combine_chunks(), rows[:0])] for name in found}
    start = 0
    for batch in file.iter_batches(columns=found):
        inside = rows[(rows >= start) & (rows < start + batch.num_rows)] - start
        for name in found:
            parts[name].append(_taken(batch.column(name), inside))
        start += batch.num_rows
    return {name: pa.chunked_array(part).combine_chunks() for name, part in parts.items()}


def _taken(column: pa.Array, rows: NDArray[np.int64]) -> pa.Array:
    """Some rows of a column; Arrow has no such function for views of texts and bytes."""
    for encoded in (True, False):
        try:
            return (column if encoded else plain(column)).take(pa.array(rows))
        except pa.ArrowNotImplementedError:
            continue
    return pa.nulls(len(rows))  # of views within lists: nothing that could be read anyway


def chosen_rows(rows: int) -> NDArray[np.int64]:
    """The positions that a sample takes of so many rows, ascending.

    >>> len(chosen_rows(3)), len(chosen_rows(1_000_000))
    (3, 5000)
    """
    if rows <= SAMPLE_ROWS:
        return np.arange(rows, dtype=np.int64)
    generator = np.random.default_rng(_SEED)
    return np.sort(generator.choice(rows, SAMPLE_ROWS, replace=False)).astype(np.int64)
