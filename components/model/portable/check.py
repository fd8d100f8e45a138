"""A model's ONNX file, checked before any library interprets it.

ONNX holds no Python objects, and its operators compute. What remains is that the library behind it
is written in C++ and trusts a file in places: here is made sure that a file refers to no other
file, brings nothing but plain operators, is asked and answers as ours does, and that no operator
reads beyond what it is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from pydantic import ValidationError

from components.model.portable.form import (
    BOOL,
    CATEGORICAL,
    DOUBLE,
    FACTS,
    FLOAT,
    FORMAT,
    INT32,
    INT64,
    IR_VERSION,
    MAIN,
    NUMERIC,
    OPERATORS,
    OPSET,
    OUTPUTS,
    STRING,
    TREE_OPSETS,
    TREES,
    UINT8,
    Facts,
    Foreign,
    Output,
)
from components.model.portable.tree_check import Attributes, sound_ensemble, sound_older
from components.model.portable.wire import Message, read_model

_SIZES = {FLOAT: 4, UINT8: 1, INT32: 4, INT64: 8, BOOL: 1, DOUBLE: 8}
# Operators that follow indices of the file into their rows, and what is asked of those.
_TRUSTING: dict[str, Callable[[Attributes, int], bool]] = {
    "TreeEnsemble": sound_ensemble,
    "TreeEnsembleClassifier": sound_older,
    "TreeEnsembleRegressor": sound_older,
}


def check_file(data: bytes) -> tuple[Facts, Output]:
    """Check a file; returns what the graph does not know about itself, and what it answers with.

    Raises:
        Foreign: naming what no file of ours holds.
    """
    model = read_model(data)
    versions = {_text(opset["domain"]): int(opset["version"]) for opset in model["opsets"]}
    if model["ir_version"] != IR_VERSION or len(versions) != len(model["opsets"]):
        raise Foreign(f"its format is ONNX {model['ir_version']}")
    if versions.pop(MAIN, None) != OPSET or versions.pop(TREES, None) not in TREE_OPSETS:
        raise Foreign("its operators are of another version")
    if versions:
        raise Foreign(f"it uses operators of {min(versions)!r:.60}")
    facts, graph = _facts(model["metadata"]), model["graph"]
    if graph is None:
        raise Foreign("it holds no graph")
    for constant in graph["constants"]:
        _check_tensor(constant)
    constants = {_text(constant["name"]): constant for constant in graph["constants"]}
    if len(constants) != len(graph["constants"]) or constants.keys() & {NUMERIC, CATEGORICAL}:
        raise Foreign("two of its values have one name")
    _check_nodes(graph["nodes"], constants, len(facts.columns.numeric))
    _check_inputs(graph["inputs"], facts)
    return facts, _checked_output(graph["outputs"], facts)


def _facts(metadata: list[Message]) -> Facts:
    if [entry["key"] for entry in metadata] != [FACTS.encode()]:
        raise Foreign("it does not say what it answers")
    try:
        facts = Facts.model_validate_json(metadata[0]["value"] or b"")
    except ValidationError:
        raise Foreign("what it says of its answers cannot be understood") from None
    if facts.format != FORMAT:
        raise Foreign(f"its form is {facts.format}, and this version reads {FORMAT}")
    return facts


def _check_inputs(inputs: list[Message], facts: Facts) -> None:
    columns = facts.columns
    wanted = {
        name: (kind, len(names))
        for name, kind, names in (
            (NUMERIC, DOUBLE, columns.numeric),
            (CATEGORICAL, STRING, columns.categorical),
        )
        if names
    }
    found = {_text(value["name"]): _shape(value) for value in inputs}
    expected = {name: (kind, [None, width]) for name, (kind, width) in wanted.items()}
    if found != expected or len(inputs) != len(found):
        raise Foreign("it is asked with something else than its columns")


def _checked_output(outputs: list[Message], facts: Facts) -> Output:
    name = _text(outputs[0]["name"]) if len(outputs) == 1 else ""
    expected: dict[Output, tuple[int, list[int | None]]] = {
        "probability": (DOUBLE, [None, len(facts.classes)]),
        "code": (INT64, [None]),
        "value": (DOUBLE, [None]),
    }
    regression = facts.task == "regression"
    for output in OUTPUTS:
        fits = (output == "value") == regression == (not facts.classes)
        if name == output and fits and _shape(outputs[0]) == expected[output]:
            return output
    raise Foreign("it answers with something else than its task asks for")


def _shape(value: Message) -> tuple[int, list[int | None]]:
    """The type of a value's elements and its size along each axis; None where it is open."""
    kind = (value["type"] or {}).get("tensor")
    if kind is None or kind["shape"] is None:
        return 0, []
    sizes = [None if dim["size"] is None else int(dim["size"]) for dim in kind["shape"]["dims"]]
    return int(kind["type"] or 0), sizes


