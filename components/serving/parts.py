"""From answered rows to the parts of the prediction log: one table an hour of event time."""

from __future__ import annotations

import itertools
import os
import re
import socket
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.data.prediction_log import FEATURE, TIME, log_partition
from components.serving.answered import Answered

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = 3_600_000_000  # microseconds
_SMALL_ROWS = 5_000


@dataclass(frozen=True)
class Part:
    """Rows of one release and one hour, and the name in the store that is theirs alone."""

    name: str
    table: pa.Table

    @property
    def rows(self) -> int:
        """How many rows these are."""
        return int(self.table.num_rows)

    def encode(self) -> bytes:
        """The part as a Parquet file."""
        buffer = BytesIO()
        if self.rows < _SMALL_ROWS:
            # Reading some hundred small parts is mostly set-up: this way it takes a third.
            pq.write_table(
                self.table,
                buffer,
                compression="snappy",
                use_dictionary=False,
                write_statistics=False,
            )
        else:
            pq.write_table(self.table, buffer, compression="zstd")
        return buffer.getvalue()


class Partitioner:
    """Sorts answered rows into parts whose names no other process, replica or restart takes."""

    def __init__(self, model: str) -> None:
        self._model = model
        host = re.sub(r"[^A-Za-z0-9]+", "-", socket.gethostname()).strip("-")
        self._writer = f"{host}-{os.getpid()}-{uuid.uuid4().hex[:12]}"
        self._sequence = itertools.count()

    def parts(self, taken: Sequence[Answered]) -> Iterator[Part]:
        """The parts that hold exactly these rows, each of one release and one hour."""
        for _, group in itertools.groupby(taken, key=_kind):
            table = _table(list(group))
            hours = table.column("event_time").cast(pa.int64()).to_numpy() // _HOUR
            order = np.argsort(hours, kind="stable")
            table, hours = table.take(order), hours[order]
            starts = np.flatnonzero(np.diff(hours, prepend=hours[0] - 1))
            for start, end in itertools.pairwise([*starts.tolist(), len(hours)]):
                hour = _EPOCH + timedelta(hours=int(hours[start]))
                name = f"{self._writer}-{next(self._sequence):06d}.parquet"
                folder = log_partition(self._model, hour)
                yield Part(f"{folder}/{name}", table.slice(start, end - start))


def _kind(answered: Answered) -> tuple[str, Any]:
    """What may share a table; releases may answer with other classes, or have other columns."""
    return answered.release, answered.columns


def _table(group: Sequence[Answered]) -> pa.Table:
    """The rows of requests to one release as one table.

    Column by column over all of them: a table for each request would take longer than its answer,
    in the same process.
    """
    counts = np.array([answered.rows for answered in group])
    columns = group[0].columns
    numeric = np.concatenate([answered.features.numeric for answered in group])
    features = {
        name: pa.array(np.ascontiguousarray(numeric[:, place]), from_pandas=True)
        for place, name in enumerate(columns.numeric)
    }
    for place, name in enumerate(columns.categorical):
        texts = _chained(answered.features.categorical[place] for answered in group)
        features[name] = pa.array(texts, pa.string())
    return pa.table(
        {
            "row_id": pa.array(_chained(answered.row_ids for answered in group), pa.string()),
            "event_time": pa.array(_chained(answered.event_times for answered in group), TIME),
            "served_at": _repeated([answered.served_at for answered in group], TIME, counts),
            "release": pa.repeat(group[0].release, int(counts.sum())),
            "request_id": _repeated([a.request_id for a in group], pa.string(), counts),
            "prediction": _predictions(group),
            "probability": _probabilities(group, counts),
            **{f"{FEATURE}{name}": values for name, values in features.items()},
        }
    )


def _chained(parts: Iterable[Sequence[Any]]) -> list[Any]:
    return list(itertools.chain.from_iterable(parts))


def _repeated(values: list[Any], kind: pa.DataType, counts: NDArray[np.int64]) -> pa.Array:
    """One value a request as one value a row."""
    return pa.array(values, kind).take(pa.array(np.repeat(np.arange(len(values)), counts)))


def _predictions(group: Sequence[Answered]) -> pa.Array:
    values = np.concatenate([answered.prediction for answered in group])
    # Texts are objects to numpy, and Arrow's guess of their type wants Python's own.
    return pa.array(values.tolist() if values.dtype == object else values)


def _probabilities(group: Sequence[Answered], counts: NDArray[np.int64]) -> pa.Array:
    kind = pa.list_(pa.float64())
    given = [answered.probability for answered in group if answered.probability is not None]
    rows = int(counts.sum())
    if not given:
        return pa.nulls(rows, kind)
    flat = np.concatenate(given)  # one release answers with probabilities always or never
    ends = np.arange(0, flat.size + 1, flat.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(flat.ravel()), type=kind)
