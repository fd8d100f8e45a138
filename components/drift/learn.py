"""Choosing the cells that a reference and all later windows are counted in."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.drift.tally import CategoryTally, NumericTally
from components.drift.values import read_numbers, read_texts

# Quantile cells inside of the reference's range, and cells on each side of it.
CELLS = 1024
TAIL_CELLS = 64
# The reference's most frequent categories, counted by name.
KNOWN = 1000


def learn_numeric(array: pa.Array) -> NumericTally:
    """Choose the cells of a numeric column: quantiles inside of its range, and tails around it.

    A column with few distinct values has a cell for each of them.

    >>> learn_numeric(pa.array([1.0, 2.0, 2.0, None])).discrete
    True
    """
    values = read_numbers(array).values
    values = np.sort(values[np.isfinite(values)]) + 0.0
    if not values.size:
        return NumericTally(np.array([]), discrete=False, whole=False, span=None)
    distinct = values[np.append(True, values[1:] != values[:-1])]
    discrete = distinct.size <= CELLS
    inner = _filled(distinct) if discrete else values[_ranks(values.size)]
    low, high = float(values[0]), float(values[-1])
    edges = np.concatenate([_tail(low, high, -1.0), inner, _tail(high, low, 1.0)])
    with np.errstate(over="ignore"):
        edges = np.append(edges, np.nextafter(low, -np.inf))
    return NumericTally(
        np.unique(edges[np.isfinite(edges)]),
        discrete=discrete,
        whole=bool((np.floor(distinct) == distinct).all()),
        span=(low, high),
    )


def _filled(distinct: NDArray[np.float64]) -> NDArray[np.float64]:
    """The distinct values, and more edges in gaps wider than usual, for values not yet seen."""
    with np.errstate(over="ignore"):
        gaps = np.diff(distinct)
        room = CELLS - distinct.size
        if not gaps.size or not room or not np.isfinite(gaps.sum()):
            return distinct
        step = max(float(np.quantile(gaps, 0.25, method="lower")), float(gaps.sum()) / room)
        pieces = np.maximum(np.rint(gaps / step).astype(np.int64), 1)
    parts = [
        np.linspace(left, right, count, endpoint=False)
        for left, right, count in zip(distinct[:-1], distinct[1:], pieces.tolist(), strict=True)
    ]
    return np.concatenate([*parts, distinct[-1:]])


def learn_categories(array: pa.Array) -> CategoryTally:
    """Choose the categories to count by name: the most frequent ones.

    >>> learn_categories(pa.array(["b", "a", None])).known
    ['a', 'b']
    """
    texts = read_texts(array)
    pairs = sorted(zip(texts.names, texts.counts, strict=True), key=lambda p: (-p[1], p[0]))
    known = sorted(name for name, _ in pairs[:KNOWN])
    return CategoryTally(known, complete=len(pairs) <= KNOWN)


def _ranks(rows: int) -> NDArray[np.int64]:
    """The ranks that are edges: even steps, and ever finer ones in the first and the last step."""
    steps = np.arange(1, CELLS + 1) / CELLS
    ends = 0.5 ** np.arange(0.5, 10.5, 0.5) / CELLS
    shares = np.concatenate([steps, ends, 1 - ends])
    ranks: NDArray[np.int64] = np.ceil(shares * rows).astype(np.int64) - 1
    return ranks.clip(0, rows - 1)


def _tail(end: float, other: float, sign: float) -> NDArray[np.float64]:
    """Cells beyond one end of the range: evenly over one more width, then ever wider."""
    with np.errstate(over="ignore"):
        width = abs(np.float64(end) - other) or max(abs(end), 1.0)
        half = TAIL_CELLS // 2
        steps = np.concatenate([np.arange(1, half + 1) / half, 1.25 ** np.arange(1, half + 1)])
        return np.asarray(end + sign * width * steps, dtype=np.float64)
