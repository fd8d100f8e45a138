"""Two samples' columns by each side's own ranks, so that only their dependence remains.

Where a column's ranks are taken on each side alone, both sides have one distribution of it; what
two columns have to do with one another stays (Sklar, 1959).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.drift.classifier import Doubles, Table

# Ties are broken at random. Where a side has more of one value than this, too little of the
# dependence would be left.
_TIED = 0.05
# Less than this and a column of few values is said to have moved, on samples.
_MOVED = 0.05
_LEAST_EXPECTED = 5


def own_ranks(table: Table, names: Sequence[str], seed: int = 0) -> Table:
    """The same rows, with the columns named by each side's own ranks, from 0 to 1.

    A missing value is the lowest of all. Columns of few values have no such ranks, and are left
    out: categories, and those of which one value makes up more than a twentieth of a side.

    Args:
        table: both samples.
        names: the columns to rank.
        seed: of the order of ties.
    """
    draw = np.random.default_rng(seed)
    dropped = [name for name in names if name in table.names and _few(table, name)]
    kept = table.without(dropped)
    values = kept.values.copy()
    for i in [i for i, name in enumerate(kept.names) if name in set(names)]:
        for side in _sides(kept):
            values[side, i] = _ranks(values[side, i], draw)
    return Table(kept.names, values, kept.coded, kept.current)


def dependence(table: Table) -> Table:
    """The same rows with all marginal differences taken away.

    Every column by its own ranks, as of `own_ranks`. Columns of few values stay as they are, or
    are left out where a chi-squared test says that they moved.
    """
    few = [name for name in table.names if _few(table, name)]
    same = table.without([name for name in few if _moved(table, name)])
    return own_ranks(same, [name for name in same.names if name not in few])


def _few(table: Table, name: str) -> bool:
    """Whether a column has values that many rows share."""
    column = table.names.index(name)
    if table.coded[column]:
        return True
    for side in _sides(table):
        counts = np.unique(table.values[side, column], return_counts=True)[1]
        if counts.max(initial=0) > _TIED * side.sum():
            return True
    return False


def _ranks(values: Doubles, draw: np.random.Generator) -> Doubles:
    lowest = np.where(np.isnan(values), -np.inf, values)
    order = np.lexsort((draw.random(len(values)), lowest))
    ranks = np.empty(len(values))
    ranks[order] = (np.arange(len(values)) + draw.random(len(values))) / len(values)
    return ranks


def _moved(table: Table, name: str) -> bool:
    """Whether the values of a column have other shares on the other side."""
    from scipy.stats import chi2_contingency

    values = table.values[:, table.names.index(name)]
    codes = np.unique(values, return_inverse=True)[1]
    counts = np.array([np.bincount(codes[s], minlength=codes.max() + 1) for s in _sides(table)])
    smaller = counts.sum(axis=1).min() / len(codes)
    rare = counts.sum(axis=0) * smaller < _LEAST_EXPECTED
    counts = np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])
    counts = counts[:, counts.sum(axis=0) > 0]
    return bool(counts.shape[1] > 1 and chi2_contingency(counts).pvalue < _MOVED)


def _sides(table: Table) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    return ~table.current, table.current
