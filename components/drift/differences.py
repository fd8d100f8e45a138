"""Where a column is different on the two sides, found in one pass and little memory.

The window's column is held as eight bytes a row, numbers as they are and texts as hashes; the
log's streams by. Of the rows that differ a sample is kept, whose values are read again later.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.data.hashing import hash_array, mix
from components.drift.matching import Matched, Rows, batches
from components.drift.values import as_strings, read_numbers

Floats = NDArray[np.float64]

# Enough differences to see a pattern in.
SAMPLE_ROWS = 4000
# A median to judge sizes by needs no more values than this.
_SCALE_ROWS = 100_000
# Below this part of the tolerated difference of usual values any difference is one of rounding.
_ROUNDING = 1e-6
# Numbers of this relative difference are equal in all but the last bits.
_LAST_BITS = 1e-15


@dataclass(frozen=True)
class Differences:
    """What a column's comparison found.

    `slots` are some of the compared rows that differ, in order: all of them up to 4,000, beyond
    that a sample that depends on nothing but which rows differ. `largest` is the largest
    difference of two numbers and `deviation` the standard deviation of the trained ones, in the
    column's unit. `unreadable` values, of both sides, are of another kind than the column's role,
    and `empty` says that no compared row has a value on either side.
    """

    name: str
    numeric: bool
    rows: int
    count: int
    slots: Rows
    largest: float | None = None
    deviation: float | None = None
    unreadable: int = 0
    empty: bool = False

    @property
    def share(self) -> float:
        """The share of the compared rows that differ."""
        return self.count / self.rows if self.rows else 0.0


def compare_column(
    name: str,
    data: pq.ParquetFile,
    log: tuple[pq.ParquetFile, str],
    matched: Matched,
    numeric: bool,
    tolerance: float,
) -> Differences:
    """Compare a column on the rows that both sides have.

    Texts differ when they are not the same. Numbers differ beyond `tolerance` times their size:
    the distance from zero or from the column's median, whichever is smaller, so that times since
    1970 are not all alike. A value differs from none.

    Args:
        name: the column in the window.
        data: the window.
        log: the log's part, and the column's name there.
        matched: which rows are the same.
        numeric: whether to read both sides as numbers.
        tolerance: the relative difference that is none.
    """
    reader = _Reader(numeric)
    trained = np.empty(data.metadata.num_rows, np.float64 if numeric else np.uint64)
    for start, column in batches(data, name):
        trained[start : start + len(column)] = reader.read(column)
    scale = _Scale(trained[:: -(-len(trained) // _SCALE_ROWS) or 1], tolerance) if numeric else None
    sample, count, largest, empty, slot = _Sample(), 0, -1.0, True, 0
    for start, column in batches(*log):
        kept = matched.kept[start : start + len(column)]
        a = reader.read(column)[kept]
        b = trained[matched.trained[slot : slot + len(a)]]
        differ = np.flatnonzero(a != b if scale is None else scale.differ(a, b))
        sample.add(differ + slot)
        count += len(differ)
        if scale is not None and len(differ):
            largest = max(largest, _largest(a[differ], b[differ]))
        empty = empty and bool(np.all(reader.missing(a) & reader.missing(b)))
        slot += len(a)
    return Differences(
        name=name,
        numeric=numeric,
        rows=matched.rows,
        count=count,
        slots=sample.slots(),
        largest=largest if largest >= 0 else None,
        deviation=scale.deviation if scale else None,
        unreadable=reader.unreadable,
        empty=empty and matched.rows > 0,
    )


class _Reader:
    """Reads parts of a column as doubles or hashes, and counts what is of another kind."""

    def __init__(self, numeric: bool) -> None:
        self.unreadable = 0
        self._numeric = numeric
        self._none = hash_array(pa.nulls(1, pa.string()))[0]

    def read(self, column: pa.Array) -> Any:
        if self._numeric:
            numbers = read_numbers(column)
            self.unreadable += numbers.unreadable
            return numbers.values
        texts = as_strings(column)
        if texts.null_count:
            self.unreadable += int(pc.sum(pc.and_(texts.is_null(), _present(column))).as_py() or 0)
        return hash_array(texts)

    def missing(self, values: Any) -> NDArray[np.bool_]:
        return np.asarray(np.isnan(values) if self._numeric else values == self._none)


def _present(column: pa.Array) -> pa.Array:
    floating = pa.types.is_floating(column.type)
    return pc.invert(column.is_null(nan_is_null=floating))


class _Scale:
    """When two numbers of a column differ."""

    def __init__(self, values: Floats, tolerance: float) -> None:
        finite = values[np.isfinite(values)]
        self._tolerance = tolerance
        self._centre, self._width, self.deviation = 0.0, 0.0, None
        if len(finite):
            ordered = np.sort(finite)
            low, self._centre, high = (
                float(ordered[int(share * (len(ordered) - 1))]) for share in (0.05, 0.5, 0.95)
            )
            with np.errstate(over="ignore", invalid="ignore"):
                deviation = float(np.std(finite))
            self.deviation = deviation if np.isfinite(deviation) else None
            width = (high - low) or (self.deviation or 0.0)
            self._width = width if width < math.inf else 0.0

    def differ(self, a: Floats, b: Floats) -> NDArray[np.bool_]:
        """Which of the pairs, (n,), differ."""
        with np.errstate(invalid="ignore", over="ignore"):
            size = np.maximum(np.abs(a), np.abs(b))
            scale = size
            if self._width > 0:
                away = np.maximum(np.abs(a - self._centre), np.abs(b - self._centre))
                scale = np.minimum(size, np.maximum(away, self._width))
                scale = np.maximum(scale, _ROUNDING * self._width)
            near = np.abs(a - b) <= np.maximum(self._tolerance * scale, _LAST_BITS * size)
        near &= np.isfinite(a) & np.isfinite(b)
        found: NDArray[np.bool_] = ~(near | (a == b) | (np.isnan(a) & np.isnan(b)))
        return found


class _Sample:
    """The differing rows with the smallest hashes: an even sample that no order changes."""

    def __init__(self) -> None:
        self._slots = np.zeros(0, np.int64)

    def add(self, slots: Rows) -> None:
        if len(slots):
            self._slots = np.concatenate([self._slots, slots])
        if len(self._slots) > 16 * SAMPLE_ROWS:
            self._slots = self.slots()

    def slots(self) -> Rows:
        """The sample, in order."""
        if len(self._slots) <= SAMPLE_ROWS:
            return self._slots
        keys = mix(self._slots.astype(np.uint64))
        return np.sort(self._slots[np.argpartition(keys, SAMPLE_ROWS)[:SAMPLE_ROWS]])


def _largest(a: Floats, b: Floats) -> float:
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.abs(a - b)
    size = size[np.isfinite(size)]
    return float(size.max()) if len(size) else -1.0
