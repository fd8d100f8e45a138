"""A source of files: Parquet and CSV, one or many, read one after the other in path order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import islice

import pyarrow as pa

from components.core.errors import DataError
from components.core.window import Window
from components.data.addresses import Address, Part
from components.data.csv_part import CsvPart
from components.data.parquet_part import ParquetPart
from components.data.sources import Scan, expand
from components.data.times import Span, array_span, merge, span, to_times
from components.spec.model import FilesSource

# Files far away are opened ahead of their turn; most of the time goes by waiting for answers.
_AHEAD = 8

_Opened = tuple[Part, ParquetPart | CsvPart, ExitStack]


class Files:
    """Files at an fsspec address.

    Each file is read with its own schema: files may differ in columns and in types.

    Args:
        source: the address, and what is known of the files there.
        parts: read these alone, in this order; all files by default.
    """

    outcomes: frozenset[str] = frozenset()

    def __init__(self, source: FilesSource, parts: Sequence[Part] = ()) -> None:
        self._source = source
        self._parts = list(parts)
        self._address = Address(source.path, expand(source.options, "source.options"))

    def describe(self) -> str:
        """The address."""
        return f"files {self._address.shown}"

    def names(self) -> list[str]:
        """The columns of all files."""
        found: dict[str, None] = {}
        with self._opened() as opened:
            for part, file, _ in opened:
                found |= dict.fromkeys([*_types(file), *self._partition(part)])
        return list(found)

    def scan(self, columns: Sequence[str], time: str, window: Window | None) -> Scan:
        """Read the files one after the other."""
        return Scan(lambda scan: self._read(scan, columns, time, window))

    def coverage(self, time: str) -> Span | None:
        """From Parquet statistics where there are any, else from the time column."""
        found: Span | None = None
        with self._opened() as opened:
            for part, file, _ in opened:
                with self._address.reading(part):
                    found = merge(found, self._span(part, file, time))
        return found

    def units(
        self, scan: Scan, columns: Sequence[str], time: str, window: Window | None
    ) -> Iterator[tuple[Part, int]]:
        """What can be read on its own, in the source's order, each with the bytes to be read.

        Those are a Parquet file's row groups, and other files as a whole: where a row of text
        begins is not known before all text before it was read. `scan` is told the columns.
        """
        with self._opened() as opened:
            for part, file, _ in opened:
                self._tell(scan, part, file)
                with self._address.reading(part):
                    stamped = replace(part, stamp=self._address.stamp(part))
                    if isinstance(file, CsvPart):
                        yield stamped, self._address.size(part)
                        continue
                    outside = time not in file.types and self._outside(part, time, window)
                    sizes = file.weights(columns, time, window)
                    for group, size in enumerate(sizes):
                        yield replace(stamped, groups=(group, group + 1)), 0 if outside else size
                    if not sizes:
                        yield stamped, 0

    def _read(
        self, scan: Scan, columns: Sequence[str], time: str, window: Window | None
    ) -> Iterator[pa.RecordBatch]:
        with self._opened() as opened:
            for part, file, _ in opened:
                given = self._tell(scan, part, file)
                given = {name: value for name, value in given.items() if name in columns}
                batches = self._batches(scan, part, file, columns, time, window)
                yield from (_with_constants(batch, given) for batch in batches)

    def _tell(self, scan: Scan, part: Part, file: ParquetPart | CsvPart) -> dict[str, str | None]:
        """Note a file's columns; those that its folders' names give are returned."""
        types = _types(file)
        for name, kind in types.items():
            scan.has(name, kind)
        given = {k: v for k, v in self._partition(part).items() if k not in types}
        for name in given:
            scan.has(name, "partition")
        return given

    def _batches(
        self,
        scan: Scan,
        part: Part,
        file: ParquetPart | CsvPart,
        columns: Sequence[str],
        time: str,
        window: Window | None,
    ) -> Iterator[pa.RecordBatch]:
        with self._address.reading(part):
            if isinstance(file, CsvPart):
                yield from file.batches(columns, scan)
                return
            read = 0
            if time in file.types or not self._outside(part, time, window):
                for batch in file.batches(columns, time, window):
                    read += batch.num_rows
                    yield batch
            scan.skipped += file.rows - read

    def _span(self, part: Part, file: ParquetPart | CsvPart, time: str) -> Span | None:
        if time not in _types(file):
            value = self._partition(part).get(time)
            return array_span(to_times(pa.array([value], pa.string()))[0])
        if isinstance(file, ParquetPart):
            return file.span(time)
        return span(file.batches([time], Scan(lambda _: iter(()))), time)

    def _outside(self, part: Part, time: str, window: Window | None) -> bool:
        """Whether the folder's name already says that the file's time lies outside."""
        value = self._partition(part).get(time)
        if window is None or value is None:
            return False
        moment = to_times(pa.array([value]))[0][0].as_py()
        return moment is not None and moment not in window

    def _partition(self, part: Part) -> dict[str, str | None]:
        return part.partition if self._source.hive else {}

    @contextmanager
    def _opened(self) -> Iterator[Iterator[_Opened]]:
        """All files, opened one after the other or a few ahead; all closed in the end."""
        parts = self._parts or self._address.parts(self._source.format)
        ahead = 1 if self._address.is_local else _AHEAD
        with ThreadPoolExecutor(ahead) as pool:
            waiting: deque[Future[_Opened]] = deque()
            try:
                yield self._in_turn(parts, pool, ahead, waiting)
            finally:
                for future in waiting:
                    if not future.cancel() and not future.exception():
                        future.result()[2].close()

    def _in_turn(
        self,
        parts: list[Part],
        pool: ThreadPoolExecutor,
        ahead: int,
        waiting: deque[Future[_Opened]],
    ) -> Iterator[_Opened]:
        coming = iter(parts)
        waiting.extend(pool.submit(self._open, part) for part in islice(coming, ahead))
        while waiting:
            opened = waiting[0].result()
            try:
                yield opened
            finally:
                waiting.popleft()
                opened[2].close()
            waiting.extend(pool.submit(self._open, part) for part in islice(coming, 1))

    def _open(self, part: Part) -> _Opened:
        with self._address.reading(part), ExitStack() as closing:
            if part.stamp and part.stamp != self._address.stamp(part):
                raise DataError(
                    f"{part.path} was changed while it was read part by part; run again under a "
                    "new name, when nobody writes there"
                )
            file: ParquetPart | CsvPart
            if part.format == "csv":
                file = CsvPart(lambda: self._address.open_stream(part))
            else:
                file = ParquetPart(self._address.open_random(part, closing), part.groups)
                closing.callback(file.close)
            return part, file, closing.pop_all()
        raise AssertionError  # the context managers swallow nothing


def _types(file: ParquetPart | CsvPart) -> dict[str, str]:
    return file.types if isinstance(file, ParquetPart) else dict.fromkeys(file.names, "text")


def _with_constants(batch: pa.RecordBatch, given: dict[str, str | None]) -> pa.RecordBatch:
    """The batch with the columns that the folders' names give to all of its rows."""
    for name, value in given.items():
        batch = batch.append_column(name, pa.repeat(pa.scalar(value, pa.string()), len(batch)))
    return batch