def _check_tensor(tensor: Message) -> None:
    dims, kind, texts = tensor["dims"], tensor["type"], tensor["strings"]
    if len(dims) and int(dims.min()) < 0:
        raise Foreign("a constant of it has a negative size")
    count = math.prod(dims.tolist())
    if kind == STRING:
        fits = len(texts) == count and tensor["raw"] is None
    else:
        size = _SIZES.get(kind)
        fits = size is not None and len(tensor["raw"] or b"") == count * size and not texts
    if not fits:
        raise Foreign("a constant of it does not hold what it says")


def _check_nodes(nodes: list[Message], constants: Mapping[str, Message], numeric: int) -> None:
    widths = {NUMERIC: numeric}  # the library refuses to be asked with another
    for node in nodes:
        domain, operator = _text(node["domain"]), _text(node["operator"])
        if operator not in OPERATORS.get(domain, ()):
            raise Foreign(f"it holds the operator {operator!r:.60} of {domain or 'ONNX'!r:.60}")
        given = _attributes(node, operator)
        inputs = [_text(name) for name in node["inputs"]]
        if (width := _width(operator, inputs, given, constants, widths)) is not None:
            widths[_text(node["outputs"][0]) if len(node["outputs"]) == 1 else ""] = width
        if operator == "ArrayFeatureExtractor":
            if len(inputs) != 2 or not _positions(constants.get(inputs[1])):
                raise Foreign("it picks columns that it does not name")
        elif operator in _TRUSTING:
            width = widths.get(inputs[0]) if inputs else None
            if width is None or not _TRUSTING[operator](given, width):
                raise Foreign(f"a {operator} in it leads out of itself or of its rows")


def _attributes(node: Message, operator: str) -> Attributes:
    given = {_text(attribute["name"]): attribute for attribute in node["attributes"]}
    if len(given) != len(node["attributes"]):
        raise Foreign(f"an attribute of a {operator} in it is there twice")
    for attribute in given.values():
        if attribute["t"] is not None:
            _check_tensor(attribute["t"])
    return given


def _positions(constant: Message | None) -> bool:
    """Whether a constant holds positions, none negative: the operator sees to the upper end."""
    if constant is None or constant["type"] != INT64:
        return False
    return bool((np.frombuffer(constant["raw"] or b"", dtype=np.int64) >= 0).all())


def _width(
    operator: str,
    inputs: list[str],
    given: Attributes,
    constants: Mapping[str, Message],
    widths: Mapping[str, int],
) -> int | None:
    """How wide the rows of an operator's result are for certain, where that is easily told."""
    known = [widths.get(name, 0) for name in inputs]
    if operator == "Reshape" and len(inputs) == 2 and not given:
        shape = constants.get(inputs[1])
        if shape is not None and shape["type"] == INT64:
            sizes = np.frombuffer(shape["raw"] or b"", dtype=np.int64)
            if len(sizes) == 2 and sizes[0] == -1 and sizes[1] > 0:
                return int(sizes[1])
    if operator == "Mod" and len(inputs) == 2 and inputs[1] in constants:
        return known[0] or None if not len(constants[inputs[1]]["dims"]) else None
    if operator == "Concat" and "axis" in given and given["axis"]["i"] == 1:
        return sum(known) if all(known) else None
    return None


def _text(name: bytes | None) -> str:
    return (name or b"").decode("utf-8", "backslashreplace")
