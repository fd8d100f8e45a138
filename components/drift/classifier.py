"""A classifier that tells two samples of the same columns apart, if it can.

Where both come from one distribution it orders the rows that it did not learn from by chance
(Friedman, 2003; Lopez-Paz and Oquab, 2017).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# scipy.special alone: scipy.stats takes most of a second to import.
from scipy.special import ndtr, ndtri

FOLDS = 5
# The classifiers share most of the rows that they learned from, so the folds' statistics vary
# together: by so much more than if they did not (Nadeau and Bengio, 2003).
OVERLAP = 1 + FOLDS / (FOLDS - 1)
_PRODUCTS = 10
_NAMED = 0.1

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """Both samples' rows as numbers: `values` (n, columns), NaN for none, and `current` (n,).

    `coded` says which columns are categories' codes.
    """

    names: list[str]
    values: Doubles
    coded: list[bool]
    current: NDArray[np.bool_]

    def without(self, dropped: Sequence[str]) -> Table:
        """The same rows without some of the columns."""
        kept = [i for i, name in enumerate(self.names) if name not in set(dropped)]
        return Table(
            [self.names[i] for i in kept],
            self.values[:, kept],
            [self.coded[i] for i in kept],
            self.current,
        )


@dataclass(frozen=True)
class Fold:
    """A classifier, the pairs of columns whose products it sees, and the rows it never saw."""

    model: Any
    pairs: list[tuple[int, int]]
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Separation:
    """How well two samples are told apart on rows that a classifier did not learn from.

    `auc` is the chance to order a pair rightly, with its 95 % interval; `p_value` is that of the
    one-sided Mann-Whitney test that it is 0.5.
    """

    auc: float
    interval: tuple[float, float]
    p_value: float
    folds: list[Fold]


def separate(table: Table, seed: int = 0) -> Separation:
    """Learn to tell the samples apart on four fifths of the rows, five times; test on the rest.

    Trees do not find two columns whose correlation alone changed; so the products of the pairs
    whose correlation changes most are columns as well, chosen on the rows learned from. The
    Mann-Whitney statistics of the folds are added up as those of strata, with the variance that
    they have together.

    Args:
        table: at least five rows a side.
        seed: of the folds and the classifiers.
    """
    # Half a second to import, for those who ask for the test.
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold

    shuffled = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    normal = _normal_scores(table)
    wins = pairs = variance = 0.0
    folds = []
    for learn, test in shuffled.split(table.values, table.current):
        chosen = _changed_pairs(normal[learn], table.current[learn])
        model = HistGradientBoostingClassifier(
            max_iter=60,
            learning_rate=0.05,
            max_leaf_nodes=8,
            min_samples_leaf=50,
            categorical_features=[*table.coded, *[False] * len(chosen)],
            early_stopping=False,
            random_state=seed,
        )
        with _one_thread():
            model.fit(_inputs(table.values[learn], normal[learn], chosen), table.current[learn])
        folds.append(Fold(model, chosen, test))
        scores = _scores(folds[-1], table.values[test], normal[test])
        u, count, spread = mann_whitney(scores, table.current[test])
        wins, pairs, variance = wins + u, pairs + count, variance + spread
    auc = wins / pairs
    z = (wins - pairs / 2) / math.sqrt(OVERLAP * variance) if variance else 0.0
    half = 1.96 * math.sqrt(OVERLAP) * _auc_error(auc, table.current)
    interval = max(auc - half, 0.0), min(auc + half, 1.0)
    return Separation(auc, interval, float(ndtr(-z)), folds)


def columns_used(table: Table, found: Separation, seed: int = 0) -> list[str]:
    """The columns without which fewer pairs are ordered rightly, the most needed first.

    Each column's values are shuffled among the test rows (Breiman, 2001). Columns that are needed
    less than a tenth as much as the most needed one are not named.
    """
    draw = np.random.default_rng(seed)
    normal = _normal_scores(table)
    needed = np.zeros(len(table.names))
    for fold in found.folds:
        values, scores = table.values[fold.rows], normal[fold.rows]
        current = table.current[fold.rows]
        whole = mann_whitney(_scores(fold, values, scores), current)[0]
        for column in range(len(needed)):
            mixed = _shuffled(column, values, scores, draw)
            needed[column] += whole - mann_whitney(_scores(fold, *mixed), current)[0]
    order = np.argsort(-needed, kind="stable")
    return [table.names[i] for i in order.tolist() if needed[i] > max(_NAMED * needed.max(), 0)]


def mann_whitney(scores: Doubles, current: NDArray[np.bool_]) -> tuple[float, float, float]:
    """The pairs ordered rightly (ties by half), all pairs, and the first one's variance by chance.

    With the correction for ties (Mann and Whitney, 1947).

    >>> mann_whitney(np.array([0.1, 0.2, 0.3]), np.array([False, True, True]))
    (2.0, 2.0, 0.6666666666666666)
    """
    from scipy.stats import rankdata

    m = int(current.sum())
    n = len(current) - m
    u = float(rankdata(scores)[current].sum()) - m * (m + 1) / 2
    total = n + m
    _, same = np.unique(scores, return_counts=True)
    ties = float(np.sum(same.astype(np.float64) ** 3 - same)) / (total * (total - 1))
    return u, float(n * m), n * m / 12 * (total + 1 - ties)


def _normal_scores(table: Table) -> Doubles:
    """The numbers by their ranks on the scale of a normal distribution, (n, columns).

    0 for a missing value, and in the columns of categories, whose order means nothing.
    """
    from scipy.stats import rankdata

    scores = np.zeros_like(table.values)
    for i, coded in enumerate(table.coded):
        present = np.isfinite(table.values[:, i])
        if not coded:
            ranks = rankdata(table.values[present, i])
            scores[present, i] = ndtri((ranks - 0.5) / len(ranks))
    return scores


def _changed_pairs(normal: Doubles, current: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The pairs of columns whose mean product differs most between the two samples."""
    before, after = normal[~current], normal[current]
    change = np.abs(before.T @ before / len(before) - after.T @ after / len(after))
    first, second = np.triu_indices(len(change), 1)
    sizes = change[first, second]
    order = np.argsort(-sizes, kind="stable")[:_PRODUCTS]
    return [(int(first[k]), int(second[k])) for k in order if sizes[k] > 0]


def _inputs(values: Doubles, normal: Doubles, pairs: Sequence[tuple[int, int]]) -> Doubles:
    return np.column_stack([values, *(normal[:, i] * normal[:, j] for i, j in pairs)])


def _scores(fold: Fold, values: Doubles, normal: Doubles) -> Doubles:
    with _one_thread():
        found: Doubles = fold.model.predict_proba(_inputs(values, normal, fold.pairs))[:, 1]
    return found


def _one_thread() -> Any:
    """With so few rows, threads that wait for one another cost more than they bring."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # ships no types

    return threadpool_limits(limits=1)


def _shuffled(
    column: int, values: Doubles, normal: Doubles, draw: np.random.Generator
) -> tuple[Doubles, Doubles]:
    """The same rows with one column in another order, so that it says nothing."""
    order = draw.permutation(len(values))
    values, normal = values.copy(), normal.copy()
    values[:, column], normal[:, column] = values[order, column], normal[order, column]
    return values, normal


def _auc_error(auc: float, current: NDArray[np.bool_]) -> float:
    """The standard error of an AUC (Hanley and McNeil, 1982)."""
    m = int(current.sum())
    n = len(current) - m
    first, second = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (m - 1) * (first - auc**2) + (n - 1) * (second - auc**2)
    return math.sqrt(max(spread, 0.0) / (n * m))
