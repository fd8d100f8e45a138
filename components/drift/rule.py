"""The drift rule: a column drifts when chance cannot explain it, and when it is large enough.

Chance is held to the column's level by a chi-square test over all cells together with one test
each for the commonest changes (higher or lower, wider or narrower, heavier or lighter tails, more
or fewer missing values, categories never seen). Large enough is a population stability index,
corrected for what it is without any drift, that reaches the effect give or take its standard
error. Otherwise the column did not drift, or there are too few rows to say. An effect threshold
alone alarms on small windows, a test alone on large ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import betainc

from components.core.verdict import Answer
from components.drift import distances
from components.drift.cells import LEAST_EXPECTED, Cells, category_cells, numeric_cells
from components.drift.columns import CategoryProfile, NumericProfile
from components.drift.distances import Counts

# The chance with which the smallest detectable effect is detected.
POWER = 0.8
# Where more rows than this are in categories too rare to compare, "no drift" would be a guess.
_MOST_LUMPED = 0.5


@dataclass(frozen=True)
class Threshold:
    """The smallest index that matters, and the chance of a false alarm for one column."""

    effect: float
    level: float


@dataclass(frozen=True)
class Evidence:
    """What the rule found for one column.

    `psi` is corrected for its bias, `interval` is its 95 % confidence interval and `error` its
    standard error; `p_value` is the smallest of the tests', each weighed by its part of the level;
    `minimum_effect` is the smallest index that this many rows tell from chance in four cases of
    five, whichever rows change; `cells` are those compared. All but the answer are None where there
    are too few rows to compare at all.
    """

    answer: Answer
    psi: float | None = None
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    minimum_effect: float | None = None
    cells: Cells | None = None
    error: float | None = None


def judge(
    reference: NumericProfile | CategoryProfile,
    current: NumericProfile | CategoryProfile,
    threshold: Threshold,
    missing: bool = True,
) -> Evidence:
    """Hold a column against its reference, counted in the same cells.

    Args:
        reference: the column's reference.
        current: the same column of the window.
        threshold: what counts as drift.
        missing: whether the rows without a value are a cell of their own, or left out.
    """
    if isinstance(reference, NumericProfile) and isinstance(current, NumericProfile):
        return judge_numbers(reference, current, threshold, missing)
    if isinstance(reference, CategoryProfile) and isinstance(current, CategoryProfile):
        return judge_categories(reference, current, threshold, missing)
    return Evidence("underpowered")


def judge_numbers(
    reference: NumericProfile, current: NumericProfile, threshold: Threshold, missing: bool = True
) -> Evidence:
    """Hold a numeric column against its reference: `judge` says what the arguments are.

    >>> from components.drift.profile import profile_arrays
    >>> import pyarrow as pa
    >>> before = profile_arrays({"x": pa.array(np.arange(1000.0))})
    >>> after = profile_arrays({"x": pa.array(np.arange(1000.0) + 300)}, before)
    >>> threshold = Threshold(effect=0.1, level=0.001)
    >>> judge_numbers(before.columns["x"], after.columns["x"], threshold).answer
    'drift'
    """
    cells = numeric_cells(reference, current, missing)
    tests = [_Test(_chance(cells), 2)]
    if cells.ordered > 2:  # with two cells the chi-square test says the same
        x, y = cells.reference[: cells.ordered], cells.current[: cells.ordered]
        scores = distances.rank_scores(x, y)
        # Higher or lower, wider or narrower, heavier or lighter tails.
        tests += [_Test(distances.score_p(x, y, scores**power), 1) for power in (1, 2, 4)]
    return _judge(cells, [*tests, *_empty_test(cells, 1)], None, threshold)


def judge_categories(
    reference: CategoryProfile,
    current: CategoryProfile,
    threshold: Threshold,
    missing: bool = True,
) -> Evidence:
    """Hold a categorical column against its reference, counted by the same categories."""
    cells = category_cells(reference, current, missing)
    tests = [_Test(_chance(cells), 6), *_empty_test(cells, 1)]
    if not reference.complete:
        return _judge(cells, tests, None, threshold)
    unseen = _Test(unseen_excess(reference, current), 2)
    tests.append(unseen)
    if unseen.p_value >= threshold.level * unseen.weight / sum(test.weight for test in tests):
        return _judge(cells, tests, None, threshold)
    excess = np.array([_seen(reference, 1), current.unknown], dtype=np.float64)
    return _judge(cells, tests, excess, threshold)


def unseen_excess(reference: CategoryProfile, current: CategoryProfile) -> float:
    """How likely so many rows in categories that the reference never had are by chance.

    A sample misses categories; their total mass is about the share of its categories seen once
    (Good, 1953), with a variance of (once + 2 twice) / n^2 (Esty, 1983). The mass is taken for
    a gamma variable of that mean and variance, plus one row for what no sample can exclude; so
    the rows found of it are negative binomial.

    Args:
        reference: the column's reference; one with more categories than it counts says nothing.
        current: the same column of the window.

    Returns:
        The p-value, one-sided.
    """
    n, m, unseen = reference.present, current.present, current.unknown
    if not reference.complete or not unseen or not n:
        return 1.0
    once = _seen(reference, 1) + 1
    wider = 1 + 2 * _seen(reference, 2) / once
    odds = m / n * wider
    return float(betainc(unseen, once / wider, odds / (1 + odds)))


def _seen(reference: CategoryProfile, times: int) -> int:
    """The number of categories that the reference had so often."""
    return sum(count == times for count in reference.counts)


class _Test(NamedTuple):
    """A test's p-value, and its part of the level.

    The parts are whole numbers, as of a sum: chosen so that at 1,000 rows a side each of the
    changes with a true index of 0.1 is found in nine cases of ten.
    """

    p_value: float
    weight: int


def _chance(cells: Cells) -> float:
    return distances.chi_square_p(cells.reference, cells.current)


def _empty_test(cells: Cells, weight: int) -> list[_Test]:
    """The test for more or fewer rows without a value, where there are enough of them."""
    if cells.empty is None:
        return []
    sides = [
        np.array([size - empty, empty])
        for size, empty in zip(cells.sizes, cells.empty.tolist(), strict=True)
    ]
    return [_Test(distances.score_p(sides[0], sides[1], np.array([0.0, 1.0])), weight)]


def _judge(
    cells: Cells, tests: list[_Test], unseen: Counts | None, threshold: Threshold
) -> Evidence:
    """The answer from the tests, of which the first is the chi-square test over all cells."""
    n, m = cells.sizes
    if min(n, m) < 2 * LEAST_EXPECTED:
        return Evidence("underpowered")
    total = sum(test.weight for test in tests)
    p_value = min(1.0, *(test.p_value * total / test.weight for test in tests))
    if unseen is not None:
        cells = _with_unseen(cells, unseen)
    count = len(cells.reference)
    raw = distances.psi(cells.reference, cells.current)
    psi = max(raw - distances.psi_bias(count, n, m), 0.0)
    error = distances.psi_deviation(cells.reference, cells.current)
    level = threshold.level * tests[0].weight / total
    # What changes among categories too rare to compare is not seen.
    seen = 1 - min(cells.lumped, _MOST_LUMPED)
    smallest = distances.minimum_effect(count, n, m, level, POWER) / seen
    answer: Answer = "no drift"
    if psi + error >= threshold.effect and p_value < threshold.level:
        answer = "drift"
    elif smallest > threshold.effect or cells.lumped > _MOST_LUMPED:
        answer = "underpowered"
    interval = distances.psi_interval(cells.reference, cells.current)
    return Evidence(answer, psi, interval, p_value, smallest, cells, error)


def _with_unseen(cells: Cells, unseen: Counts) -> Cells:
    """The unseen categories' rows as a cell beside the rare ones, for the effect alone.

    The last cell keeps as many of them as the reference lets expect.
    """
    n, m = cells.sizes
    current = np.append(cells.current, unseen[1])
    current[-2] = max(current[-2] - (unseen[1] - unseen[0] * m / n), 0.0)
    return Cells(np.append(cells.reference, unseen[0]), current, cells.lumped)
