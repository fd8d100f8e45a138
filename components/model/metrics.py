"""The metrics by name, each written for weighted rows.

A bootstrap resample of n rows is the same n rows with whole-number weights (Efron, 1979). So each
metric prepares once what does not depend on the weights, sorting above all, and then answers for
any weights in time linear in n. Classification works on class codes: `y` (n,) holds 0 to k-1, and
`Predictions` are those of `components.model.score.in_codes`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from components.core.errors import ModelError
from components.model.score import Array, Predictions
from components.spec.model import Task

# Weights (n,) to the metric's value; NaN where it is not defined on those rows.
Scorer = Callable[[Array], float]


@dataclass(frozen=True)
class Metric:
    """A metric: its direction, its needs, and how it is prepared for a set of rows."""

    name: str
    greater_is_better: bool
    needs_probability: bool
    prepare: Callable[[Array, Predictions], Scorer]

    @property
    def sign(self) -> int:
        """+1 where greater is better, -1 for an error."""
        return 1 if self.greater_is_better else -1

    @property
    def range(self) -> tuple[float, float]:
        """The smallest and the largest value that it can have."""
        if self.name == "r2":
            return -np.inf, 1.0
        return 0.0, np.inf if self.name in ("log_loss", "mae", "rmse") else 1.0

    def score(self, y: Array, predictions: Predictions) -> float:
        """The metric on these rows; NaN where it is not defined on them.

        Args:
            y: (n,) class codes, or numbers for regression.
            predictions: the answers for the same rows.
        """
        return self.prepare(y, predictions)(np.ones(len(y), dtype=np.int64)) if len(y) else np.nan


def metric_named(name: str) -> Metric:
    """The metric of that name.

    Raises:
        ModelError: when there is none.

    >>> metric_named("rmse").greater_is_better
    False
    """
    try:
        return METRICS[name]
    except KeyError:
        raise ModelError(f"metric: there is no {name!r}; choose of {', '.join(METRICS)}") from None


def check_probability(metric: Metric, predictions: Predictions, estimator: str) -> None:
    """Refuse an estimator that cannot be judged by the metric.

    Raises:
        ModelError: when the metric needs probabilities and there are none.
    """
    if metric.needs_probability and predictions.probability is None:
        raise ModelError(
            f"metric: {metric.name} needs probabilities, and {estimator} estimates none; choose an "
            "estimator with predict_proba (loss: log_loss for SGDClassifier), or metric accuracy"
        )


def all_scores(task: Task, y: Array, predictions: Predictions) -> dict[str, float]:
    """Every metric that fits the task and the answers, where it is defined.

    >>> answers = Predictions(np.array([1.0, 2.0]))
    >>> all_scores("regression", np.array([1.0, 4.0]), answers)["mae"]
    1.0
    """
    scores = {
        name: METRICS[name].score(y, predictions)
        for name in _BY_TASK[task]
        if predictions.probability is not None or not METRICS[name].needs_probability
    }
    return {name: value for name, value in scores.items() if np.isfinite(value)}


def _roc_auc(y: Array, predictions: Predictions) -> Scorer:
    """Binary: that of the last class. Otherwise one class against the rest, averaged plainly."""
    probability = _probability(predictions)
    if probability.shape[1] <= 2:
        return _area(y == 1, probability[:, -1])
    areas = [_area(y == code, probability[:, code]) for code in np.unique(y[y >= 0])]

    def score(weights: Array) -> float:
        values = [value for area in areas if np.isfinite(value := area(weights))]
        return float(np.mean(values)) if values else np.nan

    return score


def _area(positive: Array, scores: Array) -> Scorer:
    """The share of pairs, one positive and one negative row, in the right order; ties count half.

    Source: Hanley and McNeil (1982): the area under the ROC curve is the Mann-Whitney statistic.
    """
    up = np.flatnonzero(positive)
    down = np.flatnonzero(~positive)
    # In the order of the scores neighbours in the array are neighbours in memory below.
    up = up[np.argsort(scores[up], kind="stable")]
    down = down[np.argsort(scores[down], kind="stable")]
    below = np.searchsorted(scores[down], scores[up], side="left")
    not_above = np.searchsorted(scores[down], scores[up], side="right")
    tied = bool(np.any(below != not_above))

    def score(weights: Array) -> float:
        ups = weights[up]
        downs = np.concatenate([[0], np.cumsum(weights[down])])
        pairs = ups.sum() * downs[-1]
        if pairs == 0:
            return np.nan
        won = downs[below] + downs[not_above] if tied else 2 * downs[below]
        return float(np.dot(ups, won) / (2 * pairs))

    return score


def _average_precision(y: Array, predictions: Predictions) -> Scorer:
    """The sum over thresholds of precision times the gain in recall, as scikit-learn defines it."""
    scores = _probability(predictions)[:, -1]
    order = np.argsort(-scores, kind="stable")
    positive = (y == 1)[order]
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    # Recall grows only at thresholds that some positive row has: the others add nothing.
    gains = np.diff(np.cumsum(positive)[ends], prepend=0) > 0
    ends = ends[gains]
    up = order[positive]
    last = np.cumsum(positive)[ends] - 1

    def score(weights: Array) -> float:
        if len(up) == 0:
            return np.nan
        found = np.cumsum(weights[up])[last]
        if found[-1] == 0:
            return np.nan
        precision = found / np.maximum(np.cumsum(weights[order])[ends], 1)
        return float(np.dot(np.diff(found, prepend=0), precision) / found[-1])

    return score


def _log_loss(y: Array, predictions: Predictions) -> Scorer:
    """Mean negative log-likelihood; a class given no chance counts as the smallest one above 0."""
    probability = _probability(predictions)
    given = probability[np.arange(len(y)), y]
    return _mean(-np.log(np.clip(given, np.finfo(np.float64).eps, 1)))


def _brier(y: Array, predictions: Predictions) -> Scorer:
    """Mean squared difference of the positive class's probability (Brier, 1950)."""
    return _mean((_probability(predictions)[:, -1] - (y == 1)) ** 2)


