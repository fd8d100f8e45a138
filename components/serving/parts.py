"""From tables to the parts of the prediction log: one file an hour of event time, under one name.

Parts are immutable. Where traffic is sparse, what an hour gets is too little for a file of its own
each time: the writer then writes a further version of its small part, with the old rows and the new
ones, and deletes the older version some time after. A reader takes each part's latest version
(`components.data.prediction_log.latest_versions`), so that it sees each row once at any moment,
whichever of these steps a crash came after.
"""

from __future__ import annotations

import itertools
import os
import re
import socket
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.data.prediction_log import log_partition, part_name, repeating
from components.serving.arrays import numbers
from components.serving.tables import Packed

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A part with fewer rows or bytes may get further versions.
_SMALL_ROWS = 5_000
_SMALL_BYTES = 4 * 2**20
# What is held of small parts, for their next versions.
_HELD_BYTES = 16 * 2**20
_HELD_PARTS = 256


@dataclass(eq=False)
class Part:
    """Rows of one release and one hour.

    Attributes:
        stem: the name in the store without the version, this writer's and this part's alone.
        version: counts from 0; a later one holds all rows of the earlier ones.
        table: all rows.
        fresh: how many of them no earlier version has.
        delivered: set once the part is in the store.
    """

    stem: str
    version: int
    table: pa.Table
    fresh: int
    delivered: bool = False

    @property
    def name(self) -> str:
        """The name in the store."""
        return part_name(self.stem, self.version)

    @property
    def replaced(self) -> str | None:
        """The name of the version that this one makes superfluous."""
        return part_name(self.stem, self.version - 1) if self.version else None

    @property
    def is_small(self) -> bool:
        """Whether a further version is worth more than another part."""
        return bool(self.table.num_rows < _SMALL_ROWS and self.table.nbytes < _SMALL_BYTES)

    def arrived(self) -> None:
        """From now on the store has it."""
        self.delivered = True

    def encode(self) -> bytes:
        """The part as a Parquet file."""
        sink = pa.BufferOutputStream()  # a Python file would want the interpreter for each piece
        # Reading some hundred small parts is mostly set-up: without dictionaries it takes a third.
        is_small = self.table.num_rows < _SMALL_ROWS
        pq.write_table(
            self.table,
            sink,
            use_dictionary=False if is_small else repeating(self.table.schema),
            write_statistics=["event_time"],
            # Half of zstd's time, in the process that answers, for an eighth more of bytes.
            compression="snappy",
        )
        return bytes(sink.getvalue())


class Partitioner:
    """Sorts rows into parts whose names no other process, replica or restart takes."""

    def __init__(self, model: str) -> None:
        self._model = model
        # Pods may well have the same host name and process id; the rest is random.
        host = re.sub(r"[^A-Za-z0-9]+", "-", socket.gethostname()).strip("-")
        self._writer = f"{host}-{os.getpid()}-{uuid.uuid4().hex}"
        self._sequence = itertools.count()
        self._small: dict[tuple[str, datetime], Part] = {}

    def parts(self, packed: Iterable[Packed], *, further: bool = True) -> Iterator[Part]:
        """The parts that hold exactly these rows, each of one release and one hour.

        Args:
            packed: the rows.
            further: whether small parts that are in the store may get a further version.
        """
        for (release, _), group in itertools.groupby(packed, _kind):
            for hour, table in _by_hour(list(group)):
                yield self._part((release, hour), table, further=further)

    def halves(self, part: Part) -> Iterator[Part]:
        """The fresh rows of a part as two parts of their own."""
        fresh = part.table.slice(part.table.num_rows - part.fresh)
        middle = part.fresh // 2
        for table in (fresh.slice(0, middle), fresh.slice(middle)):
            yield Part(self._stem(part.stem.rpartition("/")[0]), 0, table, table.num_rows)

    def _part(self, key: tuple[str, datetime], table: pa.Table, *, further: bool) -> Part:
        small = self._small.pop(key, None)
        if further and small and small.delivered and small.table.schema.equals(table.schema):
            merged = pa.concat_tables([small.table, table])
            part = Part(small.stem, small.version + 1, merged, table.num_rows)
        else:
            stem = self._stem(log_partition(self._model, key[1]))
            part = Part(stem, 0, table, table.num_rows)
        if further and part.is_small:
            self._hold(key, part)
        return part

    def _hold(self, key: tuple[str, datetime], part: Part) -> None:
        """Keep a small part for its next version, and forget the eldest of too many."""
        part.table = _copy(part.table)
        self._small[key] = part
        held = sum(each.table.nbytes for each in self._small.values())
        while held > _HELD_BYTES or len(self._small) > _HELD_PARTS:
            held -= self._small.pop(next(iter(self._small))).table.nbytes

    def _stem(self, folder: str) -> str:
        return f"{folder}/{self._writer}-{next(self._sequence):06d}"


def _kind(packed: Packed) -> tuple[str, pa.Schema]:
    return packed.release, packed.table.schema


def _by_hour(packed: Sequence[Packed]) -> Iterator[tuple[datetime, pa.Table]]:
    """The rows of each hour of event time, in the order that they had."""
    table = pa.concat_tables([each.table for each in packed])
    hours = np.concatenate([each.hours for each in packed])
    if (hours == hours[0]).all():
        yield _EPOCH + timedelta(hours=int(hours[0])), table
        return
    order = np.argsort(hours, kind="stable")
    table, hours = table.combine_chunks().take(numbers(order)), hours[order]
    starts = np.flatnonzero(np.diff(hours, prepend=hours[0] - 1))
    for start, end in itertools.pairwise([*starts.tolist(), len(hours)]):
        yield _EPOCH + timedelta(hours=int(hours[start])), table.slice(start, end - start)


def _copy(table: pa.Table) -> pa.Table:
    """The same rows in memory of their own: a slice keeps all that it was cut from."""
    return table.combine_chunks().take(numbers(np.arange(table.num_rows)))
