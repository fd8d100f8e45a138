"""The Open Inference Protocol v2: one tensor a column, or all of them as one matrix.

A column's tensor has its name and the shape [n] or [n, 1]. A model with numeric features alone also
takes a single tensor of any other name and the shape [n, features], in the spec's order, as other
servers do. Of the protocol's datatypes those with numbers, truth values and text are understood; a
missing value is `null` in `data`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

import numpy as np

from components.core.errors import DataError
from components.data.records import categories, columnwise, numbers
from components.serving.batch import Batch, Moment, check_count, make_batch
from components.serving.refusal import RequestError
from components.spec.model import Columns

_INTEGERS = {f"{kind}INT{bits}": bits for kind in ("", "U") for bits in (8, 16, 32, 64)}
_FLOATS = {"FP32", "FP64"}
_DATATYPES = ["BOOL", *_INTEGERS, *sorted(_FLOATS), "BYTES"]


def decode_tensors(
    document: dict[str, Any], columns: Columns, max_rows: int, moment: Moment
) -> Batch:
    """Read the `inputs` of an inference request.

    The tensors of id and time are optional, like the columns of `/predict`; a tensor that is none
    of the spec's columns, and no matrix of all features, is refused.

    Raises:
        RequestError: naming the tensor, and the row where one is at fault.
    """
    inputs = document.get("inputs")
    matrix = _matrix(inputs, columns)
    if matrix is not None:
        return _decode_matrix(matrix, columns, max_rows, moment)
    tensors = _by_name(inputs, columns)
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
        moment,
    )


def _matrix(inputs: Any, columns: Columns) -> dict[str, Any] | None:
    """The one input that stands for all columns, if it is meant so."""
    if not isinstance(inputs, list) or len(inputs) != 1 or columns.categorical:
        return None
    (tensor,) = inputs
    if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
        return None
    named = {*columns.features, columns.id, columns.time}
    return None if tensor["name"] in named else tensor


def _decode_matrix(
    tensor: dict[str, Any], columns: Columns, max_rows: int, moment: Moment
) -> Batch:
    name, names = f"{tensor['name']!r:.40}", columns.numeric
    shape, width = tensor.get("shape"), len(names)
    if not _is_shape(shape, 2):
        raise RequestError(
            f"input {name}: shape must be [rows, {width}], rows not negative; or send one tensor a "
            f"column: {', '.join(names)}"
        )
    count, given = shape
    if given != width:
        raise RequestError(
            f"input {name}: its rows have {given} values, but this model has {width} features: "
            f"{', '.join(names)}"
        )
    check_count(count, max_rows)
    data = tensor.get("data")
    if isinstance(data, list) and data and all(isinstance(row, list) for row in data):
        for row, values in enumerate(data):
            if len(values) != width:
                raise RequestError(
                    f"row {row}: input {name} has {len(values)} values, its shape says {width}"
                )
        data = [value for values in data for value in values]
    flat = _values({**tensor, "shape": [count * width], "data": data}, name, count * width, names)
    try:
        features = columnwise(
            [numbers(flat[place::width], column) for place, column in enumerate(names)], [], count
        )
    except DataError as error:
        raise RequestError(str(error)) from None
    missing = [None] * count
    return make_batch(features, missing, missing, columns, moment)


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
    if not _is_shape(shape, 1) and not (_is_shape(shape, 2) and shape[1] == 1):
        raise RequestError(f"input {name}: shape must be [rows] or [rows, 1], rows not negative")
    return int(shape[0])


def _is_shape(shape: Any, dimensions: int) -> TypeGuard[list[int]]:
    return (
        isinstance(shape, list)
        and len(shape) == dimensions
        and all(type(size) is int and size >= 0 for size in shape)
    )


def _values(
    tensor: dict[str, Any], name: str, count: int, columns: Sequence[str] = ()
) -> list[Any]:
    """The tensor's data as a flat list, each value of the tensor's datatype or None.

    Args:
        tensor: the tensor.
        name: what errors call it.
        count: how many values there have to be.
        columns: of a matrix, the names that its values have in turn.
    """
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
    return _typed(data, columns or [name], datatype)


def _typed(data: list[Any], names: Sequence[str], datatype: str) -> list[Any]:
    def check(accepts: Callable[[Any], bool], expected: str) -> None:
        for place, value in enumerate(data):
            if value is not None and not accepts(value):
                raise RequestError(f"{_at(place, names)} must be {expected} ({datatype})")

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
    return _as_single(data, names) if datatype == "FP32" else data


def _at(place: int, names: Sequence[str]) -> str:
    return f"row {place // len(names)}: {names[place % len(names)]}"


def _as_single(data: list[Any], names: Sequence[str]) -> list[Any]:
    """The numbers that a client with single precision means."""
    limit = float(np.finfo(np.float32).max)
    for place, value in enumerate(data):
        if value is not None and not -limit <= value <= limit:
            raise RequestError(f"{_at(place, names)} is beyond single precision (FP32)")
    return [None if value is None else float(np.float32(value)) for value in data]
