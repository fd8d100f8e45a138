"""From a fitted pipeline to the bytes of an ONNX file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from components.model.portable.answers import Answer, Unsupported, probabilities, value
from components.model.portable.boosting import add_boosting
from components.model.portable.check import check_file
from components.model.portable.converted import add_converted
from components.model.portable.forests import add_forest, is_forest
from components.model.portable.form import FORMAT, Facts, Foreign
from components.model.portable.graph import Graph
from components.model.portable.inputs import one_hot
from components.model.portable.linear import add_linear, is_linear
from components.model.score import FittedModel

_HISTOGRAM = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
_Build = Callable[[Graph, Any, Any], Answer]


def ways_of(model: FittedModel) -> list[Callable[[], bytes]]:
    """The ways to write a model as an ONNX file, the most exact one first.

    Each makes the bytes of a file that passes `check_file`, the same ones for the same model, or
    raises Unsupported with what stands against it. Whether a file answers as the model does is
    for the caller to see.
    """
    return [partial(_file, model, build) for build in _builds(model.pipeline[-1])]


def _builds(estimator: Any) -> list[_Build]:
    if type(estimator) in _HISTOGRAM:
        return [_boosting]
    if is_linear(estimator):
        return [_linear]
    if is_forest(estimator):
        return [_forest]
    return [partial(_converted, double=True), partial(_converted, double=False)]


def _boosting(graph: Graph, preprocess: Any, booster: Any) -> Answer:
    raw = add_boosting(graph, preprocess, booster)
    if type(booster) is HistGradientBoostingRegressor:
        return value(graph, raw, booster._loss.link)
    return probabilities(graph, raw, len(booster.classes_))


def _linear(graph: Graph, preprocess: Any, estimator: Any) -> Answer:
    return add_linear(graph, one_hot(graph, preprocess), estimator)


def _forest(graph: Graph, preprocess: Any, estimator: Any) -> Answer:
    return add_forest(graph, one_hot(graph, preprocess), estimator)


def _converted(graph: Graph, preprocess: Any, estimator: Any, *, double: bool) -> Answer:
    return add_converted(graph, one_hot(graph, preprocess), estimator, double=double)


def _file(model: FittedModel, build: _Build) -> bytes:
    graph = Graph(model.columns)
    answer = build(graph, model.pipeline[0], model.pipeline[-1])
    facts = Facts(
        format=FORMAT, task=model.task, classes=list(model.classes), columns=model.columns
    )
    data = graph.finish(answer.name, answer.output, facts)
    try:
        check_file(data)
    except Foreign as error:
        raise Unsupported(f"its ONNX form would not be loaded again: {error}") from error
    return data
