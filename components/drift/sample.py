"""A uniform sample of a file's rows, for what cannot be done on all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.core.errors import DataError
from components.drift.rows import take_rows

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


def chosen_rows(rows: int) -> NDArray[np.int64]:
    """The positions that a sample takes of so many rows, ascending.

    >>> len(chosen_rows(3)), len(chosen_rows(1_000_000))
    (3, 5000)
    """
    if rows <= SAMPLE_ROWS:
        return np.arange(rows, dtype=np.int64)
    generator = np.random.default_rng(_SEED)
    return np.sort(generator.choice(rows, SAMPLE_ROWS, replace=False)).astype(np.int64)
