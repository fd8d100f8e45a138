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


@dataclass(frozen=True)
class Packed:
    """Rows that one release answered, with the columns of the log."""

    release: str
    table: pa.Table

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
        yield Packed(release, _table(list(group)))


def _kind(answered: Answered) -> tuple[str, Any]:
    """What may share a table; releases may answer with other classes, or have other columns."""
    return answered.release, answered.columns


def _table(group: Sequence[Answered]) -> pa.Table:
    counts = np.array([len(answered.row_ids) for answered in group])
    served_at = _a_row([answered.served_at for answered in group], TIME, counts)
    arrays = {
        "row_id": pa.array(_chained(answered.row_ids for answered in group), pa.string()),
        "event_time": served_at if _is_served_time(group) else _event_times(group),
        "served_at": served_at,
        "release": pa.repeat(group[0].release, int(counts.sum())),
        "request_id": _a_row([answered.request_id for answered in group], pa.string(), counts),
        "prediction": pa.array(_chained(_listed(answered.prediction) for answered in group)),
        "probability": _probabilities(group, counts),
        **_features(group),
    }
    return pa.table(arrays)


def _features(group: Sequence[Answered]) -> dict[str, pa.Array]:
    columns = group[0].columns
    numeric = np.concatenate([answered.features.numeric for answered in group])
    features = {
        f"{FEATURE}{name}": pa.array(np.ascontiguousarray(numeric[:, place]), from_pandas=True)
        for place, name in enumerate(columns.numeric)
    }
    for place, name in enumerate(columns.categorical):
        texts = _chained(answered.features.categorical[place] for answered in group)
        features[f"{FEATURE}{name}"] = pa.array(texts, pa.string())
    return features


def _is_served_time(group: Sequence[Answered]) -> bool:
    """Whether no client named a time: each row then holds the very moment of its answer."""
    return all(moment is each.served_at for each in group for moment in each.event_times)


def _event_times(group: Sequence[Answered]) -> pa.Array:
    return pa.array(_chained(answered.event_times for answered in group), TIME)


def _probabilities(group: Sequence[Answered], counts: NDArray[np.int64]) -> pa.Array:
    kind = pa.list_(pa.float64())
    given = [answered.probability for answered in group if answered.probability is not None]
    if not given:
        return pa.nulls(int(counts.sum()), kind)
    # One release answers with probabilities always or never; with lists where rows are few.
    lists = [each for each in given if isinstance(each, list)]
    flat = np.array(_chained(lists)) if len(lists) == len(given) else np.concatenate(given)
    ends = np.arange(0, flat.size + 1, flat.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(flat.ravel()), type=kind)


def _a_row(values: list[Any], kind: pa.DataType, counts: NDArray[np.int64]) -> pa.Array:
    """One value a request as one value a row."""
    array = pa.array(values, kind)
    if len(values) == counts.sum():
        return array
    return array.take(pa.array(np.repeat(np.arange(len(values)), counts)))


def _listed(values: Sequence[Any] | NDArray[Any]) -> Sequence[Any]:
    """As Python's own, by which Arrow tells texts from numbers."""
    return values.tolist() if isinstance(values, np.ndarray) else values


def _chained(parts: Iterable[Sequence[Any]]) -> list[Any]:
    return list(itertools.chain.from_iterable(parts))
