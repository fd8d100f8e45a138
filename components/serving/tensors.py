"""The Open Inference Protocol v2 with named columns: one tensor a column, of shape [n] or [n, 1].

Of the protocol's datatypes those with numbers, truth values and text are understood; a missing
value is `null` in `data`. Answers are the tensors `prediction`, [n], and `probability`, [n, k].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from components.core.errors import DataError
from components.data.records import categories, columnwise, numbers
from components.model.records import Label
from components.serving.codec import (
    Batch,
    RequestError,
    check_count,
    class_name,
    first_repeated,
    make_batch,
)
from components.spec.model import Columns

_INTEGERS = {f"{kind}INT{bits}": bits for kind in ("", "U") for bits in (8, 16, 32, 64)}
_FLOATS = {"FP32", "FP64"}
_DATATYPES = ["BOOL", *_INTEGERS, *sorted(_FLOATS), "BYTES"]


def decode_tensors(
    document: dict[str, Any], columns: Columns, max_rows: int, now: datetime
) -> Batch:
    """Read the `inputs` of an inference request.

    The tensors of id and time are optional, like the columns of `/predict`; a tensor that is none
    of the spec's columns is refused.

    Raises:
        RequestError: naming the tensor, and the row where one is at fault.
    """
    tensors = _by_name(document.get("inputs"), columns)
    rows = {name: _rows(tensor, name) for name, tensor in tensors.items()}
    first, count = next(iter(rows.items()))
    for name, other in rows.items():
        if other != count:
            raise RequestError(f"input {name} has {other} rows, but input {first} has {count}")
    check_count(count, max_rows)
    values = {name: _values(tensor, name, count) for name, tensor in tensors.items()}
    try:
        features = columnwise(
            [numbers(values[name], name) for name in columns.numeric],
            [categories(values[name], name) for name in columns.categorical],
            count,
        )
    except DataError as error:
        raise RequestError(str(error)) from None
    missing = [None] * count
    return make_batch(
        features,
        values.get(columns.id, missing),
        values.get(columns.time, missing),
        columns,
        now,
    )


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
    probability: Sequence[Sequence[float]] | None,
    classes: Sequence[Label],
) -> list[dict[str, Any]]:
    """The `outputs` of an inference answer, data flat in row-major order.

    >>> encode_tensors(["prediction"], [True, False], None, [False, True])
    [{'name': 'prediction', 'datatype': 'BOOL', 'shape': [2], 'data': [True, False]}]
    """
    count = len(prediction)
    tensors: dict[str, dict[str, Any]] = {
        "prediction": {
            "datatype": _datatype(classes),
            "shape": [count],
            "data": list(prediction),
        },
        "probability": {
            "datatype": "FP64",
            "shape": [count, len(classes)],
            "parameters": {"classes": ",".join(class_name(value) for value in classes)},
            "data": [value for row in probability or [] for value in row],
        },
    }
    return [{"name": name, **tensors[name]} for name in names]


def metadata(
    columns: Columns, classes: Sequence[Label], available: Sequence[str]
) -> dict[str, Any]:
    """The `inputs` and `outputs` of the model's metadata; -1 stands for any number of rows."""
    optional = {"optional": True}
    kinds = [*((name, "FP64") for name in columns.numeric)]
    kinds += [(name, "BYTES") for name in columns.categorical]
    inputs: list[dict[str, Any]] = [
        {"name": name, "datatype": kind, "shape": [-1]} for name, kind in kinds
    ]
    inputs += [
        {"name": name, "datatype": "BYTES", "shape": [-1], "parameters": optional}
        for name in (columns.id, columns.time)
    ]
    outputs: list[dict[str, Any]] = [
        {"name": "prediction", "datatype": _datatype(classes), "shape": [-1]}
    ]
    if "probability" in available:
        outputs.append({"name": "probability", "datatype": "FP64", "shape": [-1, len(classes)]})
    return {"inputs": inputs, "outputs": outputs}


def _datatype(classes: Sequence[Label]) -> str:
    if not classes:
        return "FP64"
    kinds: dict[type, str] = {bool: "BOOL", int: "INT64"}
    return kinds.get(type(classes[0]), "BYTES")


def _by_name(inputs: Any, columns: Columns) -> dict[str, dict[str, Any]]:
    if not isinstance(inputs, list) or not inputs:
        raise RequestError('the body must hold "inputs", a list of tensors, one a column')
    known = {*columns.features, columns.id, columns.time}
    tensors: dict[str, dict[str, Any]] = {}
    for position, tensor in enumerate(inputs):
        if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
            raise RequestError(f'input {position} must be an object with a "name"')
        name = tensor["name"]
        if name not in known:
            raise RequestError(
                f"input {name!r:.40} is no column of this model; send one tensor a column: "
                f"{', '.join(columns.features)}"
            )
        if name in tensors:
            raise RequestError(f"input {name} is there twice")
        tensors[name] = tensor
    for name in columns.features:
        if name not in tensors:
            raise RequestError(f"input {name} is missing; send null in its data if it is unknown")
    return tensors


def _rows(tensor: dict[str, Any], name: str) -> int:
    """The number of rows by the tensor's shape."""
    shape = tensor.get("shape")
    fits = (
        isinstance(shape, list)
        and len(shape) in (1, 2)
        and all(type(size) is int and size >= 0 for size in shape)
        and shape[1:] in ([], [1])
    )
    if not isinstance(shape, list) or not fits:
        raise RequestError(f"input {name}: shape must be [rows] or [rows, 1], rows not negative")
    return int(shape[0])


def _values(tensor: dict[str, Any], name: str, count: int) -> list[Any]:
    """The tensor's data as a flat list, each value of the tensor's datatype or None."""
    datatype = tensor.get("datatype")
    if datatype not in _DATATYPES:
        raise RequestError(
            f"input {name}: datatype {datatype!r:.40} is not one of {', '.join(_DATATYPES)}"
        )
    data = tensor.get("data")
    if not isinstance(data, list):
        raise RequestError(f'input {name}: "data" must be a list; binary data is not supported')
    if len(data) != count:
        raise RequestError(f"input {name}: data holds {len(data)} values, the shape says {count}")
    if len(tensor["shape"]) == 2 and all(
        isinstance(item, list) and len(item) == 1 for item in data
    ):
        data = [item[0] for item in data]
    return _typed(data, name, datatype)


def _typed(data: list[Any], name: str, datatype: str) -> list[Any]:
    def check(accepts: Callable[[Any], bool], expected: str) -> None:
        for row, value in enumerate(data):
            if value is not None and not accepts(value):
                raise RequestError(f"row {row}: {name} must be {expected} ({datatype})")

    if datatype == "BYTES":
        check(lambda value: isinstance(value, str), "a text")
    elif datatype == "BOOL":
        check(lambda value: isinstance(value, bool), "true or false")
    elif datatype in _INTEGERS:
        bits = _INTEGERS[datatype]
        signed = datatype[0] != "U"
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        check(lambda value: type(value) is int and low <= value <= high, "an integer in range")
    else:
        check(lambda value: type(value) in (int, float), "a number")
    return _as_single(data, name) if datatype == "FP32" else data


def _as_single(data: list[Any], name: str) -> list[Any]:
    """The numbers that a client with single precision means."""
    limit = float(np.finfo(np.float32).max)
    for row, value in enumerate(data):
        if value is not None and not -limit <= value <= limit:
            raise RequestError(f"row {row}: {name} is beyond single precision (FP32)")
    return [None if value is None else float(np.float32(value)) for value in data]
