"""Some rows of a Parquet file by their positions, whatever the columns' types."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.drift.values import without_views

_BATCH_ROWS = 1 << 17


def take_rows(
    file: pq.ParquetFile, names: Sequence[str], rows: NDArray[np.int64]
) -> dict[str, pa.Array]:
    """Take rows in the order asked for; the file is read batch by batch, all columns at once.

    Args:
        file: the file.
        names: the columns; those that the file lacks are left out.
        rows: (n,) positions, in any order, repeated or not.

    Returns:
        The columns by name, (n,) each; views of texts and bytes become texts and bytes.

    >>> path = getfixture("tmp_path") / "rows.parquet"
    >>> pq.write_table(pa.table({"a": [10, 20, 30, 40]}), path, row_group_size=2)
    >>> take_rows(pq.ParquetFile(path), ["a", "b"], np.array([3, 0]))["a"].to_pylist()
    [40, 10]
    """
    order = np.argsort(rows, kind="stable")
    wanted = rows[order]
    found = [name for name in names if name in file.schema_arrow.names]
    parts = {
        name: [without_views(pa.nulls(0, file.schema_arrow.field(name).type))] for name in found
    }
    start = 0
    for batch in file.iter_batches(_BATCH_ROWS, columns=found):
        low, high = np.searchsorted(wanted, [start, start + batch.num_rows])
        if high > low:
            inside = pa.array(wanted[low:high] - start)
            for name in found:
                parts[name].append(without_views(batch.column(name)).take(inside))
        start += batch.num_rows
    back = np.empty(len(rows), np.int64)
    back[order] = np.arange(len(rows))
    return {name: _joined(part).take(pa.array(back)) for name, part in parts.items()}


def take_column(file: pq.ParquetFile, name: str, rows: NDArray[np.int64]) -> pa.Array:
    """The same of one column, which the file has."""
    return take_rows(file, [name], rows)[name]


def _joined(parts: list[pa.Array]) -> pa.Array:
    joined = pa.chunked_array(parts, parts[0].type).combine_chunks()
    # Of extension types the chunks are only joined, not made one.
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined
