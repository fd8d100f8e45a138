"""Estimators that skl2onnx knows: its graph, taken into ours."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from components.model.portable.answers import (
    Answer,
    Unsupported,
    plain_value,
    refusing_infinite,
    single,
)
from components.model.portable.form import (
    DOUBLE,
    INT64,
    MAIN,
    OPERATORS,
    OPSET,
    TREE_OPSETS,
    TREES,
)
from components.model.portable.graph import Graph, tensor
from components.model.portable.inputs import Matrix
from components.model.portable.trees import guarded

_INPUT = "matrix"


def add_converted(graph: Graph, matrix: Matrix, estimator: Any, *, double: bool) -> Answer:
    """The answer of an estimator, by skl2onnx.

    Args:
        graph: the graph.
        matrix: what the estimator is given.
        estimator: a fitted estimator.
        double: whether it is to compute in double precision, which not every converter can.

    Raises:
        Unsupported: when skl2onnx cannot convert it.
    """
    made = _convert(estimator, matrix.width, double)
    given = matrix if double else single(graph, matrix)
    estimates = hasattr(estimator, "predict_proba")
    wanted = made.graph.output[1 if estimates else 0].name
    result = _take(graph, made, given.name, wanted)
    if not hasattr(estimator, "classes_"):
        answer = plain_value(graph, graph.add("Cast", result, to=DOUBLE))
    elif estimates:
        answer = Answer(graph.add("Cast", result, to=DOUBLE), "probability")
    else:
        answer = Answer(graph.add("Cast", result, to=INT64), "code")
    # Trees look at single precision, whatever the others of the estimator do.
    if double and not any("TreeEnsemble" in node.op_type for node in made.graph.node):
        return answer
    return refusing_infinite(graph, answer, single(graph, matrix) if double else given)


def _convert(estimator: Any, width: int, double: bool) -> onnx.ModelProto:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    if getattr(estimator, "flatten_transform", False):  # skl2onnx minds it; nobody transforms here
        estimator = copy.copy(estimator)
        estimator.flatten_transform = False
    kind = DoubleTensorType if double else FloatTensorType
    options = {"zipmap": False} if hasattr(estimator, "predict_proba") else None
    with _quiet():
        try:
            made: onnx.ModelProto = to_onnx(
                estimator,
                initial_types=[(_INPUT, kind([None, width]))],
                options=options,
                target_opset={MAIN: OPSET, TREES: TREE_OPSETS[0]},
                name="estimator",
            )
            return made
        except Exception as error:  # skl2onnx names no common error
            reason = " ".join(str(error).split())[:160].rstrip(".")
            raise Unsupported(
                f"skl2onnx cannot convert {type(estimator).__name__}: {reason}"
            ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Converters warn of what is checked here afterwards, row by row."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger = logging.getLogger("skl2onnx")
        before, logger.disabled = logger.disabled, True
        try:
            yield
        finally:
            logger.disabled = before


def _take(graph: Graph, made: onnx.ModelProto, given: str, wanted: str) -> str:
    """Take over the nodes that the wanted value needs; returns its name in our graph."""
    names = {made.graph.input[0].name: given, "": ""}
    for constant in made.graph.initializer:
        names[constant.name] = graph.constant(_array(constant))
    for node in _needed(made.graph, wanted):
        if node.op_type not in OPERATORS.get(node.domain, ()):
            raise Unsupported(
                f"it takes ONNX's operator {node.op_type}, which is not among those that are loaded"
            )
        taken = onnx.NodeProto(op_type=node.op_type, domain=node.domain)
        taken.input.extend(names[name] for name in node.input)
        if node.op_type.startswith("TreeEnsemble"):
            taken.input[0] = guarded(graph, Matrix(taken.input[0], _width(made, node.input[0])))
        names |= {name: graph.fresh() for name in node.output if name}
        taken.output.extend(names[name] for name in node.output)
        taken.attribute.extend(map(_attribute, node.attribute))
        graph.take(taken)
    return names[wanted]


def _width(made: onnx.ModelProto, name: str) -> int:
    """How wide the rows of a value are."""
    graph = onnx.shape_inference.infer_shapes(made).graph
    for value in (*graph.input, *graph.value_info):
        dims = value.type.tensor_type.shape.dim
        if value.name == name and len(dims) == 2 and dims[1].dim_value:
            return int(dims[1].dim_value)
    raise Unsupported("skl2onnx does not tell how many columns a tree of it is given")


def _needed(made: onnx.GraphProto, wanted: str) -> list[onnx.NodeProto]:
    needed, kept = {wanted}, []
    for node in reversed(made.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    return kept[::-1]


def _array(constant: onnx.TensorProto) -> Any:
    array = numpy_helper.to_array(constant)
    if array.dtype != object:
        return array
    texts = [text.decode() if isinstance(text, bytes) else text for text in array.ravel()]
    return np.array([*texts, ""], dtype=object)[:-1].reshape(array.shape)


def _attribute(attribute: onnx.AttributeProto) -> onnx.AttributeProto:
    value = helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        value = tensor(_array(value))
    return helper.make_attribute(attribute.name, value, attr_type=attribute.type)
