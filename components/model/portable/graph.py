"""A graph in the making: nodes and constants with names that follow from their order."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from components.model.portable.form import (
    CATEGORICAL,
    DOUBLE,
    FACTS,
    INT64,
    IR_VERSION,
    MAIN,
    NUMERIC,
    OPSET,
    STRING,
    TREE_OPSETS,
    TREES,
    Facts,
    Output,
)
from components.spec.model import Columns

Array = NDArray[Any]


class Graph:
    """Collects the nodes of one model.

    The same calls make the same bytes: values are numbered as they come, and nothing is stamped
    with a time or a random name.

    Args:
        columns: what the model is asked with.
    """

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[tuple[Any, ...], onnx.TensorProto] = {}
        self._count = 0

    def add(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """Add a node; returns the name of its first output.

        Args:
            operator: its name, of the main domain or of that of the trees.
            inputs: the names of values; "" for one that is left out.
            outputs: how many it has; they are told apart by `output`.
            attributes: by name.
        """
        name = self.fresh()
        names = [output(name, position) for position in range(outputs)]
        domain = TREES if operator in _TREE_OPERATORS else MAIN
        node = helper.make_node(operator, inputs, names, domain=domain)
        node.attribute.extend(attribute(key, value) for key, value in sorted(attributes.items()))
        self._nodes.append(node)
        return name

    def take(self, node: onnx.NodeProto) -> None:
        """Add a node that somebody else made, with names that `fresh` gave."""
        self._nodes.append(node)

    def fresh(self) -> str:
        """A name that nothing has yet."""
        self._count += 1
        return f"v{self._count}"

    def constant(self, value: Array) -> str:
        """The name of a constant; equal ones are kept once."""
        key = (value.dtype.str, value.shape, _content(value))
        if key not in self._constants:
            self._constants[key] = tensor(value, f"c{len(self._constants)}")
        return str(self._constants[key].name)

    def texts(self, values: list[str], shape: list[int] | None = None) -> str:
        """The name of a constant that holds texts."""
        return self.constant(np.array(values, dtype=object).reshape(shape or [len(values)]))

    def finish(self, result: str, output: Output, facts: Facts) -> bytes:
        """The file, with one value as the model's answer.

        Args:
            result: the name of the value.
            output: what it is.
            facts: what the graph does not know about itself.
        """
        self._nodes.append(helper.make_node("Identity", [result], [output]))
        columns, classes = facts.columns, len(facts.classes)
        inputs = [
            helper.make_tensor_value_info(name, kind, ["n", len(names)])
            for name, kind, names in (
                (NUMERIC, DOUBLE, columns.numeric),
                (CATEGORICAL, STRING, columns.categorical),
            )
            if names
        ]
        shape: list[str | int] = ["n", classes] if output == "probability" else ["n"]
        kind = INT64 if output == "code" else DOUBLE
        outputs = [helper.make_tensor_value_info(output, kind, shape)]
        constants = list(self._constants.values())
        graph = helper.make_graph(self._nodes, "model", inputs, outputs, constants)
        return _file(graph, facts)


def output(name: str, position: int) -> str:
    """The name of a node's further output.

    >>> output("v7", 0), output("v7", 1)
    ('v7', 'v7_1')
    """
    return f"{name}_{position}" if position else name


def attribute(name: str, value: Any) -> onnx.AttributeProto:
    """An attribute of a node; many integers come as an array."""
    if not isinstance(value, np.ndarray):
        return helper.make_attribute(name, value)
    made = onnx.AttributeProto(name=name, type=onnx.AttributeProto.INTS)
    made.ints.extend(value.tolist())  # the helper would look at each of them in turn
    return made


def tensor(value: Array, name: str = "") -> onnx.TensorProto:
    """An array as the format holds it: numbers as raw bytes, texts one by one."""
    if value.dtype == object:
        encoded = [text.encode() for text in value.ravel().tolist()]
        # The helper would pass them through an array that loses zero bytes at the end.
        return onnx.TensorProto(name=name, data_type=STRING, dims=value.shape, string_data=encoded)
    return numpy_helper.from_array(np.asarray(value, order="C"), name)


_TREE_OPERATORS = frozenset({"LabelEncoder", "TreeEnsemble"})


def _content(value: Array) -> Any:
    return tuple(value.ravel().tolist()) if value.dtype == object else value.tobytes()


def _file(graph: onnx.GraphProto, facts: Facts) -> bytes:
    newest = any(node.op_type == "TreeEnsemble" for node in graph.node)
    opsets = [
        helper.make_opsetid(MAIN, OPSET),
        helper.make_opsetid(TREES, TREE_OPSETS[-1] if newest else TREE_OPSETS[0]),
    ]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    model.producer_name = "driftline"
    helper.set_model_props(model, {FACTS: facts.model_dump_json()})
    return bytes(model.SerializeToString(deterministic=True))
