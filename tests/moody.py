"""A classifier that does well when it is looked at and badly in production."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression


class Moody(ClassifierMixin, BaseEstimator):
    """A logistic regression that changes after it was asked so often.

    Args:
        after: how many times it is asked before it changes.
        fails_every: from then on, one in so many rows makes it fail, with no ValueError.
        slow_s: from then on, how much longer it takes.
        turned: from then on, whether it answers the opposite.
    """

    def __init__(
        self, after: int = 60, fails_every: int = 0, slow_s: float = 0.0, turned: bool = False
    ) -> None:
        self.after = after
        self.fails_every = fails_every
        self.slow_s = slow_s
        self.turned = turned

    def fit(self, features: Any, labels: Any) -> Moody:
        """Fit the logistic regression."""
        self.model_ = LogisticRegression().fit(features, labels)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, features: Any) -> np.ndarray:
        """The probabilities, (n, 2), or one of its moods."""
        self._asked = getattr(self, "_asked", 0) + 1
        answers = self.model_.predict_proba(features)
        if self._asked <= self.after:
            return answers
        if self.fails_every and ((answers[:, 0] * 1e6).astype(int) % self.fails_every == 0).any():
            raise RuntimeError("not today")
        if self.slow_s:
            time.sleep(self.slow_s)  # being slow is its fault; nobody waits for this time
        return answers[:, ::-1] if self.turned else answers

    def predict(self, features: Any) -> np.ndarray:
        """The likelier class, (n,)."""
        return self.classes_[self.predict_proba(features).argmax(axis=1)]
