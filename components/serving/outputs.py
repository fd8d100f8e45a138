"""The answers of the Open Inference Protocol v2, and what its metadata says of a model.

Answers are the tensors `prediction`, [n], and `probability`, [n, k].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.model.records import Label
from components.serving.codec import first_repeated
from components.serving.refusal import RequestError
from components.spec.model import Columns


def wanted_outputs(document: dict[str, Any], available: Sequence[str]) -> list[str]:
    """The names of the outputs asked for; all there are by default.

    Raises:
        RequestError: for an output that this model does not have, and for one asked for twice.
    """
    outputs = document.get("outputs")
    if outputs is None or outputs == []:
        return list(available)
    if not isinstance(outputs, list) or not all(isinstance(item, dict) for item in outputs):
        raise RequestError('"outputs" must be a list of objects, each with a "name"')
    names = [item.get("name") for item in outputs]
    for name in names:
        if name not in available:
            raise RequestError(
                f"there is no output {name!r:.40}; this model has {', '.join(available)}"
            )
    # Each repetition would be answered with all of its data: a small request, a huge answer.
    if (twice := first_repeated(names)) is not None:
        raise RequestError(f"output {twice} is asked for twice; ask for it once")
    return names


def encode_tensors(
    names: Sequence[str],
    prediction: Sequence[Any],
    probability: Sequence[float] | None,
    classes: Sequence[Label],
    class_names: Sequence[str],
) -> list[dict[str, Any]]:
    """The `outputs` of an inference answer.

    Args:
        names: the outputs asked for.
        prediction: (n,).
        probability: (n * k,) in row-major order, or None.
        classes: (k,) in class order; none for regression.
        class_names: (k,) of the classes, as `class_name` gives them.

    >>> encode_tensors(["prediction"], [True, False], None, [False, True], ["false", "true"])
    [{'name': 'prediction', 'datatype': 'BOOL', 'shape': [2], 'data': [True, False]}]
    """
    count = len(prediction)
    outputs: list[dict[str, Any]] = []
    for name in names:
        if name == "prediction":
            kind = _datatype(classes)
            outputs.append({"name": name, "datatype": kind, "shape": [count], "data": prediction})
        else:
            outputs.append(
                {
                    "name": name,
                    "datatype": "FP64",
                    "shape": [count, len(classes)],
                    "parameters": {"classes": ",".join(class_names)},
                    "data": probability,
                }
            )
    return outputs


def metadata(
    columns: Columns, classes: Sequence[Label], available: Sequence[str]
) -> dict[str, Any]:
    """The `inputs` and `outputs` of the model's metadata; -1 stands for any number of rows."""
    kinds = [*((name, "FP64") for name in columns.numeric)]
    kinds += [(name, "BYTES") for name in columns.categorical]
    inputs: list[dict[str, Any]] = [
        {"name": name, "datatype": kind, "shape": [-1]} for name, kind in kinds
    ]
    inputs += [
        {"name": name, "datatype": "BYTES", "shape": [-1], "parameters": {"optional": True}}
        for name in (columns.id, columns.time)
    ]
    outputs: list[dict[str, Any]] = [
        {"name": "prediction", "datatype": _datatype(classes), "shape": [-1]}
    ]
    if "probability" in available:
        outputs.append({"name": "probability", "datatype": "FP64", "shape": [-1, len(classes)]})
    return {"inputs": inputs, "outputs": outputs}


def matrix_of(columns: Columns) -> str | None:
    """The one tensor that may stand for all columns, of a model with numeric features alone.

    In words, since the protocol's parameters hold no lists. Its columns are in the order in which
    the metadata names the inputs.
    """
    return None if columns.categorical else f"FP64 [-1, {len(columns.numeric)}]"


def _datatype(classes: Sequence[Label]) -> str:
    if not classes:
        return "FP64"
    kinds: dict[type, str] = {bool: "BOOL", int: "INT64"}
    return kinds.get(type(classes[0]), "BYTES")
