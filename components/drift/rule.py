"""The drift rule: large enough to matter, and not chance; else no drift, or too few rows to say.

The effect is the population stability index, corrected for what it is without any drift; chance
is a two-sample chi-square test. Categories that the reference never had are held against its
missing mass. An effect threshold alone alarms on small windows, a test alone on large ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtrc

from components.core.verdict import Answer
from components.drift import distances
from components.drift.cells import LEAST_EXPECTED, Cells, category_cells, numeric_cells
from components.drift.columns import CategoryProfile, NumericProfile
from components.drift.distances import Counts

# The chance with which the smallest detectable effect is detected.
POWER = 0.8
# Where more rows than this are in categories too rare to compare, "no drift" would be a guess.
_MOST_LUMPED = 0.5
_TWO_SIDED_95 = 1.96
_ONE_SIDED_99 = 2.33


@dataclass(frozen=True)
class Threshold:
    """The smallest index that matters, and the chance of a false alarm for one column."""

    effect: float
    level: float


@dataclass(frozen=True)
class Evidence:
    """What the rule found for one column.

    `psi` is corrected for its bias and `interval` is its 95 % confidence interval;
    `minimum_effect` is the smallest index that this many rows tell from chance in four cases of
    five; `cells` are those compared. All but the answer are None where there are too few rows to
    compare at all.
    """

    answer: Answer
    psi: float | None = None
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    minimum_effect: float | None = None
    cells: Cells | None = None


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
    return _judge(cells, None, 1.0, 1, threshold)


def judge_categories(
    reference: CategoryProfile,
    current: CategoryProfile,
    threshold: Threshold,
    missing: bool = True,
) -> Evidence:
    """Hold a categorical column against its reference, counted by the same categories."""
    cells = category_cells(reference, current, missing)
    unseen, p_unseen = unseen_excess(reference, current, threshold.level / 2)
    return _judge(cells, unseen, p_unseen, 2, threshold)


def unseen_excess(
    reference: CategoryProfile, current: CategoryProfile, level: float
) -> tuple[Counts | None, float]:
    """The rows in categories that the reference never had, if there are more than it lets expect.

    A sample misses categories; their total mass is about the share of its categories seen once
    (Good, 1953). The p-value is a binomial test against that mass, plus one row, plus 2.33 of its
    standard errors (Esty, 1983): of a mass that is an estimate itself.

    Args:
        reference: the column's reference.
        current: the same column of the window.
        level: the p-value from which on the rows count as an excess.

    Returns:
        The rows expected of the reference and found in the window, (2,), or None where these are
        within chance; and the p-value.
    """
    n, m, unseen = reference.present, current.present, current.unknown
    if not reference.complete or not unseen or not n:
        return None, 1.0
    once = sum(count == 1 for count in reference.counts)
    twice = sum(count == 2 for count in reference.counts)
    highest = (once + 1 + _ONE_SIDED_99 * math.sqrt(once + 1 + 2 * twice)) / n
    p_value = float(bdtrc(unseen - 1, m, min(highest, 1.0)))
    if p_value >= level or unseen <= m * once / n:
        return None, p_value
    return np.array([once, unseen], dtype=np.float64), p_value


def _judge(
    cells: Cells, unseen: Counts | None, p_unseen: float, tests: int, threshold: Threshold
) -> Evidence:
    n, m = cells.sizes
    if min(n, m) < 2 * LEAST_EXPECTED:
        return Evidence("underpowered")
    p_value = distances.chi_square_p(cells.reference, cells.current)
    p_value = min(1.0, tests * min(p_value, p_unseen))
    if unseen is not None:
        cells = _with_unseen(cells, unseen)
    count = len(cells.reference)
    raw = distances.psi(cells.reference, cells.current)
    psi = max(raw - distances.psi_bias(count, n, m), 0.0)
    spread = _TWO_SIDED_95 * distances.psi_deviation(cells.reference, cells.current)
    smallest = distances.minimum_effect(count, n, m, threshold.level / tests, POWER)
    answer: Answer = "no drift"
    if psi >= threshold.effect and p_value < threshold.level:
        answer = "drift"
    elif smallest > threshold.effect or cells.lumped > _MOST_LUMPED:
        answer = "underpowered"
    interval = (max(psi - spread, 0.0), psi + spread)
    return Evidence(answer, psi, interval, p_value, smallest, cells)


def _with_unseen(cells: Cells, unseen: Counts) -> Cells:
    """The unseen categories' rows as a cell beside the rare ones, for the effect alone.

    The last cell keeps as many of them as the reference lets expect.
    """
    n, m = cells.sizes
    current = np.append(cells.current, unseen[1])
    current[-2] = max(current[-2] - (unseen[1] - unseen[0] * m / n), 0.0)
    return Cells(np.append(cells.reference, unseen[0]), current, cells.lumped)
