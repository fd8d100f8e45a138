"""Distances between two samples that were counted in the same cells, and their chance.

All take counts as (k,) arrays, `reference` first; `n` and `m` are the two samples' sizes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# scipy.special alone: scipy.stats takes most of a second to import.
from scipy.special import chdtrc, chdtri, chndtrinc

Counts = NDArray[np.float64]


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


def minimum_effect(cells: int, n: float, m: float, level: float, power: float) -> float:
    """The smallest index that the chi-square test finds with a given power.

    The statistic is close to the index over (1/n + 1/m), and follows a noncentral chi-square
    around the true one (Cohen, 1988, chapter 7).

    Args:
        cells: how many cells are compared.
        n: rows of the reference.
        m: rows of the current sample.
        level: the test's chance of a false alarm.
        power: the chance to find it.

    >>> round(minimum_effect(11, 1000, 1000, level=0.0005, power=0.8), 3)
    0.064
    """
    freedom = max(cells - 1, 1)
    critical = chdtri(freedom, level)
    return float(chndtrinc(critical, freedom, 1 - power)) * (1 / n + 1 / m)


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


def wasserstein(
    reference: Counts, current: Counts, edges: NDArray[np.float64], discrete: bool
) -> float:
    """The area between the two distribution functions, in the column's unit.

    Args:
        reference: (k + 1,) counts.
        current: (k + 1,) counts.
        edges: (k,) upper ends of all cells but the last.
        discrete: whether all values lie on the edges; else they spread evenly over their cells.

    >>> edges = np.array([0.0, 1.0, 2.0])
    >>> wasserstein(np.array([0, 9.0, 0, 0]), np.array([0, 0, 9.0, 0]), edges, discrete=True)
    1.0
    """
    gap = (_distribution(reference) - _distribution(current))[:-1]
    width = np.diff(edges)
    if discrete:
        return float(np.sum(np.abs(gap[:-1]) * width))
    left, right = gap[:-1], gap[1:]
    same = left * right >= 0
    size = np.abs(left) + np.abs(right)
    # Where the difference changes its sign within a cell there are two triangles.
    with np.errstate(invalid="ignore", divide="ignore"):
        area = np.where(same, size / 2, (left**2 + right**2) / (2 * size))
    return float(np.sum(area * width))


def _smoothed(counts: Counts) -> Counts:
    shares: Counts = (counts + 0.5) / (counts.sum() + 0.5 * len(counts))
    return shares


def _distribution(counts: Counts) -> Counts:
    return np.cumsum(counts / counts.sum())
