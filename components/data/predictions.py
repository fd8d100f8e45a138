"""The prediction log: where it lies, what its columns are, and how a window of it is read.

    <store>/<model>/predictions/date=YYYY-MM-DD/hour=HH/<part>.parquet

Partitions are hours of the rows' event time in UTC, so a window is read from its own parts alone.
Parts are immutable and appear atomically (`components.serving.log` writes them).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from components.core.errors import DataError
from components.core.storage import Store
from components.core.verdict import Document
from components.core.window import Window
from components.spec.model import Columns, Spec

FEATURE = "feature."
TIME = pa.timestamp("us", tz="UTC")

_METADATA = b"driftline"
_SUFFIX = ".parquet"
# Enough to hide an object store's latency. Decoding has one thread: on small parts more of them
# would only wait for one another.
_READERS = 16


class LogReport(Document):
    """What the log holds of a window: rows after, and duplicates removed by, keeping one a row id.

    `releases` counts the kept rows by the release that answered them; `parts` are the files read.
    """

    window: str
    rows: int
    duplicates: int
    releases: dict[str, int]
    parts: int = 0


def log_prefix(model: str) -> str:
    """The folder of a model's prediction log, below the store's address."""
    return f"{model}/predictions"


def log_partition(model: str, hour: datetime) -> str:
    """The folder for the rows of one hour of event time.

    >>> log_partition("flights", datetime(2013, 4, 1, 6, 59, tzinfo=UTC))
    'flights/predictions/date=2013-04-01/hour=06'
    """
    hour = hour.astimezone(UTC)
    return f"{log_prefix(model)}/date={hour.date().isoformat()}/hour={hour.hour:02d}"


def log_schema(columns: Columns, prediction: pa.DataType) -> pa.Schema:
    """The columns of the log and of a predictions window file.

    Args:
        columns: the spec's columns.
        prediction: double for regression, else the type of the target's values.

    >>> columns = Columns(id="i", time="t", target="y", numeric=["a"], categorical=["b"])
    >>> log_schema(columns, pa.int64()).names[-3:]
    ['probability', 'feature.a', 'feature.b']
    """
    return pa.schema(
        [
            ("row_id", pa.string()),
            ("event_time", TIME),
            ("served_at", TIME),
            ("release", pa.string()),
            ("request_id", pa.string()),
            ("prediction", prediction),
            ("probability", pa.list_(pa.float64())),
            *((f"{FEATURE}{name}", pa.float64()) for name in columns.numeric),
            *((f"{FEATURE}{name}", pa.string()) for name in columns.categorical),
        ]
    )


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
    with ThreadPoolExecutor(_READERS) as pool:
        contents = pool.map(store.read, names)
        tables = [
            _decode(content, store.url(name), window)
            for name, content in zip(names, contents, strict=True)
        ]
    schema = log_schema(spec.columns, _prediction_type(spec, tables))
    table = pa.concat_tables([schema.empty_table(), *(_conform(part, schema) for part in tables)])
    kept = _latest(table)
    counts = kept.column("release").value_counts().to_pylist()
    report = LogReport(
        window=str(window),
        rows=kept.num_rows,
        duplicates=table.num_rows - kept.num_rows,
        releases={count["values"]: count["counts"] for count in counts},
        parts=len(names),
    )
    _write(kept.replace_schema_metadata({_METADATA: report.model_dump_json()}), destination)
    return report


def read_log_report(path: str | Path) -> LogReport:
    """The report in a predictions window file.

    Raises:
        DataError: when the file is not there, no Parquet, or was not written by this package.
    """
    try:
        metadata = pq.read_schema(path).metadata or {}
        return LogReport.model_validate_json(metadata[_METADATA])
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from error
    except (KeyError, ValidationError):
        raise DataError(
            f"{path} holds no report of the prediction log; write it with read_predictions"
        ) from None


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
            for name in names
            if name.endswith(_SUFFIX) and low <= name.rpartition("/")[0] <= high
        ]


def _decode(content: bytes, url: str, window: Window) -> pa.Table:
    try:
        table = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
        times = table.column("event_time").cast(TIME)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, KeyError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{url} is no part of a prediction log ({reason}); move it out of the log's folder"
        ) from error
    start, end = pa.scalar(window.start, TIME), pa.scalar(window.end, TIME)
    inside = pc.and_(pc.greater_equal(times, start), pc.less(times, end))
    return table if pc.all(inside).as_py() else table.filter(inside)


def _prediction_type(spec: Spec, tables: Iterable[pa.Table]) -> pa.DataType:
    if spec.task == "regression":
        return pa.float64()
    found = {table.schema.field("prediction").type for table in tables if table.num_rows}
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


def _latest(table: pa.Table) -> pa.Table:
    """Each row id once, the one served last, in the order of event time."""
    count = table.num_rows
    if pc.count_distinct(table.column("row_id")).as_py() < count:
        # Two rows served in the same microsecond are told apart by their place in the log.
        table = table.append_column("place", pa.array(np.arange(count)))
        table = _sorted(table, ["row_id", "served_at", "place"]).drop_columns(["place"])
        ids = table.column("row_id")
        last = pc.not_equal(ids.slice(0, count - 1), ids.slice(1))
        table = table.filter(pa.chunked_array([*last.chunks, pa.array([True])]))
    return _sorted(table, ["event_time", "row_id"])


def _sorted(table: pa.Table, names: Sequence[str]) -> pa.Table:
    return table.take(pc.sort_indices(table, [(name, "ascending") for name in names]))


def _write(table: pa.Table, destination: Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".writing-", dir=destination.parent)
    os.close(handle)
    try:
        pq.write_table(table, temporary, compression="zstd")
        os.chmod(temporary, 0o644)
        os.replace(temporary, destination)
    except BaseException:
        os.unlink(temporary)
        raise
