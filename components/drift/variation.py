"""How much a reference varies in time by itself.

The reference is cut into equal stretches of event time, and the rows of each are counted in coarse
cells: counts alone, which add up. `effects` learns from them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field

from components.core.errors import DataError
from components.core.verdict import Document
from components.drift.cells import cuts
from components.drift.columns import CategoryProfile, NumericProfile
from components.drift.profile import LABEL, PREDICTION, Profile
from components.drift.values import as_strings, read_numbers

Integers = NDArray[np.int64]
Column = NumericProfile | CategoryProfile

# Where the reference is cut into coarse cells: finer than where the rule cuts it, who cuts again.
_TAIL = (0.0001, 0.001, 0.01, 0.025)
_SHARES = np.array([*_TAIL, *(i / 20 for i in range(1, 20)), *(1 - s for s in reversed(_TAIL))])
_HEAVY = 0.05
# So many categories are counted by name, all others together.
_CATEGORIES = 24
# The longest stretch of which there are so many is taken; days, where there are months. A year's
# days are kept, for the sake of daily windows and their weekdays, unless these are more than so
# many counts: then several stretches make one.
_STRETCHES, _MOST_STRETCHES = 60, 120
_MOST_COUNTS = 1_000_000
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_LENGTHS = (
    *(1, 10, _MINUTE, 10 * _MINUTE, _HOUR, 3 * _HOUR, 6 * _HOUR),
    *(_DAY, 7 * _DAY, 28 * _DAY, 364 * _DAY),
)
_BATCH_ROWS = 1 << 17


class ColumnVariation(Document):
    """A column's rows in every stretch, by coarse cells.

    A row of `counts` is a stretch: the cells between the `edges`, from below the first to above
    the last, or the `known` categories and then all others; at the end the rows without a value.
    """

    edges: list[float] = Field(default_factory=list)
    known: list[str] | None = None
    counts: list[list[int]]


class Variation(Document):
    """The reference in stretches of `seconds`, the first from `start` on (UTC)."""

    format: Literal[1] = 1
    start: datetime
    seconds: int
    columns: dict[str, ColumnVariation] = Field(default_factory=dict)


class VariationTally:
    """Counts the reference's rows by stretch.

    Args:
        reference: the reference's profile; its cells are joined into coarse ones.
        first: the first event time.
        last: the last event time.

    >>> from components.drift.profile import profile_arrays
    >>> array = pa.array([1.0, 2.0, 2.0, None])
    >>> tally = VariationTally(profile_arrays({"a": array}), 0, 3 * 86_400_000_000)
    >>> tally.add(np.array([0, 0, 1, 3]) * 86_400_000_000, {"a": array})
    >>> tally.variation().seconds, int(np.sum(tally.variation().columns["a"].counts))
    (3600, 4)
    """

    def __init__(self, reference: Profile, first: int, last: int) -> None:
        self.cells: dict[str, NDArray[np.float64] | pa.Array] = {
            name: _coarse(column) for name, column in reference.columns.items()
        }
        widths = sum(len(cells) + 2 for cells in self.cells.values())
        self.seconds = _stretch((last - first) / 1e6, widths)
        self.start = first // 1_000_000 // self.seconds * self.seconds
        self.stretches = self._at(np.array([last]))[0] + 1
        self.counts = {
            name: np.zeros((self.stretches, len(cells) + 2), dtype=np.int64)
            for name, cells in self.cells.items()
        }

    def add(self, times: Integers, columns: Mapping[str, pa.Array]) -> None:
        """Count rows.

        Args:
            times: (n,) event times in microseconds since 1970.
            columns: (n,) each.
        """
        stretches = self._at(times)
        for name, array in columns.items():
            counts = self.counts[name]
            width = counts.shape[1]
            cells = _cells_of(array, self.cells[name])
            found = np.bincount(stretches * width + cells, minlength=counts.size)
            counts += found.reshape(counts.shape)

    def variation(self) -> Variation:
        """What was counted."""
        columns = {}
        for name, cells in sorted(self.cells.items()):
            counts = self.counts[name].tolist()
            if isinstance(cells, np.ndarray):
                columns[name] = ColumnVariation(edges=cells.tolist(), counts=counts)
            else:
                columns[name] = ColumnVariation(known=cells.to_pylist(), counts=counts)
        start = datetime.fromtimestamp(self.start, UTC)
        return Variation(start=start, seconds=self.seconds, columns=columns)

    def _at(self, times: Integers) -> Integers:
        found: Integers = (times // 1_000_000 - self.start) // self.seconds
        return found


def file_variation(
    path: Path,
    reference: Profile,
    time: str,
    target: str,
    answers: tuple[Integers, pa.Array] | None = None,
) -> Variation | None:
    """Count a training window by stretches, batch by batch; the rows' order does not matter.

    Args:
        path: the window, as ingest wrote it.
        reference: its profile.
        time: the column of the event times.
        target: the column that is profiled as `label`.
        answers: event times (n,) in microseconds and the column `prediction`, (n,), where there
            are any.

    Returns:
        None where the window has no rows.

    Raises:
        DataError: when the file is not there or is no Parquet.
    """
    try:
        with pq.ParquetFile(path, pre_buffer=True) as file:
            extent = _extent(_times(batch, time) for batch in _batches(file, [time]))
            if extent is None:
                return None
            tally = VariationTally(reference, *extent)
            own = {target: LABEL} if LABEL in reference.columns else {}
            names = {name: name for name in reference.columns if name not in (LABEL, PREDICTION)}
            found = {k: v for k, v in (names | own).items() if k in file.schema_arrow.names}
            for batch in _batches(file, [time, *found]):
                arrays = {shown: batch.column(name) for name, shown in found.items()}
                tally.add(_times(batch, time), arrays)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"{path} cannot be read as Parquet: {error}; write the window again"
        ) from error
    if answers is not None and PREDICTION in reference.columns:
        tally.add(answers[0], {PREDICTION: answers[1]})
    return tally.variation()


def _coarse(reference: Column) -> NDArray[np.float64] | pa.Array:
    """The edges of a numeric column's coarse cells, or the categories counted by name.

    The edges are the reference's own at its twentieths, in its tails, around values that many rows
    share, and at the ends of its range.
    """
    counts = np.array(reference.counts, dtype=np.float64)
    if isinstance(reference, CategoryProfile):
        order = sorted(range(len(counts)), key=lambda i: (-counts[i], reference.known[i]))
        return pa.array(sorted(reference.known[i] for i in order[:_CATEGORIES]), pa.string())
    chosen = cuts(reference, counts, _SHARES, _HEAVY)
    return np.array(reference.edges, dtype=np.float64)[chosen]


def _cells_of(array: pa.Array, cells: NDArray[np.float64] | pa.Array) -> Integers:
    """The coarse cell of every row, (n,); the last one is that of the rows without a value."""
    if isinstance(cells, np.ndarray):
        values = read_numbers(array).values
        found = np.searchsorted(cells, values, side="left").astype(np.int64)
        return np.where(np.isnan(values), len(cells) + 1, found)
    texts = as_strings(array)
    known = pc.fill_null(pc.index_in(texts, value_set=cells), len(cells))
    codes = np.asarray(known.to_numpy(zero_copy_only=False), dtype=np.int64)
    empty = texts.is_null().to_numpy(zero_copy_only=False)
    return np.where(empty, len(cells) + 1, codes)


def _stretch(span: float, cells: int) -> int:
    """The length of a stretch in seconds, for so many seconds in all and cells in a stretch."""
    fitting = [length for length in _LENGTHS if span / length >= _STRETCHES]
    length = max(fitting, default=_LENGTHS[0])
    count = span / length
    return length * math.ceil(count / _MOST_STRETCHES if count * cells > _MOST_COUNTS else 1)


def _extent(parts: Iterable[Integers]) -> tuple[int, int] | None:
    ends = [(int(times.min()), int(times.max())) for times in parts if times.size]
    if not ends:
        return None
    return min(first for first, _ in ends), max(last for _, last in ends)


def _batches(file: pq.ParquetFile, names: list[str]) -> Iterator[pa.RecordBatch]:
    found: Iterator[pa.RecordBatch] = file.iter_batches(_BATCH_ROWS, columns=names)
    return found


def _times(batch: pa.RecordBatch, name: str) -> Integers:
    times: Any = batch.column(name)
    micro = times.cast(pa.timestamp("us", times.type.tz)).cast(pa.int64())
    return np.asarray(micro.to_numpy(zero_copy_only=False), dtype=np.int64)
