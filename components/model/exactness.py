"""How far one set of answers is from another, row by row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.model.score import Array, Predictions


@dataclass(frozen=True)
class Differences:
    """What stands between two sets of answers to the same rows.

    `by_row` (n,) is each row's largest difference of a probability, or that of a regression's value
    by its share where the value is above 1; infinite where only one of the two is a number, and
    where the classes differ although their probabilities are further apart than the limit.
    """

    by_row: Array
    limit: float

    @property
    def largest(self) -> float:
        """The largest difference; 0 where there are no rows."""
        return float(self.by_row.max(initial=0.0))

    @property
    def worst(self) -> int | None:
        """The position of the row that is furthest beyond the limit; None where none is."""
        if self.largest <= self.limit:
            return None
        return int(np.argmax(self.by_row))


def differences(expected: Predictions, got: Predictions, limit: float) -> Differences:
    """Compare answers.

    Args:
        expected: the answers that count.
        got: answers to the same rows, of the same model.
        limit: the largest difference that is none.

    >>> expected = Predictions(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5]]))
    >>> got = Predictions(np.array([0, 1, 0]), np.array([[0.9, 0.1], [0.3, 0.7], [0.5, 0.5]]))
    >>> found = differences(expected, got, limit=0.01)
    >>> found.by_row.round(3).tolist(), found.worst
    ([0.0, 0.1, 0.0], 1)
    """
    if expected.probability is not None and got.probability is not None:
        found = _apart(expected.probability, got.probability).max(axis=1)
        number = np.isfinite(expected.probability).all(axis=1)  # no class is asked for without
        return Differences(np.where(number & _torn(expected, got, limit), np.inf, found), limit)
    if expected.prediction.dtype.kind == "f":
        known = np.where(np.isfinite(expected.prediction), expected.prediction, 1.0)
        size = np.maximum(1.0, np.abs(known))
        return Differences(_apart(expected.prediction, got.prediction) / size, limit)
    return Differences(np.where(expected.prediction == got.prediction, 0.0, np.inf), limit)


def _apart(expected: Array, got: Array) -> Array:
    """Absolute differences; none where neither is a number, infinite where only one is."""
    numbers, others = np.isfinite(expected), np.isfinite(got)
    with np.errstate(invalid="ignore"):
        apart = np.abs(expected - got)
    return np.where(numbers & others, apart, np.where(numbers == others, 0.0, np.inf))


def _torn(expected: Predictions, got: Predictions, limit: float) -> Array:
    """The rows (n,) with another class, although it was not as good as equally probable."""
    torn = np.asarray(expected.prediction != got.prediction)
    if expected.probability is None or got.probability is None or not torn.any():
        return torn
    rows = np.arange(len(torn))
    mine = expected.probability[rows, expected.probability.argmax(axis=1)]
    theirs = expected.probability[rows, got.probability.argmax(axis=1)]
    return np.asarray(torn & ~(np.abs(mine - theirs) <= limit))
