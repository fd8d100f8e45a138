"""Choosing the cells that a reference and all later windows are counted in."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from components.drift.tally import CategoryTally, NumericTally
from components.drift.values import as_integers, as_numpy, present_numbers, read_texts

# Quantile cells inside of the reference's range: no cell holds much more than a two thousandth of
# the reference, and by less than that is a distribution function unknown. And cells on each side.
CELLS = 2000
TAIL_CELLS = 64
# Up to so many different values have a cell each.
VALUES = 1000
# Up to here every whole number is a double of its own.
_WHOLE = 2.0**53
# About so many cells more divide the wide ones.
_DIVIDED = 1000
# The reference's most frequent categories, counted by name.
KNOWN = 1000
# The part of a cell's width by which its end may be moved.
_ROUNDED = 0.1
# Where rules cut their few cells: there no row of the reference may change sides.
_ENDS = (0.0001, 0.001, 0.01)
_COMPARED = np.array([*_ENDS, *(i / 40 for i in range(1, 40)), *(1 - share for share in _ENDS)])

Floats = NDArray[np.float64]


def learn_numeric(array: pa.Array) -> NumericTally:
    """Choose the cells of a numeric column: quantiles inside of its range, and tails around it.

    A column with few distinct values has a cell for each of them.

    >>> learn_numeric(pa.array([1.0, 2.0, 2.0, None])).discrete
    True
    """
    values = present_numbers(array).values
    values = np.sort(values[np.isfinite(values)]) + 0.0
    if not values.size:
        return NumericTally(np.array([]), discrete=False, whole=False, span=None, spread=None)
    distinct = values[np.append(True, values[1:] != values[:-1])]
    discrete = distinct.size <= VALUES
    whole = bool((np.floor(distinct) == distinct).all())
    inner, fixed = _values(distinct, whole) if discrete else _quantiles(values)
    low, high = float(values[0]), float(values[-1])
    fixed = np.concatenate([fixed, [_before(low), low, high]])
    edges = np.concatenate([_tail(low, high, -1.0), inner, _tail(high, low, 1.0), fixed])
    return NumericTally(
        _shortened(np.unique(edges[np.isfinite(edges)]), fixed),
        discrete=discrete,
        whole=whole,
        span=(low, high),
        spread=_deviation(values),
    )


def _values(distinct: Floats, whole: bool) -> tuple[Floats, Floats]:
    """Edges that give every value a cell of its own, and those that may not be rounded.

    So do whole numbers between them, if these are not too many, and all of them are doubles.
    """
    low, high = float(distinct[0]), float(distinct[-1])
    if whole and high < low + VALUES and max(-low, high) + VALUES <= _WHOLE:
        distinct = np.arange(low, high + 1)
    own = np.concatenate([distinct, _before(distinct)])
    return np.concatenate([own, _filled(distinct, max(VALUES - distinct.size, _DIVIDED))]), own


def _quantiles(values: Floats) -> tuple[Floats, Floats]:
    """Edges at even ranks of sorted values, and those that may not be rounded.

    A value that fills a cell or more has one of its own, and wide cells are divided.
    """
    picked = values[_ranks(values.size)]
    distinct, times = np.unique(picked, return_counts=True)
    frequent = distinct[times > 1]
    compared = values[_places(_COMPARED, values.size)]
    own = np.concatenate([compared, frequent, _before(frequent)])
    return np.concatenate([own, _filled(distinct, _DIVIDED)]), own


def _before(values: Floats | float) -> Floats:
    """The next smaller doubles."""
    with np.errstate(over="ignore"):
        return np.asarray(np.nextafter(values, -np.inf))


def _shortened(edges: Floats, fixed: Floats) -> Floats:
    """Edges rounded to as few digits as a fraction of a cell's width needs, but for some.

    They stay in order, and counts are as exact at round edges as at others.
    """
    if edges.size < 2:
        return edges
    with np.errstate(all="ignore"):
        gaps = np.diff(edges)
        narrow = np.minimum(np.append(gaps, gaps[-1]), np.append(gaps[0], gaps))
        digits = np.ceil(-np.log10(narrow * _ROUNDED))
        short = edges.copy()
        for number in np.unique(digits[np.isfinite(digits)]).astype(int).tolist():
            chosen = digits == number
            short[chosen] = np.round(edges[chosen], number)
    kept = ~np.isfinite(short) | np.isin(edges, fixed)
    return np.unique(np.where(kept, edges, short) + 0.0)


def _deviation(values: Floats) -> float:
    """The standard deviation (divisor n) of sorted finite values."""
    unit = max(abs(float(values[0])), abs(float(values[-1]))) or 1.0
    return float(np.std(values / unit)) * unit


def _filled(distinct: Floats, room: int) -> Floats:
    """Sorted numbers, and up to about `room` more in gaps wider than usual, for later values."""
    with np.errstate(over="ignore"):
        gaps = np.diff(distinct)
        if not gaps.size or room < 1 or not np.isfinite(gaps.sum()):
            return distinct
        step = max(float(np.quantile(gaps, 0.25, method="lower")), float(gaps.sum()) / room)
        pieces = np.maximum(np.rint(gaps / step).astype(np.int64), 1)
    places = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    filled = np.repeat(distinct[:-1], pieces) + places * np.repeat(gaps / pieces, pieces)
    return np.append(filled, distinct[-1])


def learn_categories(array: pa.Array) -> CategoryTally:
    """Choose the categories to count by name: the most frequent ones.

    >>> learn_categories(pa.array(["b", "a", None])).known
    ['a', 'b']
    """
    texts = read_texts(array)
    complete = len(texts.names) <= KNOWN
    names, counts = texts.names, texts.counts
    if not complete:
        order = pc.select_k_unstable(
            pa.record_batch([names, as_integers(counts)], ["name", "count"]),
            KNOWN,
            [("count", "descending"), ("name", "ascending")],
        )
        chosen = as_numpy(order)
        # A category seen once says nothing where there are others that were never seen.
        names = names.take(as_integers(chosen[counts[chosen] > 1].astype(np.int64)))
    return CategoryTally(sorted(names.to_pylist()), complete)


def _ranks(rows: int) -> NDArray[np.int64]:
    """The ranks that are edges, (k,): even steps, ever finer in the first and the last one."""
    ends = 0.5 ** np.arange(0.5, 10.5, 0.5) / CELLS
    shares = np.concatenate([np.arange(1, CELLS + 1) / CELLS, ends, 1 - ends])
    return np.unique(_places(shares, rows))


def _places(shares: Floats, rows: int) -> NDArray[np.int64]:
    """Where in sorted values so many shares of them end."""
    places: NDArray[np.int64] = np.ceil(shares * rows).astype(np.int64) - 1
    return places.clip(0, rows - 1)


def _tail(end: float, other: float, sign: float) -> Floats:
    """Cells beyond one end of the range: evenly over one more width, then ever wider."""
    with np.errstate(over="ignore"):
        width = abs(np.float64(end) - other) or max(abs(end), 1.0)
        half = TAIL_CELLS // 2
        steps = np.concatenate([np.arange(1, half + 1) / half, 1.25 ** np.arange(1, half + 1)])
        return np.asarray(end + sign * width * steps, dtype=np.float64)
