"""Writes a window's Parquet file: streamed, atomic, and the same bytes for the same rows."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from components.core.errors import DataError

# Values in a row group: about 32 MB of doubles, which is what a writer holds in memory.
_GROUP_VALUES = 4_000_000


class WindowWriter:
    """Writes record batches beside the destination and moves the file there on `commit`.

    Row groups have a fixed number of rows, whatever the batches' sizes. A column may change its
    type while writing; what was written is then rewritten. Leaving without `commit` leaves
    nothing behind.

    Args:
        destination: the file.
        repetitive: columns with few different values, which are worth a dictionary. Trying one
            for every column of numbers and ids takes more time than all the rest.

    >>> path = getfixture("tmp_path") / "window.parquet"
    >>> with WindowWriter(path) as writer:
    ...     writer.write(pa.record_batch({"label": [1]}))
    ...     writer.write(pa.record_batch({"label": ["one"]}))
    ...     writer.commit({b"note": b"two types"})
    >>> table = pq.read_table(path)
    >>> table.column("label").to_pylist(), table.schema.metadata
    (['1', 'one'], {b'note': b'two types'})
    """

    def __init__(self, destination: Path, repetitive: Sequence[str] = ()) -> None:
        self._destination = destination
        self._repetitive = list(repetitive)
        self._temporary: Path | None = None
        self._writer: pq.ParquetWriter | None = None
        self._schema: pa.Schema | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._close()
        finally:
            if self._temporary is not None:
                self._temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise DataError(
                f"{self._destination} cannot be written: {error}; "
                "check the disk and the permissions"
            ) from error

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows; a batch of other types than before changes the types of the whole file."""
        if batch.num_rows:
            self.conform(batch.schema)
            self._waiting.append(batch)
            self._waiting_rows += batch.num_rows
            while self._waiting_rows >= self._group_rows:
                self._write_group(self._group_rows)

    def conform(self, schema: pa.Schema) -> None:
        """Give the file these types, also the rows that are written already."""
        if self._schema is not None and self._schema.equals(schema):
            return
        self._schema = schema
        self._waiting = [batch.cast(schema) for batch in self._waiting]
        if self._writer is not None and self._temporary is not None:
            old = self._temporary
            self._close()
            try:
                self._open()
                with pq.ParquetFile(old) as written:
                    for group in range(written.num_row_groups):
                        self._append(written.read_row_group(group).cast(schema))
            finally:
                old.unlink()

    def commit(self, metadata: dict[bytes, bytes]) -> None:
        """Write what is left and the file's metadata, and move the file to its destination."""
        if self._waiting_rows:
            self._write_group(self._waiting_rows)
        writer = self._writer or self._open()
        writer.add_key_value_metadata(metadata)
        self._close()
        if self._temporary is not None:
            os.replace(self._temporary, self._destination)
            self._temporary = None

    @property
    def _group_rows(self) -> int:
        columns = len(self._schema.names) if self._schema is not None else 1
        return max(10_000, min(131_072, _GROUP_VALUES // columns))

    def _write_group(self, rows: int) -> None:
        table = pa.Table.from_batches(self._waiting, self._schema)
        self._append(table.slice(0, rows))
        self._waiting = table.slice(rows).to_batches()
        self._waiting_rows = table.num_rows - rows

    def _append(self, table: pa.Table) -> None:
        # In one piece: a column's pages would otherwise end where its batches did.
        (self._writer or self._open()).write_table(table.combine_chunks(), self._group_rows)

    def _open(self) -> pq.ParquetWriter:
        folder = self._destination.parent
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{self._destination.name}-", dir=folder)
        os.close(handle)
        os.chmod(temporary, 0o644)
        self._temporary = Path(temporary)
        # Without Arrow's own copy of the schema, the file's metadata is the schema's.
        self._writer = pq.ParquetWriter(
            temporary,
            self._schema or pa.schema([]),
            compression="zstd",
            use_dictionary=self._repetitive or False,
            store_schema=False,
        )
        return self._writer

    def _close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
