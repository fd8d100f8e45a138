"""From answered requests to tables: the prediction log's columns, many requests at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.data.prediction_log import FEATURE, TIME
from components.serving.answered import Answered
from components.serving.arrays import (
    answers,
    known_numbers,
    lists,
    microseconds,
    numbers,
    texts,
)

_HOUR = 3_600_000_000  # microseconds


@dataclass(frozen=True)
class Packed:
    """Rows that one release answered, with the columns of the log, and their hours since 1970."""

    release: str
    table: pa.Table
    hours: NDArray[np.int64]

    @property
    def rows(self) -> int:
        """How many rows these are."""
        return int(self.table.num_rows)

    @property
    def size(self) -> int:
        """How many bytes they take."""
        return int(self.table.nbytes)


def pack(requests: Iterable[Answered]) -> Iterator[Packed]:
    """The rows of many requests as few tables: one as long as the same release answers.

    Column by column over all of them: a table for each request would take longer than its answer,
    in the same process.
    """
    for (release, _), group in itertools.groupby(requests, key=_kind):
        yield _packed(release, list(group))


def _kind(answered: Answered) -> tuple[str, Any]:
    """What may share a table; releases may answer with other classes, or have other columns."""
    return answered.release, answered.columns


def _packed(release: str, group: Sequence[Answered]) -> Packed:
    counts = [len(answered.row_ids) for answered in group]
    rows = sum(counts)
    moments = np.repeat(microseconds([each.served_at for each in group]), counts)
    served_at = numbers(moments, TIME)
    hours, event_time = _event_times(group, served_at)
    table = {
        "row_id": texts(_chained(answered.row_ids for answered in group)),
        "event_time": event_time,
        "served_at": served_at,
        "release": texts([release] * rows),
        "request_id": texts(_chained(answered.request_ids for answered in group)),
        "prediction": answers(_chained(answered.prediction.tolist() for answered in group)),
        "probability": _probabilities(group, rows),
        **_features(group),
    }
    return Packed(release, pa.table(table), hours)


def _event_times(
    group: Sequence[Answered], served_at: pa.Array
) -> tuple[NDArray[np.int64], pa.Array]:
    """The hours since 1970, (n,), and the times."""
    if all(moment is each.served_at for each in group for moment in each.event_times):
        # No client named a time: each row holds the very moment of its answer.
        moments = np.frombuffer(served_at.buffers()[1], np.int64)[: len(served_at)]
        return moments // _HOUR, served_at
    moments = microseconds(_chained(answered.event_times for answered in group))
    return moments // _HOUR, numbers(moments, TIME)


def _features(group: Sequence[Answered]) -> dict[str, pa.Array]:
    columns = group[0].columns
    numeric = np.concatenate([answered.features.numeric for answered in group])
    features = {
        f"{FEATURE}{name}": known_numbers(values)
        for name, values in zip(columns.numeric, np.ascontiguousarray(numeric.T), strict=True)
    }
    for place, name in enumerate(columns.categorical):
        values = _chained(answered.features.categorical[place] for answered in group)
        features[f"{FEATURE}{name}"] = texts(values)
    return features


def _probabilities(group: Sequence[Answered], rows: int) -> pa.Array:
    given = [answered.probability for answered in group if answered.probability is not None]
    if not given:
        return pa.nulls(rows, pa.list_(pa.float64()))
    # One release answers with probabilities always or never.
    return lists(np.concatenate(given))


def _chained(parts: Iterable[Sequence[Any]]) -> list[Any]:
    return list(itertools.chain.from_iterable(parts))
