"""One Parquet file: only the columns asked for, only the row groups that may hold the window."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.core.window import Window
from components.data.addresses import Opened
from components.data.sources import batch_rows
from components.data.times import Span, as_datetime, merge, span

_TICKS = {"milliseconds": 1_000, "microseconds": 1_000_000, "nanoseconds": 1_000_000_000}
_DAY = 86_400_000_000


class ParquetPart:
    """An open Parquet file.

    Args:
        opened: the file.
        groups: the row groups that are read, `[first, last)`; all by default.

    Attributes:
        types: the file's columns with the names of their Arrow types.
        rows: how many rows its row groups have.
    """

    def __init__(self, opened: Opened, groups: tuple[int, int] | None = None) -> None:
        remote = not isinstance(opened, str)
        # On a disk, pages are read as they are needed; far away, few large reads are better.
        self._file = pq.ParquetFile(opened, pre_buffer=remote, buffer_size=0 if remote else 1 << 20)
        self._schema: pa.Schema = self._file.schema_arrow
        self.types = {field.name: str(field.type) for field in self._schema}
        self._groups = range(*(groups or (0, self._file.num_row_groups)))
        self.rows = sum(self._file.metadata.row_group(group).num_rows for group in self._groups)

    def close(self) -> None:
        """Close the file, if it was given as a path."""
        self._file.close()

    def batches(
        self, columns: Sequence[str], time: str, window: Window | None
    ) -> Iterator[pa.RecordBatch]:
        """The columns that the file has, of the row groups that may have rows in the window.

        Raises:
            ValueError: when the file has one of the columns twice.
        """
        names = self._schema.names
        present = [name for name in columns if name in names]
        if doubled := [name for name in present if names.count(name) > 1]:
            raise ValueError(f"it has the column {doubled[0]!r} twice")
        chosen = [group for group in self._groups if self._may(group, time, window)]
        rows = batch_rows(len(present))
        for groups in self._packed(chosen, rows):
            for batch in self._file.iter_batches(rows, groups, columns=present):
                yield batch.select(present)  # "a" would bring "a.b" along

    def weights(self, columns: Sequence[str], time: str, window: Window | None) -> list[int]:
        """The compressed bytes of these columns in each row group; 0 where it is passed over."""
        metadata = self._file.metadata
        wanted = [
            place
            for place in range(metadata.num_columns)
            if self._file.schema.column(place).path.partition(".")[0] in columns
        ]
        return [
            sum(metadata.row_group(group).column(place).total_compressed_size for place in wanted)
            if self._may(group, time, window)
            else 0
            for group in self._groups
        ]

    def span(self, time: str) -> Span | None:
        """The first and the last event time: from the statistics, else from the column."""
        found: Span | None = None
        for group in range(self._file.num_row_groups):
            ends = self._ends(group, time)
            if ends is None:
                column = self._file.iter_batches(batch_rows(1), [group], [time])
                found = merge(found, span(column, time))
            else:
                found = merge(found, (as_datetime(ends[0]), as_datetime(ends[1])))
        return found

    def _packed(self, groups: list[int], enough: int) -> Iterator[list[int]]:
        """Small row groups together, so that a batch is worth its overhead."""
        pack: list[int] = []
        rows = 0
        for group in groups:
            pack.append(group)
            rows += self._file.metadata.row_group(group).num_rows
            if rows >= enough:
                yield pack
                pack, rows = [], 0
        if pack:
            yield pack

    def _may(self, group: int, time: str, window: Window | None) -> bool:
        ends = self._ends(group, time) if window else None
        if window is None or ends is None:
            return True
        return as_datetime(ends[1]) >= window.start and as_datetime(ends[0]) < window.end

    def _ends(self, group: int, time: str) -> tuple[int, int] | None:
        """A row group's first and last time in microseconds, where its statistics are certain."""
        place = self._place(time)
        if place is None:
            return None
        statistics = self._file.metadata.row_group(group).column(place).statistics
        if statistics is None or not statistics.has_min_max:
            return None
        if not statistics.has_null_count or statistics.null_count:
            return None  # rows without a time are to be counted, not passed over
        kind = json.loads(self._file.schema.column(place).logical_type.to_json())
        return _microseconds(statistics.min_raw, statistics.max_raw, kind)

    def _place(self, name: str) -> int | None:
        """Where a column stands among Parquet's, which count the fields of nested ones."""
        described = self._file.schema
        paths = (described.column(place).path for place in range(len(described.names)))
        return next((place for place, path in enumerate(paths) if path == name), None)


def _microseconds(low: Any, high: Any, kind: dict[str, Any]) -> tuple[int, int] | None:
    """Raw statistics as Parquet's logical type means them, rounded outwards to microseconds."""
    if kind["Type"] == "Date":
        return low * _DAY, high * _DAY
    if kind["Type"] == "Timestamp":
        ticks = _TICKS[kind["timeUnit"]]
        return low * 1_000_000 // ticks, -(-high * 1_000_000 // ticks)
    return None