def _accuracy(y: Array, predictions: Predictions) -> Scorer:
    return _mean((predictions.prediction == y).astype(np.float64))


def _balanced_accuracy(y: Array, predictions: Predictions) -> Scorer:
    """Mean recall over the classes that occur."""

    def score(confusion: Array) -> float:
        rows = confusion.sum(axis=1)
        return float(np.mean((np.diag(confusion)[rows > 0]) / rows[rows > 0]))

    return _from_confusion(y, predictions, score)


def _f1_macro(y: Array, predictions: Predictions) -> Scorer:
    """Mean over the classes, true or predicted, of the harmonic mean of precision and recall."""

    def score(confusion: Array) -> float:
        hits = 2 * np.diag(confusion)
        total = confusion.sum(axis=0) + confusion.sum(axis=1)
        return float(np.mean(hits[total > 0] / total[total > 0]))

    return _from_confusion(y, predictions, score)


def _from_confusion(
    y: Array, predictions: Predictions, of_confusion: Callable[[Array], float]
) -> Scorer:
    size = int(max(y.max(), predictions.prediction.max())) + 1
    cells = y * size + predictions.prediction

    def score(weights: Array) -> float:
        counts = np.bincount(cells, weights=weights, minlength=size * size)
        return of_confusion(counts.reshape(size, size)) if counts.sum() else np.nan

    return score


def _mae(y: Array, predictions: Predictions) -> Scorer:
    return _mean(np.abs(y - predictions.prediction))


def _rmse(y: Array, predictions: Predictions) -> Scorer:
    mean = _mean((y - predictions.prediction) ** 2)
    return lambda weights: float(np.sqrt(mean(weights)))


def _r2(y: Array, predictions: Predictions) -> Scorer:
    """The share of the variance that is explained; NaN where the target does not vary."""
    centred = y - y.mean()  # keeps the sums of squares small: no digits are lost
    residual = _mean((y - predictions.prediction) ** 2)
    first, second = _mean(centred), _mean(centred**2)

    def score(weights: Array) -> float:
        variance = second(weights) - first(weights) ** 2
        return 1 - residual(weights) / variance if variance > 0 else np.nan

    return score


def _mean(values: Array) -> Scorer:
    def score(weights: Array) -> float:
        total = weights.sum()
        return float(np.dot(weights, values) / total) if total else np.nan

    return score


def _probability(predictions: Predictions) -> Array:
    if predictions.probability is None:
        raise ModelError("metric: this one needs probabilities; choose metric accuracy")
    return predictions.probability


_LIST = [
    Metric("roc_auc", True, True, _roc_auc),
    Metric("average_precision", True, True, _average_precision),
    Metric("log_loss", False, True, _log_loss),
    Metric("brier", False, True, _brier),
    Metric("accuracy", True, False, _accuracy),
    Metric("balanced_accuracy", True, False, _balanced_accuracy),
    Metric("f1_macro", True, False, _f1_macro),
    Metric("mae", False, False, _mae),
    Metric("rmse", False, False, _rmse),
    Metric("r2", True, False, _r2),
]
METRICS = {metric.name: metric for metric in _LIST}
_BY_TASK: dict[Task, tuple[str, ...]] = {
    "binary": (
        "roc_auc",
        "average_precision",
        "log_loss",
        "brier",
        "accuracy",
        "balanced_accuracy",
        "f1_macro",
    ),
    "multiclass": ("log_loss", "accuracy", "balanced_accuracy", "f1_macro", "roc_auc"),
    "regression": ("mae", "rmse", "r2"),
}
