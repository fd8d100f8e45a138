"""From answered rows to the parts of the prediction log: one table an hour of event time."""

from __future__ import annotations

import itertools
import os
import re
import socket
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.data.feature_rows import FeatureRows
from components.data.prediction_log import FEATURE, TIME, log_partition
from components.spec.model import Columns

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = 3_600_000_000  # microseconds
_SMALL_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class Answered:
    """The rows of one answered request, column by column.

    `features` holds them as the client sent them after typing, in the order of `columns`;
    `prediction` has shape (n,), `probability` (n, k) in class order or None; times carry a time
    zone.
    """

    row_ids: Sequence[str]
    event_times: Sequence[datetime]
    served_at: datetime
    release: str
    request_id: str
    columns: Columns
    features: FeatureRows
    prediction: np.ndarray[Any, Any]
    probability: np.ndarray[Any, Any] | None

    @property
    def rows(self) -> int:
        """How many rows these are."""
        return len(self.row_ids)

    @property
    def size(self) -> int:
        """About how many bytes they take."""
        fixed = sum(map(len, self.row_ids)) + 200 * self.rows
        probability = 0 if self.probability is None else self.probability.nbytes
        features = self.features
        texts = sum(len(text or "") for column in features.categorical for text in column)
        cells = 8 * self.rows * len(features.categorical)
        return fixed + features.numeric.nbytes + texts + cells + probability


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
        for _, group in itertools.groupby(taken, key=lambda answered: answered.release):
            table = pa.concat_tables([_table(answered) for answered in group])
            hours = table.column("event_time").cast(pa.int64()).to_numpy() // _HOUR
            order = np.argsort(hours, kind="stable")
            table, hours = table.take(order), hours[order]
            starts = np.flatnonzero(np.diff(hours, prepend=hours[0] - 1))
            for start, end in itertools.pairwise([*starts.tolist(), len(hours)]):
                hour = _EPOCH + timedelta(hours=int(hours[start]))
                name = f"{self._writer}-{next(self._sequence):06d}.parquet"
                folder = log_partition(self._model, hour)
                yield Part(f"{folder}/{name}", table.slice(start, end - start))


def _table(answered: Answered) -> pa.Table:
    count = answered.rows
    probability: list[Any] = [None] * count
    if answered.probability is not None:
        probability = answered.probability.tolist()
    numeric, categorical = answered.features.numeric, answered.features.categorical
    features = {
        name: pa.array(numeric[:, place], from_pandas=True)
        for place, name in enumerate(answered.columns.numeric)
    }
    for name, texts in zip(answered.columns.categorical, categorical, strict=True):
        features[name] = pa.array(texts, pa.string())
    return pa.table(
        {
            "row_id": pa.array(answered.row_ids, pa.string()),
            "event_time": pa.array(answered.event_times, TIME),
            "served_at": pa.repeat(pa.scalar(answered.served_at, TIME), count),
            "release": pa.repeat(answered.release, count),
            "request_id": pa.repeat(answered.request_id, count),
            "prediction": pa.array(answered.prediction.tolist()),
            "probability": pa.array(probability, pa.list_(pa.float64())),
            **{f"{FEATURE}{name}": values for name, values in features.items()},
        }
    )
