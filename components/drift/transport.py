"""How far a window's values lie from the reference's, as the distance between distributions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.drift.columns import EXCESS_UNIT, NumericProfile


def wasserstein(reference: NumericProfile, current: NumericProfile) -> float | None:
    """The Wasserstein distance of the finite values, in standard deviations of the reference.

    The area between the two distribution functions (Vallender, 1974, "Calculation of the
    Wasserstein distance between probability distributions on the line"). Within a cell of the
    reference's range the values count as spread evenly; beyond the range the area is the mean
    excess, which profiles hold exactly up to 2**40 units, or 16.8 million standard deviations:
    values farther away count as lying that far.

    Args:
        reference: the column's reference.
        current: the same column, counted in the same cells.

    Returns:
        The distance; None where a side has no finite value or the reference but one.

    >>> from components.drift.profile import profile_arrays
    >>> import pyarrow as pa
    >>> before = profile_arrays({"x": pa.array([0.0, 2.0])})
    >>> after = profile_arrays({"x": pa.array([4.0, 6.0])}, before)
    >>> wasserstein(before.columns["x"], after.columns["x"])
    4.0
    """
    if not (reference.finite and current.finite and reference.span and reference.spread):
        return None
    edges = np.array(reference.edges)
    before, after = _distribution(reference), _distribution(current)
    if current.minimum == current.maximum:  # a value that stands still is known to the last digit
        place = np.array([current.minimum, current.minimum])
        order = np.argsort(np.append(edges, place), kind="stable")
        before = np.append(before, np.interp(place, edges, before))[order]
        edges = np.append(edges, place)[order]
        after = np.where(edges < place[0], 0.0, 1.0)
        after[np.searchsorted(edges, place[0])] = 0.0
    low, high = reference.span
    inside = (edges >= low) & (edges <= high)
    # Halves, where a difference could be too large for a double; else small ones would be rounded.
    part = 2.0 if high - low == np.inf else 1.0
    width = np.diff(edges[inside] / part) / reference.spread * part
    area = _area((before - after)[inside], width)
    for ours, theirs in zip(reference.excess, current.excess, strict=True):
        area += abs(ours / reference.finite - theirs / current.finite) * EXCESS_UNIT
    return area


def _distribution(profile: NumericProfile) -> NDArray[np.float64]:
    """The share of the finite values up to each edge, (k,)."""
    below = np.cumsum(np.array(profile.counts[:-1], dtype=np.float64))
    return np.asarray((below - profile.negative_infinite) / profile.finite)


def _area(gap: NDArray[np.float64], width: NDArray[np.float64]) -> float:
    """The area under the absolute value of a broken line."""
    left, right = np.abs(gap[:-1]), np.abs(gap[1:])
    crossed = gap[:-1] * gap[1:] < 0  # then there are two triangles
    size = np.where(crossed, left + right, 1.0)
    parts = np.where(crossed, (left**2 + right**2) / (2 * size), (left + right) / 2)
    return float(np.sum(parts * width))
