"""Confidence intervals by the bootstrap, and for differences.

Percentile intervals over resamples of the rows (Efron and Tibshirani, An Introduction to the
Bootstrap, 1993, chapter 13). All are seeded: equal inputs give equal intervals.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist

import numpy as np

from components.core.errors import ModelError
from components.model.metrics import Metric
from components.model.records import Bounds
from components.model.score import Array, Predictions

# An interval from fewer usable resamples than this share says more about the gaps than the metric.
_USABLE_SHARE = 0.5


def interval(
    metric: Metric,
    y: Array,
    predictions: Predictions,
    resamples: int,
    confidence: float,
    seed: int = 0,
) -> Bounds | None:
    """A confidence interval for the metric on these rows.

    Args:
        metric: the metric.
        y: (n,) class codes, or numbers for regression.
        predictions: the answers for the same rows.
        resamples: how many.
        confidence: the interval's level, such as 0.95.
        seed: equal seeds draw equal resamples of equally many rows.

    Returns:
        Lower and upper end in the metric's unit; None where the metric is hardly ever defined.

    >>> from components.model.metrics import metric_named
    >>> y = np.arange(100.0)
    >>> low, high = interval(metric_named("mae"), y, Predictions(y + y % 2), 200, 0.95)
    >>> low < 0.5 < high
    True
    """
    if len(y) == 0:
        return None
    scorer = metric.prepare(y, predictions)
    return _bounds([scorer(weights) for weights in _weights(len(y), resamples, seed)], confidence)


def paired_interval(
    metric: Metric,
    y: Array,
    champion: Predictions,
    challenger: Predictions,
    resamples: int,
    confidence: float,
    seed: int = 0,
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
        seed: equal seeds draw equal resamples of equally many rows.

    Returns:
        Lower and upper end in the metric's unit, above zero where the challenger is better,
        whatever the metric's direction; None where the metric is hardly ever defined.

    Raises:
        ModelError: when both are the very same answers: a model is not compared with itself.
    """
    if champion is challenger:
        raise ModelError("a model is compared with itself; pass the answers of two models")
    if len(y) == 0:
        return None
    first, second = metric.prepare(y, champion), metric.prepare(y, challenger)
    differences = [second(w) - first(w) for w in _weights(len(y), resamples, seed)]
    return _bounds([metric.sign * difference for difference in differences], confidence)


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


def _weights(n: int, resamples: int, seed: int) -> Iterator[Array]:
    """For each resample, how often it holds each row: multinomial counts, (n,)."""
    random = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(random.integers(0, n, n, dtype=np.int32), minlength=n)


def _bounds(values: list[float], confidence: float) -> Bounds | None:
    usable = np.array([value for value in values if np.isfinite(value)])
    if len(usable) < _USABLE_SHARE * len(values):
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(usable, [tail, 1 - tail])
    return float(low), float(high)
