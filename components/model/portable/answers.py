"""From what an estimator computes to what a model answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from components.model.portable.form import DOUBLE, FLOAT, INT64, Output
from components.model.portable.graph import Graph
from components.model.portable.inputs import Matrix


class Unsupported(Exception):  # noqa: N818 - not an error by itself: the model travels in skops then
    """A model has no exact form in ONNX; the message says what stands against it."""


@dataclass(frozen=True)
class Answer:
    """A value of the graph that is the model's answer, and what it is."""

    name: str
    output: Output


def probabilities(graph: Graph, raw: str, classes: int, scale: float = 1.0) -> Answer:
    """From log odds, (n, 1) for two classes, or from scores, (n, classes)."""
    if classes > 2:
        return Answer(graph.add("Softmax", raw, axis=1), "probability")
    return of_odds(graph, graph.add("Mul", raw, graph.constant(np.array([[-scale, scale]]))))


def of_odds(graph: Graph, odds: str) -> Answer:
    """From the log odds of each of two classes, (n, 2)."""
    return Answer(graph.add("Sigmoid", odds), "probability")


def of_positive(graph: Graph, positive: str) -> Answer:
    """From the probability of the second of two classes, (n, 1)."""
    both = (np.array([[-1.0, 1.0]]), np.array([1.0, 0.0]))
    return Answer(graph.add("Gemm", positive, *map(graph.constant, both)), "probability")


def code(graph: Graph, raw: str, classes: int) -> Answer:
    """The class with the highest score; with two, the second where its score (n, 1) is above 0."""
    if classes > 2:
        return Answer(graph.add("ArgMax", raw, axis=1, keepdims=0), "code")
    positive = graph.add("Greater", raw, graph.constant(np.array(0.0)))
    return Answer(_flat(graph, graph.add("Cast", positive, to=INT64)), "code")


def value(graph: Graph, raw: str, link: Any) -> Answer:
    """A regression's value from its raw one, (n, 1), by scikit-learn's link.

    Raises:
        Unsupported: when it is neither the identity nor the logarithm.
    """
    name = type(link).__name__
    if name not in ("IdentityLink", "LogLink"):
        raise Unsupported(f"its link is {name}, which has no form in ONNX here")
    if name == "LogLink":
        raw = graph.add("Exp", raw)
    return plain_value(graph, raw)


def plain_value(graph: Graph, raw: str) -> Answer:
    """A regression's value as it is computed, (n, 1)."""
    return Answer(_flat(graph, raw), "value")


def single(graph: Graph, matrix: Matrix) -> Matrix:
    """A matrix in single precision; what is beyond it becomes infinite."""
    return Matrix(graph.add("Cast", matrix.name, to=FLOAT), matrix.width)


def refusing_infinite(graph: Graph, answer: Answer, matrix: Matrix) -> Answer:
    """An answer that is no number for rows with an infinite one in a single precision matrix.

    scikit-learn refuses such rows, and a server refuses answers that are no number.
    """
    if answer.output == "code":
        return answer
    nothing = graph.add("Sub", matrix.name, matrix.name)  # an infinite number less itself is none
    axes, keep = graph.constant(np.array([1])), int(answer.output == "probability")
    total = graph.add("Cast", graph.add("ReduceSum", nothing, axes, keepdims=keep), to=DOUBLE)
    return Answer(graph.add("Add", answer.name, total), answer.output)


def _flat(graph: Graph, name: str) -> str:
    return graph.add("Reshape", name, graph.constant(np.array([-1])))
