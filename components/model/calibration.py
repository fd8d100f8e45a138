"""What the champion's answers turned out to mean on the holdout, as a small table."""

from __future__ import annotations

import numpy as np

from components.model.records import Calibration, Knots
from components.model.score import Array, Predictions

# Where the scores are cut: finer at the ends, where a shift of the features leads to.
_CUTS = np.array([0.005, 0.01, 0.02, 0.05, *np.arange(0.1, 0.95, 0.05), 0.95, 0.98, 0.99, 0.995])
_LEAST_ROWS = 20
_GROUPS, _RESIDUALS = 10, 50
_DIGITS = 8
MAX_CLASSES = 50
"""Of a classifier with more classes nothing is learned: a holdout has too few rows of each."""


def calibrate(y: Array, answers: Predictions, *, regression: bool) -> Calibration | None:
    """Learn what the answers mean from rows that the model was not fitted on.

    Classification: for each class the share of its rows among those with like probabilities,
    never falling (isotonic regression: Zadrozny and Elkan, Transforming Classifier Scores into
    Accurate Multiclass Probability Estimates, 2002). Regression: the residuals of rows with like
    answers, fifty for each tenth of them.

    Args:
        y: (n,) class codes, or numbers for regression.
        answers: the answers, in codes.
        regression: whether the task is regression.

    Returns:
        The table; None for classifiers without probabilities, or with more than 50 classes.

    >>> random = np.random.default_rng(0)
    >>> said = random.random(5000)
    >>> y = (random.random(5000) < said**2).astype(int)
    >>> known = calibrate(y, Predictions(y, np.column_stack([1 - said, said])), regression=False)
    >>> calibrated(known, np.array([[0.5, 0.5]])).round(1).tolist()
    [[0.7, 0.3]]
    """
    if regression:
        return _residuals(y, answers.prediction)
    probability = answers.probability
    if probability is None or probability.shape[1] > MAX_CLASSES or not len(y):
        return None
    classes = [1] if probability.shape[1] == 2 else range(probability.shape[1])
    return Calibration(knots=[_knots(probability[:, code], y == code) for code in classes])


def calibrated(calibration: Calibration, probability: Array) -> Array:
    """Probabilities (n, k) as the holdout says they are to be read.

    Args:
        calibration: the table of a classifier.
        probability: (n, k) as the model states them, all finite.
    """
    columns = [
        np.interp(probability[:, code], knots.scores, knots.shares)
        for code, knots in enumerate(calibration.knots, start=probability.shape[1] == 2)
    ]
    if probability.shape[1] == 2:
        return np.column_stack([1 - columns[0], columns[0]])
    table = np.column_stack(columns)
    total = table.sum(axis=1, keepdims=True)
    return np.asarray(np.where(total > 0, table / np.where(total > 0, total, 1), probability))


def extrapolated(calibration: Calibration, probability: Array) -> float:
    """The share of the rows with a probability beyond those that the holdout had.

    >>> known = Calibration(knots=[Knots(scores=[0.2, 0.8], shares=[0.1, 0.9])])
    >>> extrapolated(known, np.array([[0.5, 0.5], [0.01, 0.99]]))
    0.5
    """
    beyond = np.zeros(len(probability), dtype=bool)
    for code, knots in enumerate(calibration.knots, start=probability.shape[1] == 2):
        low, high = min(knots.scores), max(knots.scores)
        beyond |= (probability[:, code] < low) | (probability[:, code] > high)
    return float(beyond.mean()) if beyond.size else 0.0


def groups_of(calibration: Calibration, prediction: Array) -> Array:
    """Which tenth (n,) of the holdout's answers each of a regressor's answers is like."""
    return np.searchsorted(np.array(calibration.edges), prediction, side="right")


def _knots(scores: Array, hit: Array) -> Knots:
    from sklearn.isotonic import isotonic_regression

    order = np.argsort(scores, kind="stable")
    scores, hit = scores[order], hit[order].astype(np.float64)
    places = np.unique((_CUTS * len(scores)).astype(int))
    # Rows of one score stay together, and no group is too small to show a share.
    starts = [0]
    for place in np.searchsorted(scores, scores[places], side="left").tolist():
        if place - starts[-1] >= _LEAST_ROWS and len(scores) - place >= _LEAST_ROWS:
            starts.append(place)
    rows = np.diff([*starts, len(scores)])
    means = np.add.reduceat(scores, starts) / rows
    shares = np.add.reduceat(hit, starts) / rows
    fitted = isotonic_regression(shares, sample_weight=rows, y_min=0, y_max=1)
    return Knots(
        scores=[round(float(value), _DIGITS) for value in means],
        shares=[round(float(value), _DIGITS) for value in fitted],
    )


def _residuals(y: Array, prediction: Array) -> Calibration | None:
    if not len(y):
        return None
    edges = np.unique(np.quantile(prediction, np.linspace(0, 1, _GROUPS + 1)[1:-1]))
    groups = np.searchsorted(edges, prediction, side="right")
    # A constant answer lies on its only edge: the group below it is empty.
    edges = edges[np.isin(np.arange(len(edges)), groups)]
    groups = np.searchsorted(edges, prediction, side="right")
    return Calibration(
        edges=edges.tolist(),
        residuals=[_fifty((y - prediction)[groups == group]) for group in range(len(edges) + 1)],
    )


def _fifty(residuals: Array) -> list[float]:
    """Fifty residuals for many: the means of equal parts, with the mean square of all."""
    ordered = np.sort(residuals)
    if len(ordered) <= _RESIDUALS:
        return [float(value) for value in ordered]
    parts = np.array([part.mean() for part in np.array_split(ordered, _RESIDUALS)])
    size = float(np.sqrt(np.mean(ordered**2) / np.mean(parts**2))) if parts.any() else 1.0
    return [float(f"{value:.{_DIGITS}g}") for value in parts * size]
