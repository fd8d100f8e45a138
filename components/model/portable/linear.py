"""Linear models, in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_regressor
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import (
    GammaRegressor,
    LinearRegression,
    LogisticRegression,
    Ridge,
    RidgeCV,
    SGDRegressor,
)
from sklearn.linear_model._base import LinearClassifierMixin, LinearModel
from sklearn.linear_model._ridge import _RidgeClassifierMixin

from components.model.portable.answers import (
    Answer,
    code,
    of_odds,
    plain_value,
    probabilities,
    value,
)
from components.model.portable.graph import Array, Graph
from components.model.portable.inputs import Matrix

# A subclass is of the same form only where it computes by the same methods.
_PROBABLE = (LogisticRegression.predict_proba, LinearDiscriminantAnalysis.predict_proba)
_VALUED = (
    LinearModel.predict,
    LinearRegression.predict,
    Ridge.predict,
    RidgeCV.predict,
    SGDRegressor.predict,
)
_SCORED = (
    LinearClassifierMixin.decision_function,
    LinearDiscriminantAnalysis.decision_function,
)
_DECIDED = (LinearClassifierMixin.predict, _RidgeClassifierMixin.predict)
_SIGNS = np.array([[-1.0], [1.0]])
_GENERALIZED = GammaRegressor.__mro__[1]


def is_linear(estimator: Any) -> bool:
    """Whether an estimator is a linear model that is known here."""
    kind = type(estimator)
    if is_regressor(estimator) and kind.predict in _VALUED:
        return True
    if isinstance(estimator, _GENERALIZED):
        return kind.predict is _GENERALIZED.predict
    if getattr(kind, "decision_function", None) not in _SCORED:
        return False
    if hasattr(estimator, "predict_proba"):
        return kind.predict_proba in _PROBABLE
    return kind.predict in _DECIDED


def add_linear(graph: Graph, matrix: Matrix, estimator: Any) -> Answer:
    """The answer of a linear model."""
    weights = np.asarray(estimator.coef_, dtype=np.float64).reshape(-1, matrix.width)
    shifts = np.asarray(estimator.intercept_, dtype=np.float64).ravel()
    shifts = np.broadcast_to(shifts, len(weights))
    classes, estimates = (
        len(getattr(estimator, "classes_", ())),
        hasattr(estimator, "predict_proba"),
    )
    if classes == 2 and estimates:
        return of_odds(graph, _sums(graph, matrix, weights * _SIGNS, shifts * _SIGNS[:, 0]))
    raw = _sums(graph, matrix, weights, shifts)
    if isinstance(estimator, _GENERALIZED):
        return value(graph, raw, estimator._base_loss.link)
    if not classes:
        return plain_value(graph, raw)
    return probabilities(graph, raw, classes) if estimates else code(graph, raw, classes)


def _sums(graph: Graph, matrix: Matrix, weights: Array, shifts: Array) -> str:
    return graph.add("Gemm", matrix.name, graph.constant(weights), graph.constant(shifts), transB=1)
