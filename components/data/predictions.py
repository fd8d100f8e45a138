"""Read a window of the prediction log: each row once, without holding all of it."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.core.errors import DataError, StoreError
from components.core.storage import Store
from components.core.window import Window
from components.data.prediction_log import (
    METADATA,
    TIME,
    LogReport,
    latest_versions,
    log_partition,
    log_prefix,
    log_schema,
    part_stem,
    repeating,
)
from components.spec.model import Spec

# Enough to hide an object store's latency. Decoding has one thread: on small parts more of them
# would only wait for one another.
_READERS = 16
# As long as the parts are no more than that, they wait in memory; the others on disk, decoded.
_HELD_BYTES = 64 * 2**20
_GROUP_ROWS = 65_536
_INDEX = pa.schema([("row_id", pa.string()), ("served_at", TIME), ("release", pa.string())])
_INDEX_COLUMNS = (*_INDEX.names, "event_time", "prediction")


def read_predictions(store: Store, spec: Spec, window: Window, destination: Path) -> LogReport:
    """Write the window's rows of the prediction log to one Parquet file.

    Each row id is there once, as it was served last; rows are in the order of event time, then id.
    Features that a part's release did not have are null. Where there are no rows at all, nothing
    says of which type a class is: the column `prediction` of a classification then has type null.

    Args:
        store: the store that the server logs to.
        spec: names the model and the columns.
        window: the rows' event times.
        destination: the file to write; it appears atomically.

    Returns:
        What was read; the file's metadata holds the same (`read_log_report`).

    Raises:
        DataError: when a part of the log is no Parquet file or none of this log's.
        StoreError: when the store cannot be read.
    """
    names = _parts(store, spec.model, window)
    with tempfile.TemporaryDirectory() as scratch:
        parts, index = _look(store, names, window, Path(scratch))
        schema = log_schema(spec.columns, _prediction_type(spec, parts))
        kept = _latest(index)
        counts = index.column("release").filter(kept).value_counts().to_pylist()
        rows = int(np.count_nonzero(kept.to_numpy(zero_copy_only=False)))
        report = LogReport(
            window=str(window),
            rows=rows,
            duplicates=index.num_rows - rows,
            releases={count["values"]: count["counts"] for count in counts},
            parts=len(names),
        )
        tables = _in_order(parts, kept, schema)
        _write(tables, schema.with_metadata({METADATA: report.model_dump_json()}), destination)
    return report


def _parts(store: Store, model: str, window: Window) -> list[str]:
    """The parts of the hours that the window touches; other hours are not even listed."""
    root = log_prefix(model)
    first = window.start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    last = window.end.astimezone(UTC) - timedelta(microseconds=1)
    dates = [
        name
        for name in store.children(root)
        if f"date={first.date()}" <= name <= f"date={last.date()}"
    ]
    low, high = log_partition(model, first), log_partition(model, last)
    with ThreadPoolExecutor(_READERS) as pool:
        listed = pool.map(store.names, [f"{root}/{date}" for date in dates])
        return [
            name
            for names in listed
            for name in latest_versions(names)
            if low <= name.rpartition("/")[0] <= high
        ]


@dataclass(frozen=True)
class _Part:
    """One part's rows in the window: how many, from when to when, and where they are.

    `offset` is the place of the first among the rows of all parts. `held` is the table while there
    is room for it, else an Arrow file on this machine's disk.
    """

    offset: int
    rows: int
    first: int
    last: int
    prediction: pa.DataType
    held: pa.Table | Path

    def table(self) -> pa.Table:
        """The rows, with the columns that the part has."""
        if isinstance(self.held, pa.Table):
            return self.held
        with pa.memory_map(str(self.held)) as file:
            return pa.ipc.open_file(file).read_all()


def _look(
    store: Store, names: Sequence[str], window: Window, scratch: Path
) -> tuple[list[_Part], pa.Table]:
    """Read every part once; what is kept of all rows at a time is only what tells them apart."""
    parts: list[_Part] = []
    known = [_INDEX.empty_table()]
    offset, room = 0, _HELD_BYTES
    with ThreadPoolExecutor(_READERS) as pool:
        for name, content in _ahead(pool, partial(_fetch, store), names):
            url = store.url(name)
            table = _decode(content, url, window)
            if not table.num_rows:
                continue
            held: pa.Table | Path = table
            if room > 0:
                room -= table.nbytes
            else:
                held = scratch / f"{len(parts)}.arrow"
                with pa.ipc.new_file(str(held), table.schema) as file:
                    file.write_table(table)
            times = pc.min_max(table.column("event_time").cast(TIME).cast(pa.int64())).as_py()
            kind = table.schema.field("prediction").type
            part = _Part(offset, table.num_rows, times["min"], times["max"], kind, held)
            parts.append(part)
            known.append(_conform(table.select(_INDEX.names), _INDEX))
            offset += part.rows
    return parts, pa.concat_tables(known)


def _fetch(store: Store, name: str) -> tuple[str, bytes]:
    """A part as it is now, and its name: the version that was listed may have been replaced."""
    while True:
        try:
            return name, store.read(name)
        except StoreError:
            names = latest_versions(store.names(name.rpartition("/")[0]))
            newer = [each for each in names if _replaces(each, name)]
            if not newer:
                raise
            name = newer[0]


def _replaces(one: str, other: str) -> bool:
    (stem, version), (other_stem, other_version) = part_stem(one), part_stem(other)
    return stem == other_stem and version > other_version


def _ahead(
    pool: Executor, work: Callable[[str], tuple[str, bytes]], names: Sequence[str]
) -> Iterator[tuple[str, bytes]]:
    """Results in order, with no more of them under way or waiting than there are readers."""
    waiting: deque[Future[tuple[str, bytes]]] = deque()
    for name in names:
        if len(waiting) == _READERS:
            yield waiting.popleft().result()
        waiting.append(pool.submit(work, name))
    while waiting:
        yield waiting.popleft().result()


def _decode(content: bytes, url: str, window: Window) -> pa.Table:
    try:
        table = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
        for name in _INDEX_COLUMNS:
            table.schema.field(name)
        times = table.column("event_time").cast(TIME)
    # no Parquet, other columns, or a time of another kind: each is somebody else's file
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, KeyError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{url} is no part of a prediction log ({reason}); move it out of the log's folder"
        ) from error
    start, end = pa.scalar(window.start, TIME), pa.scalar(window.end, TIME)
    inside = pc.and_(pc.greater_equal(times, start), pc.less(times, end)).fill_null(False)
    return table if pc.all(inside).as_py() else table.filter(inside)


def _in_order(
    parts: Iterable[_Part], kept: pa.BooleanArray, schema: pa.Schema
) -> Iterator[pa.Table]:
    """The kept rows by event time, then id, a few at a time.

    Parts of different hours do not overlap, so that only those of one hour are sorted together;
    parts that do overlap, whatever their folders say, are taken together as well.
    """
    group: list[_Part] = []
    last = 0

    def merged() -> pa.Table:
        tables = []
        for part in sorted(group, key=lambda part: part.offset):
            table, wanted = part.table(), kept.slice(part.offset, part.rows)
            tables.append(table if wanted.false_count == 0 else table.filter(wanted))
        conformed = pa.concat_tables([_conform(table, schema) for table in tables])
        return _sorted(conformed, ["event_time", "row_id"])

    for part in sorted(parts, key=lambda part: part.first):
        if group and part.first > last:
            yield merged()
            group = []
        last = max(last, part.last) if group else part.last
        group.append(part)
    if group:
        yield merged()


def _prediction_type(spec: Spec, parts: Iterable[_Part]) -> pa.DataType:
    if spec.task == "regression":
        return pa.float64()
    found = {part.prediction for part in parts}
    if len(found) > 1:  # the target changed its type between two releases
        return pa.string()
    return found.pop() if found else pa.null()


def _conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with exactly the schema's columns; what it does not have is null."""
    if table.schema.equals(schema):
        return table
    arrays = []
    for field in schema:
        position = table.schema.get_field_index(field.name)
        if position < 0:
            arrays.append(pa.nulls(table.num_rows, field.type))
        else:
            arrays.append(_cast(table.column(position), field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def _cast(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    """Cast a column; texts that are no numbers become null where a release now wants numbers."""
    try:
        return column.cast(wanted)
    except pa.ArrowInvalid:
        return pa.chunked_array([pa.array(map(_number, column.to_pylist()), wanted)])


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _latest(index: pa.Table) -> pa.BooleanArray:
    """Which rows to keep: of each row id the one served last."""
    count = index.num_rows
    keep = np.ones(count, dtype=bool)
    if pc.count_distinct(index.column("row_id")).as_py() < count:
        # Two rows served in the same microsecond are told apart by their place in the log.
        index = index.append_column("place", pa.array(np.arange(count)))
        order = _order(index, ["row_id", "served_at", "place"])
        ids = index.column("row_id").take(order)
        last = pc.not_equal(ids.slice(0, count - 1), ids.slice(1)).fill_null(True)
        keep[order.to_numpy()] = np.append(last.to_numpy(), True)
    return pa.array(keep)


def _sorted(table: pa.Table, names: Sequence[str]) -> pa.Table:
    return table.take(_order(table, names))


def _order(table: pa.Table, names: Sequence[str]) -> pa.Array:
    return pc.sort_indices(table, [(name, "ascending") for name in names])


def _write(tables: Iterable[pa.Table], schema: pa.Schema, destination: Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".writing-", dir=destination.parent)
    os.close(handle)
    try:
        options = {"compression": "zstd", "use_dictionary": repeating(schema)}
        with pq.ParquetWriter(temporary, schema, **options) as writer:
            for table in _gathered(tables):
                writer.write_table(table.replace_schema_metadata(schema.metadata))
        os.chmod(temporary, 0o644)
        os.replace(temporary, destination)
    except BaseException:
        os.unlink(temporary)
        raise


def _gathered(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Tables of some size, since each becomes a row group, and small ones read slowly."""
    waiting: list[pa.Table] = []
    rows = 0
    for table in tables:
        waiting.append(table)
        rows += table.num_rows
        if rows >= _GROUP_ROWS:
            yield pa.concat_tables(waiting)
            waiting, rows = [], 0
    if waiting:
        yield pa.concat_tables(waiting)
