"""The protocol buffers of an ONNX file, read without a library and without mercy.

Only the fields named here may occur, each of the kind given, and once where it is single: what the
format knows besides (graphs within graphs, functions, data in other files, notes of tools) no file
of ours has. So nothing is interpreted by one reader in one way and by the next in another.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.model.portable.form import Foreign

Message = dict[str, Any]
Array = NDArray[Any]

_VARINT, _BYTES, _FIXED32 = 0, 2, 5
_MAX_VARINT = 10

# By message: the field's number, its name, and what it holds: "int", "float", "bytes" or another
# message; with a star where there may be several.
_FIELDS: dict[str, dict[int, tuple[str, str]]] = {
    "model": {
        1: ("ir_version", "int"),
        2: ("producer", "bytes"),
        7: ("graph", "graph"),
        8: ("opsets", "opset*"),
        14: ("metadata", "entry*"),
    },
    "opset": {1: ("domain", "bytes"), 2: ("version", "int")},
    "entry": {1: ("key", "bytes"), 2: ("value", "bytes")},
    "graph": {
        1: ("nodes", "node*"),
        2: ("name", "bytes"),
        5: ("constants", "tensor*"),
        11: ("inputs", "value*"),
        12: ("outputs", "value*"),
    },
    "node": {
        1: ("inputs", "bytes*"),
        2: ("outputs", "bytes*"),
        4: ("operator", "bytes"),
        5: ("attributes", "attribute*"),
        7: ("domain", "bytes"),
    },
    "attribute": {
        1: ("name", "bytes"),
        2: ("f", "float"),
        3: ("i", "int"),
        4: ("s", "bytes"),
        5: ("t", "tensor"),
        7: ("floats", "float*"),
        8: ("ints", "int*"),
        9: ("strings", "bytes*"),
        20: ("type", "int"),
    },
    "tensor": {
        1: ("dims", "int*"),
        2: ("type", "int"),
        6: ("strings", "bytes*"),
        8: ("name", "bytes"),
        9: ("raw", "bytes"),
    },
    "value": {1: ("name", "bytes"), 2: ("type", "type")},
    "type": {1: ("tensor", "tensor type")},
    "tensor type": {1: ("type", "int"), 2: ("shape", "shape")},
    "shape": {1: ("dims", "dim*")},
    "dim": {1: ("size", "int"), 2: ("name", "bytes")},
}
_WIRES = {"int": _VARINT, "float": _FIXED32}


def read_model(data: bytes) -> Message:
    """Read a model.

    Returns:
        A mapping by the names above: a field that is not there is None, or empty where there may
        be several. Numbers of which there may be several are arrays.

    Raises:
        Foreign: when it is cut off, or holds a field that no file of ours has.
    """
    return _message(memoryview(data), "model")


def _message(data: memoryview, kind: str) -> Message:
    fields = _FIELDS[kind]
    parts: dict[str, list[Any]] = {name: [] for name, _ in fields.values()}
    position = 0
    while position < len(data):
        tag, start = _varint(data, position)
        if tag >> 3 not in fields:
            raise Foreign(f"a {kind} in it has a field {tag >> 3}")
        name, holds = fields[tag >> 3]
        single = holds.removesuffix("*")
        if tag & 7 != _WIRES.get(single, _BYTES):
            raise Foreign(f"the {name} of a {kind} in it is of another kind")
        if single in _WIRES:
            read = _ints if single == "int" else _floats
            values, position = read(data, position, start)
            parts[name].append(values)
        else:
            content, position = _delimited(data, start)
            parts[name].append(bytes(content) if single == "bytes" else _message(content, single))
    return {
        name: _whole(parts[name], holds, f"{name} of a {kind}") for name, holds in fields.values()
    }


def _whole(values: Any, holds: str, what: str) -> Any:
    """A field's value from its occurrences."""
    single = holds.removesuffix("*")
    if single in _WIRES:
        kind = np.int64 if single == "int" else np.float32
        nothing: Array = np.empty(0, dtype=kind)
        numbers: Array = np.concatenate([nothing, *values])
        values = numbers if holds.endswith("*") else numbers.tolist()
    if holds.endswith("*"):
        return values
    if len(values) > 1:
        raise Foreign(f"the {what} in it is there twice")
    return values[0] if len(values) else None


def _delimited(data: memoryview, position: int) -> tuple[memoryview, int]:
    length, start = _varint(data, position)
    if length > len(data) - start:
        raise Foreign("it is cut off")
    return data[start : start + length], start + length


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """A number of variable length, not negative, and where it ends."""
    value = 0
    for count, byte in enumerate(data[position : position + _MAX_VARINT]):
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, position + count + 1
    raise Foreign("it is cut off")


def _ints(data: memoryview, position: int, start: int) -> tuple[Array, int]:
    """A run of numbers that each carry the tag at `position`, as 64 bits with a sign."""
    value, end = _varint(data, start)
    if start - position > 1 or end >= len(data) or data[end] != data[position]:
        return np.array([value & (2**64 - 1)], dtype=np.uint64).view(np.int64), end
    # Tags and numbers take turns, and the last byte of each has its highest bit clear.
    view = np.frombuffer(data, dtype=np.uint8, offset=position)
    last = np.flatnonzero(view < 0x80)
    tags, ends = last[: len(last) // 2 * 2].reshape(-1, 2).T
    begins = np.concatenate([[0], ends[:-1] + 1])
    fits = (tags == begins) & (view[begins] == data[position]) & (ends - tags <= _MAX_VARINT)
    count = len(fits) if fits.all() else int(np.argmin(fits))
    values = _decoded(view, tags[:count] + 1, ends[:count])
    return values, position + int(ends[count - 1]) + 1


def _decoded(view: Array, first: Array, last: Array) -> Array:
    """The numbers whose bytes go from `first` to `last`, the lowest seven bits first."""
    values = np.zeros(len(first), dtype=np.uint64)
    for count in range(int((last - first).max()) + 1):
        there = first + count <= last
        bits = view[first[there] + count].astype(np.uint64) & np.uint64(0x7F)
        values[there] |= bits << np.uint64(7 * count)
    return values.view(np.int64)


def _floats(data: memoryview, position: int, start: int) -> tuple[Array, int]:
    """A run of single precision numbers that each carry the tag at `position`."""
    if start - position > 1 or len(data) - position < 5:
        raise Foreign("it is cut off")
    view = np.frombuffer(data, dtype=np.uint8, offset=position)
    rows = view[: len(view) // 5 * 5].reshape(-1, 5)
    same = rows[:, 0] == data[position]
    count = len(same) if same.all() else int(np.argmin(same))
    numbers: Array = rows[:count, 1:].copy().view("<f4").ravel()
    return numbers, position + 5 * count
