"""Distances between two samples that were counted in the same cells, and their chance.

All take counts as (k,) arrays, `reference` first; `n` and `m` are the two samples' sizes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# scipy.special alone: scipy.stats takes most of a second to import.
from scipy.special import chdtrc, chdtri, chndtr, chndtrinc, gammainc, gammaincc, ndtr, ndtri

Counts = NDArray[np.float64]

# Below this a distribution is as good as symmetric, and its gamma form loses its digits.
_LEAST_SKEW = 1e-4
_TWO_SIDED_95 = 1.96
# From here on a chi-square variable is as good as normal.
_LARGE_STATISTIC = 1e4


def psi(reference: Counts, current: Counts) -> float:
    """The population stability index, sum of (q - p) ln(q / p), in nats; 0 for equal shares.

    The symmetric divergence of Jeffreys (1946). Half a row is added to every cell, so that an
    empty one does not make it infinite.

    >>> round(psi(np.array([500.0, 500.0]), np.array([600.0, 400.0])), 3)
    0.04
    """
    p, q = _smoothed(reference), _smoothed(current)
    return float(np.sum((q - p) * np.log(q / p)))


def psi_bias(cells: int, n: float, m: float) -> float:
    """What the index is on average when nothing drifted: (k - 1)(1/n + 1/m) (Yurdakul, 2018).

    >>> psi_bias(11, 5000, 5000)
    0.004
    """
    return max(cells - 1, 0) * (1 / n + 1 / m)


def psi_deviation(reference: Counts, current: Counts) -> float:
    """The standard error of the index.

    The delta method over two multinomial samples, plus the spread that remains where nothing
    drifted: there the index is (1/n + 1/m) times a chi-square with k - 1 degrees of freedom.
    """
    p, q = _smoothed(reference), _smoothed(current)
    n, m = float(reference.sum()), float(current.sum())
    ratio = np.log(q / p)
    variance = 0.0
    for share, slope, size in ((q, ratio + 1 - p / q, m), (p, -ratio + 1 - q / p, n)):
        variance += float(np.sum(share * slope**2) - np.sum(share * slope) ** 2) / size
    noise = 2 * max(len(p) - 1, 0) * (1 / n + 1 / m) ** 2
    return math.sqrt(max(variance, 0.0) + noise)


def psi_interval(reference: Counts, current: Counts) -> tuple[float, float]:
    """The 95 % confidence interval of the index.

    The index over (1/n + 1/m) follows a noncentral chi-square distribution with k - 1 degrees of
    freedom, whose noncentrality is the true index over the same; where the delta method's
    standard error is larger than that distribution's, the interval is wider by the same factor.

    >>> low, high = psi_interval(np.array([500.0, 500.0]), np.array([600.0, 400.0]))
    >>> round(low, 3), round(high, 3)
    (0.013, 0.083)
    """
    n, m = float(reference.sum()), float(current.sum())
    cells, unit = len(reference), 1 / n + 1 / m
    raw = psi(reference, current)
    centre = max(raw - psi_bias(cells, n, m), 0.0)
    noise = 2 * max(cells - 1, 0) * unit**2
    local = 4 * raw * unit
    delta = max(psi_deviation(reference, current) ** 2 - noise, 0.0)
    wider = math.sqrt(max(delta / local, 1.0)) if local else 1.0
    if raw / unit > _LARGE_STATISTIC:
        half = _TWO_SIDED_95 * wider * math.sqrt(local)
        return max(centre - half, 0.0), centre + half
    low, high = (_noncentrality(raw / unit, max(cells - 1, 1), at) * unit for at in (0.975, 0.025))
    low, high = min(low, centre), max(high, centre, unit)
    return max(centre - wider * (centre - low), 0.0), centre + wider * (high - centre)


def chi_square_p(reference: Counts, current: Counts) -> float:
    """The p-value of the two-sample chi-square test that both have the same shares.

    Both samples are random here; a test that takes the reference for the truth alarms too often
    (Pearson, 1911). Cells that are empty on both sides do not count.

    >>> round(chi_square_p(np.array([50.0, 50.0]), np.array([40.0, 60.0])), 4)
    0.1552
    """
    both = reference + current
    used = both > 0
    cells = int(used.sum())
    if cells < 2:
        return 1.0
    n, m = reference.sum(), current.sum()
    difference = math.sqrt(m / n) * reference[used] - math.sqrt(n / m) * current[used]
    return float(chdtrc(cells - 1, np.sum(difference**2 / both[used])))


def score_p(reference: Counts, current: Counts, scores: Counts) -> float:
    """The two-sided p-value of the permutation test that both have the same mean score.

    The mean, the spread and the skew over all ways to deal the rows to the two samples are exact
    (Fisher's finite-population moments); between these the distribution is Pearson's type III,
    as Mielke and Berry (2007) fit it. A normal one is far too short where one sample is small.

    Args:
        reference: (k,) counts.
        current: (k,) counts.
        scores: (k,) the score of a row in each cell.

    >>> higher = score_p(np.array([50.0, 50.0]), np.array([40.0, 60.0]), np.array([0.0, 1.0]))
    >>> round(higher, 2)
    0.16
    """
    both = reference + current
    n, m, rows = float(reference.sum()), float(current.sum()), float(both.sum())
    if min(n, m) < 1 or rows < 3:
        return 1.0
    apart = scores - float(both @ scores) / rows
    spread = float(both @ apart**2)
    if spread <= 0:
        return 1.0
    deviation = math.sqrt(n * m / (rows * (rows - 1)) * spread)
    third = n * m * (n - m) / (rows * (rows - 1) * (rows - 2)) * float(both @ apart**3)
    return _pearson_tails(float(current @ apart) / deviation, third / deviation**3)


def rank_scores(reference: Counts, current: Counts) -> Counts:
    """The normal score of each cell: the quantile at its middle rank in both samples together.

    Higher values show in their mean (van der Waerden, 1952), a wider spread in that of their
    squares (Klotz, 1962), heavier tails in that of their fourth powers. The cells must be in the
    order of their values.

    >>> rank_scores(np.array([5.0, 0.0, 5.0]), np.array([5.0, 10.0, 5.0])).round(2)
    array([-0.97,  0.  ,  0.97])
    """
    both = reference + current
    middle = (np.cumsum(both) - both / 2) / both.sum()
    return np.asarray(ndtri(middle.clip(1e-12, 1 - 1e-12)), dtype=np.float64)


def minimum_effect(cells: int, n: float, m: float, level: float, power: float) -> float:
    """The smallest index that the chi-square test finds with a given power.

    The statistic is close to the index over (1/n + 1/m), and follows a noncentral chi-square
    around the true one (Cohen, 1988, chapter 7). It is smaller by about a quarter of the index
    where the logarithms of the cells' ratios are normal, in the series of atanh.

    Args:
        cells: how many cells are compared.
        n: rows of the reference.
        m: rows of the current sample.
        level: the test's chance of a false alarm.
        power: the chance to find it.

    >>> round(minimum_effect(11, 1000, 1000, level=0.0005, power=0.8), 3)
    0.065
    """
    freedom = max(cells - 1, 1)
    critical = chdtri(freedom, level)
    found = float(chndtrinc(critical, freedom, 1 - power)) * (1 / n + 1 / m)
    return found * (1 + found / 4)


def jensen_shannon(reference: Counts, current: Counts) -> float:
    """The Jensen-Shannon distance, base 2, between 0 and 1 (Lin, 1991).

    >>> jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    1.0
    """
    p, q = reference / reference.sum(), current / current.sum()
    middle = (p + q) / 2
    total = 0.0
    for share in (p, q):
        used = share > 0
        total += float(np.sum(share[used] * np.log2(share[used] / middle[used]))) / 2
    return math.sqrt(max(total, 0.0))


def kolmogorov_smirnov(reference: Counts, current: Counts) -> float:
    """The largest difference of the two distribution functions, seen at the cells' edges.

    >>> kolmogorov_smirnov(np.array([5.0, 5.0]), np.array([0.0, 10.0]))
    0.5
    """
    return float(np.max(np.abs(_distribution(reference) - _distribution(current))))


def _smoothed(counts: Counts) -> Counts:
    shares: Counts = (counts + 0.5) / (counts.sum() + 0.5 * len(counts))
    return shares


def _noncentrality(statistic: float, freedom: int, share: float) -> float:
    """The noncentrality with which so large a share of chi-square variables is smaller."""
    if float(chndtr(statistic, freedom, 0.0)) <= share:
        return 0.0
    return float(chndtrinc(statistic, freedom, share))


def _pearson_tails(z: float, skew: float) -> float:
    """Twice the smaller tail of Pearson's type III distribution, standardized, at z."""
    if skew < 0:
        z, skew = -z, -skew
    if skew < _LEAST_SKEW:
        return float(2 * ndtr(-abs(z)))
    shape = 4 / skew**2
    at = max(shape + z * math.sqrt(shape), 0.0)
    return float(min(2 * min(gammaincc(shape, at), gammainc(shape, at)), 1.0))


def _distribution(counts: Counts) -> Counts:
    return np.cumsum(counts / counts.sum())
