"""The cells in which two profiles of one column are compared: few, and none nearly empty."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from components.drift.columns import CategoryProfile, NumericProfile
from components.drift.distances import Counts

# A chi-square test holds its level when no cell is expected to have fewer rows (Cochran, 1954).
LEAST_EXPECTED = 5.0
# How many times more, less one, where the samples' sizes are very unequal; and where a small
# reference chose the cells itself.
_UNEQUAL, _CHOSEN = 2.0, 9.0
_FEWEST_CELLS = 5
# Where the reference is cut: tenths, and finer towards both ends, where tails and spreads differ.
_TAIL = (0.0001, 0.001, 0.01, 0.025, 0.05)
_SHARES = np.array([*_TAIL, *(i / 10 for i in range(1, 10)), *(1 - s for s in reversed(_TAIL))])
_HEAVY = 0.1


@dataclass(frozen=True)
class Cells:
    """Two samples' rows in the same cells, (k,) each, in the same order.

    `lumped` is the share of the rows whose category is too rare for a cell of its own; the first
    `ordered` cells are in the order of their values; `empty` are the rows without a value, (2,),
    None where these are left out or so few that they say nothing.
    """

    reference: Counts
    current: Counts
    lumped: float = 0.0
    ordered: int = 0
    empty: Counts | None = None

    @property
    def sizes(self) -> tuple[float, float]:
        """The rows of both samples."""
        return float(self.reference.sum()), float(self.current.sum())


def numeric_cells(reference: NumericProfile, current: NumericProfile, missing: bool) -> Cells:
    """Tenths of the reference, its tails, what lies outside of it, and the rows without a value.

    The tails are cut finer the more rows there are to fill the cells. A value that many rows
    share has a cell of its own.

    Args:
        reference: the column's reference.
        current: the same column, counted in the same cells.
        missing: whether the rows without a value count.
    """
    ends = cuts(reference, np.array(reference.counts, dtype=np.float64))
    coarse = [_coarse(profile, ends) for profile in (reference, current)]
    sizes = float(coarse[0].sum()), float(coarse[1].sum())
    # The reference's own rows chose these cells: if they are few, that is chance as well.
    least = _least(*sizes, _CHOSEN if sizes[0] < sizes[1] else _UNEQUAL)
    groups = _adjacent(_expected(coarse[0], coarse[1]), least)
    pooled = [np.bincount(groups, weights=c).astype(np.float64) for c in coarse]
    cells = Cells(pooled[0], pooled[1], ordered=len(pooled[0]))
    if not missing:
        return pool(cells, [])
    pooled = [np.append(c, p.empty) for c, p in zip(pooled, (reference, current), strict=True)]
    return _with_empty(
        pool(Cells(pooled[0], pooled[1], ordered=cells.ordered), []), reference, current
    )


def category_cells(reference: CategoryProfile, current: CategoryProfile, missing: bool) -> Cells:
    """The categories, all rare and unknown ones together in the last cell, and the empty rows.

    Unknown categories never have a cell of their own: which these are was seen in the current
    sample alone, so that a test of such a cell would alarm without drift.
    """
    pairs = [[float(count) for count in p.counts] for p in (reference, current)]
    if missing:
        pairs = [[*c, float(p.empty)] for c, p in zip(pairs, (reference, current), strict=True)]
    pairs = [[*c, float(p.unknown)] for c, p in zip(pairs, (reference, current), strict=True)]
    cells = Cells(np.array(pairs[0]), np.array(pairs[1]))
    least = _least(*cells.sizes, _UNEQUAL)
    pooled = pool(cells, [len(pairs[0]) - 1], least)
    both = cells.reference + cells.current
    own = _expected(cells.reference, cells.current)[:-1] >= least
    lumped = 1 - float(both[:-1][own].sum() / max(both.sum(), 1.0))
    pooled = replace(pooled, lumped=lumped)
    return _with_empty(pooled, reference, current) if missing else pooled


def pool(cells: Cells, rare: list[int], least: float = LEAST_EXPECTED) -> Cells:
    """Put all cells that are expected to be nearly empty into one, the last.

    The order of the others stays, and so does how many of them are `ordered`.

    Args:
        cells: the cells.
        rare: cells that belong there whatever they hold.
        least: the rows expected from which on a cell is not nearly empty.
    """
    expected = _expected(cells.reference, cells.current)
    small = expected < least
    small[rare] = True
    large = np.flatnonzero(~small)
    together = float(expected[small].sum())
    if large.size and 0 < together < least:  # still nearly empty: the next one as well
        smallest = large[np.argmin(expected[large])]
        small[smallest] = True
        large = large[large != smallest]
    pooled = []
    for counts in (cells.reference, cells.current):
        last = [counts[small].sum()] if together or not large.size else []
        pooled.append(np.append(counts[large], last))
    ordered = int(np.count_nonzero(large < cells.ordered))
    return Cells(pooled[0], pooled[1], ordered=ordered)


def _with_empty(
    cells: Cells,
    reference: NumericProfile | CategoryProfile,
    current: NumericProfile | CategoryProfile,
) -> Cells:
    """Note the rows without a value, if these and the others are enough to be compared."""
    empty = np.array([reference.empty, current.empty], dtype=np.float64)
    expected = float(empty.sum()) * _smaller_share(*cells.sizes)
    if not LEAST_EXPECTED <= expected <= min(cells.sizes) - LEAST_EXPECTED:
        return cells
    return replace(cells, empty=empty)


def _smaller_share(n: float, m: float) -> float:
    """The part of all rows that is in the smaller sample."""
    return min(n, m) / (n + m) if n + m else 0.0


def _expected(reference: Counts, current: Counts) -> Counts:
    """The rows that the smaller sample would have in each cell if both had the same shares."""
    share = _smaller_share(float(reference.sum()), float(current.sum()))
    return np.asarray((reference + current) * share, dtype=np.float64)


def cuts(
    reference: NumericProfile, counts: Counts, shares: Counts = _SHARES, heavy: float = _HEAVY
) -> NDArray[np.int64]:
    """Choose the edges at which the fine cells are cut, into tenths and finer tails if not told.

    Besides the shares' places there are cuts at the ends of the finite values, and around cells
    that hold many rows.

    Args:
        reference: the column's reference.
        counts: (k,) its counts.
        shares: (s,) the shares of the rows at which to cut.
        heavy: the share from which on a cell of the profile stays one by itself.

    Returns:
        (c,) indices of edges, ascending: each ends a cell, and begins the next.
    """
    below = np.cumsum(counts)[:-1]
    rows = counts.sum()
    if not below.size or not rows:
        return np.array([], dtype=np.int64)
    targets = rows * shares
    lowest = np.searchsorted(below, reference.negative_infinite, side="right") - 1
    highest = np.searchsorted(below, rows - reference.positive_infinite, side="left")
    alone = np.flatnonzero(counts >= rows * heavy)
    cuts = [*np.searchsorted(below, targets, side="left"), lowest, highest, *alone, *(alone - 1)]
    found = np.unique(np.array(cuts, dtype=np.int64))
    return found[(found >= 0) & (found < below.size)]


def _coarse(profile: NumericProfile, ends: NDArray[np.int64]) -> Counts:
    """The rows between the cuts, (c + 3,): the infinite ones are the first and the last."""
    counts = np.array(profile.counts, dtype=np.float64)
    counts[0] -= profile.negative_infinite
    counts[-1] -= profile.positive_infinite
    between = np.add.reduceat(counts, np.append(0, ends + 1))
    return np.concatenate([[profile.negative_infinite], between, [profile.positive_infinite]])


def _least(n: float, m: float, more: float) -> float:
    """The rows that a cell must be expected to have in the smaller sample.

    The chi-square distribution's tail is too short for a small sample beside a large one: at a
    level of one in 10,000 there were up to six times as many alarms.
    """
    smaller, larger = min(n, m), max(n, m, 1.0)
    wanted = LEAST_EXPECTED * (1 + more * (1 - smaller / larger) ** 2)
    return min(wanted, max(LEAST_EXPECTED, smaller / _FEWEST_CELLS))


def _adjacent(expected: Counts, least: float) -> NDArray[np.int64]:
    """Number the cells so that neighbours share a number until they are full enough, (k,)."""
    groups = np.zeros(expected.size, dtype=np.int64)
    group, filled = 0, 0.0
    for index, rows in enumerate(expected.tolist()):
        groups[index] = group
        filled += rows
        if filled >= least:
            group, filled = group + 1, 0.0
    if 0 < filled < least or filled == 0:
        groups[groups == group] = max(group - 1, 0)
    return groups
