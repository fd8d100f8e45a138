"""Confidence intervals by the bootstrap over blocks of time, and for differences.

Rows of one day share the day's weather, prices or outages: they are not independent, and resampling
them one by one gives intervals that are several times too narrow. So whole blocks of time are drawn
with replacement, with all of their rows (Field and Welsh, Bootstrapping Clustered Data, 2007; for
blocks of a series that do not overlap, Carlstein, 1986). The intervals are percentiles (Efron and
Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13), a little further out because there
are few blocks (Hesterberg, What Teachers Should Know About the Bootstrap, 2015, "expanded
percentile"). What lasts longer than a block is not in them. All are seeded: equal inputs give equal
intervals.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
from scipy.special import stdtrit

from components.core.errors import ModelError
from components.model.metrics import Metric
from components.model.records import Bounds
from components.model.score import Array, Predictions

# An interval from fewer usable resamples than this share says more about the gaps than the metric.
_USABLE_SHARE = 0.5
# From so many days on a block is a day; a shorter time is cut into so many stretches.
_BLOCKS = 20


def time_blocks(times: Array) -> Array:
    """The block of time that each row belongs to, (n,) codes from 0 on.

    Blocks are UTC days where the rows have at least 20 of them, otherwise the non-empty ones of 20
    equal stretches from the first row to the last; with at most 20 different times, these times.

    Args:
        times: (n,) datetime64 in UTC, in any order.

    >>> time_blocks(np.array(["2013-01-01T06", "2013-01-01T06", "2013-01-09T07"], "datetime64"))
    array([0, 0, 1])
    """
    days, codes = np.unique(times.astype("datetime64[D]"), return_inverse=True)
    if len(days) >= _BLOCKS:
        return codes
    instants, codes = np.unique(times, return_inverse=True)
    if len(instants) <= _BLOCKS:
        return codes
    passed = (instants - instants[0]).astype(np.int64)
    stretches = np.unique(passed * _BLOCKS // (passed[-1] + 1), return_inverse=True)[1]
    return np.asarray(stretches[codes])


def interval(
    metric: Metric,
    y: Array,
    predictions: Predictions,
    resamples: int,
    confidence: float,
    seed: int = 0,
    blocks: Array | None = None,
) -> Bounds | None:
    """A confidence interval for the metric on these rows.

    Args:
        metric: the metric.
        y: (n,) class codes, or numbers for regression.
        predictions: the answers for the same rows.
        resamples: how many.
        confidence: the interval's level, such as 0.95.
        seed: equal seeds draw equal resamples of equally many blocks.
        blocks: (n,) each row's block, of `time_blocks`; left out, the rows are independent.

    Returns:
        Lower and upper end in the metric's unit; None where the metric is hardly ever defined, or
        all rows are of one block.

    >>> from components.model.metrics import metric_named
    >>> y = np.arange(100.0)
    >>> low, high = interval(metric_named("mae"), y, Predictions(y + y % 2), 200, 0.95)
    >>> low < 0.5 < high
    True
    """
    count, blocks = _compact(len(y), blocks)
    if count < 2:
        return None
    scorer = metric.prepare(y, predictions)
    values = [scorer(weights) for weights in _weights(count, blocks, resamples, seed)]
    return _bounds(values, confidence, count)


def paired_interval(
    metric: Metric,
    y: Array,
    champion: Predictions,
    challenger: Predictions,
    resamples: int,
    confidence: float,
    seed: int = 0,
    blocks: Array | None = None,
) -> Bounds | None:
    """A confidence interval for how much better the challenger is than the champion.

    Both are scored on the same resamples, so what makes a resample hard for both cancels out.

    Args:
        metric: the metric.
        y: (n,) class codes, or numbers for regression.
        champion: its answers for the rows.
        challenger: its answers for the same rows.
        resamples: how many.
        confidence: the interval's level.
        seed: equal seeds draw equal resamples of equally many blocks.
        blocks: (n,) each row's block, of `time_blocks`; left out, the rows are independent.

    Returns:
        Lower and upper end in the metric's unit, above zero where the challenger is better,
        whatever the metric's direction; None where the metric is hardly ever defined, or all rows
        are of one block.

    Raises:
        ModelError: when both are the very same answers: a model is not compared with itself.
    """
    if champion is challenger:
        raise ModelError("a model is compared with itself; pass the answers of two models")
    count, blocks = _compact(len(y), blocks)
    if count < 2:
        return None
    first, second = metric.prepare(y, champion), metric.prepare(y, challenger)
    differences = [second(w) - first(w) for w in _weights(count, blocks, resamples, seed)]
    return _bounds([metric.sign * difference for difference in differences], confidence, count)


def difference_interval(
    first: float, first_bounds: Bounds, second: float, second_bounds: Bounds, stretch: float = 1
) -> Bounds:
    """An interval for `second - first` of two independent estimates from their own intervals.

    The distances from the estimates to the interval's ends add in quadrature.
    Source: Newcombe (1998), method 10; Zou and Donner (2008), "MOVER".

    Args:
        first: an estimate, in any unit.
        first_bounds: its interval.
        second: another estimate.
        second_bounds: its interval, of the same level.
        stretch: widens both, for another level; see `stretch_to`.

    >>> low, high = difference_interval(0.7, (0.67, 0.73), 0.8, (0.76, 0.84))
    >>> round(low, 3), round(high, 3)
    (0.05, 0.15)
    """
    difference = second - first
    below = np.hypot(second - second_bounds[0], first_bounds[1] - first)
    above = np.hypot(second_bounds[1] - second, first - first_bounds[0])
    return difference - stretch * float(below), difference + stretch * float(above)


def stretch_to(confidence: float, comparisons: int) -> float:
    """How much wider an interval must be so that all of several hold together (Bonferroni).

    The tails are taken as normal: a few hundred resamples cannot show them.

    >>> stretch_to(0.95, 1), round(stretch_to(0.95, 20), 2)
    (1.0, 1.54)
    """
    tail = (1 - confidence) / 2
    normal = NormalDist()
    return normal.inv_cdf(1 - tail / max(comparisons, 1)) / normal.inv_cdf(1 - tail)


def stretched(value: float, bounds: Bounds, stretch: float) -> Bounds:
    """An interval about a value, made wider on both sides.

    >>> stretched(0.5, (0.25, 0.625), 2)
    (0.0, 0.75)
    """
    return value - stretch * (value - bounds[0]), value + stretch * (bounds[1] - value)


def count_blocks(blocks: Array) -> int:
    """How many different blocks these rows (n,) are of."""
    return len(np.unique(blocks))


def why_none(blocks: Array, labels: str = "their labels") -> str:
    """Why there is no interval for these rows (n,), as the end of a sentence."""
    return "all are of one time" if count_blocks(blocks) < 2 else f"{labels} do not vary"


def _compact(rows: int, blocks: Array | None) -> tuple[int, Array]:
    """How many blocks have rows, and each row's, (n,), without gaps between the codes."""
    if blocks is None:
        return rows, np.arange(rows)
    found, codes = np.unique(blocks, return_inverse=True)
    return len(found), codes


def _weights(count: int, blocks: Array, resamples: int, seed: int) -> Iterator[Array]:
    """For each resample, how often it holds each row: its block's multinomial count, (n,)."""
    random = np.random.default_rng(seed)
    for _ in range(resamples):
        drawn = random.integers(0, count, count, dtype=np.int32)
        yield np.bincount(drawn, minlength=count)[blocks]


def _bounds(values: list[float], confidence: float, blocks: int) -> Bounds | None:
    usable = np.array([value for value in values if np.isfinite(value)])
    if len(usable) < _USABLE_SHARE * len(values):
        return None
    low, high = np.quantile(usable, [tail := _tail(confidence, blocks), 1 - tail])
    return float(low), float(high)


def _tail(confidence: float, blocks: int) -> float:
    """The share of resamples beyond each end (Hesterberg, 2015).

    It makes up for the plain percentiles' spread, too small by sqrt((blocks - 1) / blocks), and for
    tails that are normal where Student's are due.
    """
    quantile = float(stdtrit(blocks - 1, (1 - confidence) / 2))
    return NormalDist().cdf(np.sqrt(blocks / (blocks - 1)) * quantile)
