"""Counting many numbers in fixed cells, exactly and without sorting them.

One multiplication puts a number into one of many buckets of equal width. Subtraction,
multiplication and truncation keep the order of doubles, so the edges' own buckets tell which cells
a bucket may hold: one, or those beside its one or two edges, which as many comparisons tell apart.
Numbers in buckets with more edges go through wider buckets, and what is left is searched for.
"""

from __future__ import annotations

import itertools
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Cells = NDArray[np.intp]

_BUCKETS = 1 << 15
# Numbers worked on at a time: what is made of them stays in a core's cache.
_BLOCK = 1 << 14
# Up to so many numbers a search costs less than making the buckets.
_FEW = 1 << 15
# Shares of the numbers left out at each end: heavy tails would make the buckets too wide.
_TRIMS = (0.0, 0.002, 0.01, 0.03, 0.08)
# A range is wide enough, and one comparison too, where so many numbers are told apart.
_ENOUGH = 0.98
_CROWDED = -1


class Locator:
    """Finds the cells of numbers.

    Args:
        edges: (k,) ascending finite numbers; a cell ends with its upper edge.
        span: the range in which most numbers are expected, None for an empty `edges`.
        expected: (k + 1,) how many are expected in each cell, in any unit; evenly if not given.

    >>> Locator(np.array([1.0, 2.0]), (1.0, 2.0)).count(np.array([0.5, 1.0, 1.5, 7.0]))
    array([2, 1, 1])
    """

    def __init__(
        self,
        edges: Floats,
        span: tuple[float, float] | None,
        expected: NDArray[np.int64] | None = None,
    ) -> None:
        self.edges, self._span = edges, span
        known = expected is not None and expected[1:-1].any()
        self._weights = expected[:-1] if known and expected is not None else np.ones(edges.size)
        self._seen = 0

    def count(self, values: Floats) -> NDArray[np.int64]:
        """How many numbers each cell holds, (k + 1,).

        Args:
            values: (n,) numbers, also infinite ones, but no NaN.
        """
        self._seen += values.size
        if self._seen <= _FEW:
            found = np.searchsorted(self.edges, values, side="left")
            return np.bincount(found, minlength=self.edges.size + 1)
        counts = np.zeros(self.edges.size + 1, dtype=np.int64)
        with np.errstate(over="ignore"):
            for start in range(0, values.size, _BLOCK):
                cells = self._cells(values[start : start + _BLOCK], 0)
                counts += np.bincount(cells, minlength=counts.size)
        return counts

    @cached_property
    def _levels(self) -> list[_Buckets]:
        if self._span is None:
            return []
        found = [
            _narrow(self.edges, self._weights, *self._span),
            _wide(self.edges, *self._span),
        ]
        return [buckets for buckets in found if buckets is not None]

    def _cells(self, values: Floats, level: int) -> Cells:
        if level == len(self._levels):
            return np.searchsorted(self.edges, values, side="left")
        cells = self._levels[level].cells(values)
        rest = np.flatnonzero(cells < 0)
        if rest.size:
            cells[rest] = self._cells(values[rest], level + 1)
        return cells


class _Buckets:
    """Buckets of equal width, the outermost without an end."""

    def __init__(self, edges: Floats, low: float, scale: float, most: int) -> None:
        self.low, self.scale, self._most = low, scale, most
        self._edges = np.append(edges, np.inf)
        keys = self._keys(edges)
        self._first = np.searchsorted(keys, np.arange(_BUCKETS)).astype(np.int32)
        crowded = np.bincount(keys, minlength=_BUCKETS) > most
        self._first[crowded] = _CROWDED
        self.uncrowded = ~crowded[keys]

    @classmethod
    def between(cls, edges: Floats, low: float, high: float, most: int) -> _Buckets | None:
        """Buckets for a range; None where doubles cannot divide it.

        Args:
            edges: (k,) ascending.
            low: where the buckets begin.
            high: where they end.
            most: so many edges in one bucket can be told apart.
        """
        with np.errstate(all="ignore"):
            scale = float(np.float64(_BUCKETS) / (np.float64(high) - low))
            if not (np.isfinite(low) and np.isfinite(scale) and scale > 0):
                return None
            return cls(edges, low, scale, most)

    def cells(self, values: Floats) -> Cells:
        """The cells of numbers, (n,), negative where a bucket has several edges."""
        cells = self._first.take(self._keys(values), mode="clip").astype(np.intp)
        told = cells >= 0
        for _ in range(self._most):
            above = values > self._edges.take(cells, mode="clip")
            above &= told
            cells += above
        return cells

    def _keys(self, values: Floats) -> Cells:
        scaled = values - self.low
        scaled *= self.scale
        np.clip(scaled, 0, _BUCKETS - 1, out=scaled)
        return scaled.astype(np.intp)


def _narrow(
    edges: Floats, weights: NDArray[np.int64] | Floats, low: float, high: float
) -> _Buckets | None:
    """Buckets for the bulk of the numbers: of some ranges the one that tells most of them apart."""
    inner = np.flatnonzero((edges >= low) & (edges <= high))
    below = np.cumsum(weights[inner])
    best, told = None, -1.0
    for most, trim in itertools.product((1, 2), _TRIMS):
        if told >= _ENOUGH * below[-1]:
            break
        places = np.searchsorted(below, np.array([trim, 1 - trim]) * below[-1])
        first, last = edges[inner[places.clip(0, inner.size - 1)]].tolist()
        found = _Buckets.between(edges, first, last, most)
        rows = float(weights[inner][found.uncrowded[inner]].sum()) if found else -1.0
        if rows > told:
            best, told = found, rows
    return best


def _wide(edges: Floats, low: float, high: float) -> _Buckets | None:
    """Buckets for numbers beyond the span, as far as the cells there have equal widths."""
    with np.errstate(over="ignore"):
        width = float(np.float64(high) - low) or max(abs(high), 1.0)
        return _Buckets.between(edges, low - width, high + width, 2)
