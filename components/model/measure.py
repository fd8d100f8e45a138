"""What training measures on the holdout besides the metric itself."""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.model.bootstrap import interval
from components.model.metrics import Metric, metric_named
from components.model.records import RocCurve, SliceScore
from components.model.rows import Slice
from components.model.score import (
    Array,
    FittedModel,
    Predictions,
    common_classes,
    in_codes,
    target_of,
)
from components.spec.model import Gate, Spec

_MAX_ROC_POINTS = 200
_MAX_CONFUSION = 50
_IMPORTANCE_ROWS = 2000
_SHUFFLES = 3


def slice_scores(
    metric: Metric,
    y: Array,
    predictions: Predictions,
    slices: list[Slice],
    gate: Gate,
    seed: int,
    blocks: Array,
) -> list[SliceScore]:
    """The metric on each slice with its interval; nothing but the row count where too small.

    Args:
        metric: the metric.
        y: (n,) class codes or numbers.
        predictions: the answers, in codes.
        slices: positions among the n rows.
        gate: says how many rows a slice needs, how many resamples, and the confidence.
        seed: of the resamples.
        blocks: (n,) each row's block of time.
    """
    scores = []
    for part in slices:
        rows = len(part.positions)
        score, bounds = None, None
        if rows >= gate.min_slice_rows:
            own, answers = y[part.positions], predictions.rows(part.positions)
            value = metric.score(own, answers)
            bounds = interval(
                metric,
                own,
                answers,
                gate.resamples,
                gate.confidence,
                seed,
                blocks[part.positions],
            )
            score = value if np.isfinite(value) and bounds else None
        scores.append(
            SliceScore(
                column=part.column,
                value=part.value,
                rows=rows,
                score=score,
                interval=bounds if score is not None else None,
            )
        )
    return scores


def confusion_matrix(y: Array, predictions: Predictions, classes: int) -> list[list[int]] | None:
    """Counts by true class (rows) and predicted class (columns); None beyond 50 classes.

    >>> confusion_matrix(np.array([0, 1, 1]), Predictions(np.array([0, 1, 0])), 2)
    [[1, 0], [1, 1]]
    """
    if not 0 < classes <= _MAX_CONFUSION:
        return None
    counts = np.bincount(y * classes + predictions.prediction, minlength=classes * classes)
    matrix: list[list[int]] = counts.reshape(classes, classes).tolist()
    return matrix


def roc_curve(y: Array, predictions: Predictions) -> RocCurve | None:
    """The ROC curve of a binary answer, from (0, 0) to (1, 1), at most 200 finite points.

    None where there are no probabilities, or only one class.

    >>> answers = Predictions(np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]]))
    >>> curve = roc_curve(np.array([0, 1]), answers)
    >>> curve.fpr, curve.tpr, curve.thresholds
    ([0.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 0.8, 0.1])
    """
    positives = int(np.sum(y == 1))
    if predictions.probability is None or positives in (0, len(y)):
        return None
    scores = predictions.probability[:, -1]
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    if len(ends) > _MAX_ROC_POINTS - 1:
        ends = ends[np.linspace(0, len(ends) - 1, _MAX_ROC_POINTS - 1).round().astype(int)]
    found = np.cumsum(y[order] == 1)[ends]
    # No row scores as much as this, and it is finite, unlike scikit-learn's first threshold.
    above = max(1.0, float(np.nextafter(scores.max(), np.inf)))
    return RocCurve(
        fpr=[0.0, *((ends + 1 - found) / (len(y) - positives)).tolist()],
        tpr=[0.0, *(found / positives).tolist()],
        thresholds=[above, *scores[order][ends].tolist()],
    )


def importances(
    spec: Spec, model: FittedModel, features: pd.DataFrame, labels: Array
) -> dict[str, float]:
    """How much the metric loses when one feature is shuffled, in shares of the sum of losses.

    Source: Breiman (2001), Random Forests. Three shuffles a feature on at most 2,000 rows: enough
    to rank findings, not to explain a model.

    Args:
        spec: says the metric and the seed.
        model: the model.
        features: (n, features) of rows that the model was not fitted on.
        labels: (n,) their labels.
    """
    random = np.random.default_rng(spec.training.seed)
    if len(features) > _IMPORTANCE_ROWS:
        chosen = np.sort(random.choice(len(features), _IMPORTANCE_ROWS, replace=False))
        features, labels = features.iloc[chosen], labels[chosen]
    metric = metric_named(spec.metric)
    whole = _score(metric, model, features, labels)
    losses = {}
    for name in spec.columns.features:
        values = features[name].to_numpy()
        shuffled = [
            _score(metric, model, features.assign(**{name: random.permutation(values)}), labels)
            for _ in range(_SHUFFLES)
        ]
        loss = metric.sign * (whole - float(np.mean(shuffled)))
        losses[name] = max(loss, 0.0) if np.isfinite(loss) else 0.0
    total = sum(losses.values())
    return {name: loss / total if total else 0.0 for name, loss in losses.items()}


def _score(metric: Metric, model: FittedModel, features: pd.DataFrame, labels: Array) -> float:
    answers = model.predict(features)
    classes = common_classes(labels, model)
    return metric.score(target_of(labels, classes), in_codes(answers, model.classes, classes))
