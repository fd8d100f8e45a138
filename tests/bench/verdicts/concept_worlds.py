"""Worlds in which the features shift, or the relation between features and label."""

from __future__ import annotations

import numpy as np

from components.model.bootstrap import interval
from components.model.metrics import metric_named
from components.model.records import TrainingRecord
from components.model.score import Array, Predictions


class Shop:
    """Orders with two features, and a logistic regression fitted on some of them.

    Whether an order is returned follows from a curve that a logistic regression cannot follow, so
    that its probabilities have to be calibrated.
    """

    def __init__(self, seed: int) -> None:
        from sklearn.linear_model import LogisticRegression

        self._random = np.random.default_rng(seed)
        features, y = self._draw(4000, shifted=False, turned=False)
        self._model = LogisticRegression().fit(features, y)

    def rows(
        self, count: int, *, shifted: bool = False, turned: bool = False
    ) -> tuple[Array, Predictions]:
        """Labels (n,) and the model's answers for new orders."""
        features, y = self._draw(count, shifted=shifted, turned=turned)
        probability = self._model.predict_proba(features)
        return y, Predictions(probability.argmax(axis=1), probability)

    def _draw(self, count: int, *, shifted: bool, turned: bool) -> tuple[Array, Array]:
        features = self._random.normal(0.7 if shifted else 0.0, 1.0, (count, 2))
        first, second = features.T
        odds = 1.5 * np.tanh(2 * first) + (-0.8 if turned else 0.8) * second
        y = (self._random.random(count) < 1 / (1 + np.exp(-odds))).astype(np.int64)
        return features, y


def record_of(metric: str, y: Array, answers: Predictions) -> TrainingRecord:
    """What a training run would have recorded of that holdout; the rest is made up."""
    blocks = np.arange(len(y)) // 200
    named = metric_named(metric)
    bounds = interval(named, y, answers, 100, 0.95, 0, blocks)
    return TrainingRecord(
        estimator="sklearn.linear_model.LogisticRegression",
        task="binary",
        classes=[0, 1],
        window="2024-01-01..2024-02-01",
        fit_window="2024-01-01..2024-01-16",
        holdout_window="2024-01-16..2024-02-01",
        rows=2 * len(y),
        fit_rows=len(y),
        holdout_rows=len(y),
        unlabelled_rows=0,
        metric=metric,
        score=named.score(y, answers),
        interval=bounds,
        confidence=0.95,
        metrics={"log_loss": 0.0},
        slices=[],
        baseline=[0.5, 0.5],
        importances={},
        fingerprint="",
        model_sha256="",
        libraries={},
        seed=0,
    )
