"""How each server wants its rows, and how it says its probabilities."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.bench.serving.world import FEATURES

Rows = NDArray[np.float64]


@dataclass(frozen=True)
class Format:
    """A request's path, headers and body, and what its answer means.

    `body` takes rows of shape (n, 15); `read` returns the answered probabilities, (n, 2).
    """

    name: str
    path: str
    body: Callable[[Rows], bytes]
    read: Callable[[bytes], Rows]
    headers: Callable[[bytes], Mapping[str, str]] = field(default=lambda _: {})


def by_name(path: str) -> Format:
    """driftline's rows as JSON objects by column name."""

    def body(rows: Rows) -> bytes:
        return _json({"rows": [dict(zip(FEATURES, row, strict=True)) for row in rows.tolist()]})

    def read(answer: bytes) -> Rows:
        rows = json.loads(answer)["predictions"]
        return np.array([[row["probability"]["0"], row["probability"]["1"]] for row in rows])

    return Format("rows by name", path, body, read)


def by_column(path: str) -> Format:
    """Version 2, a tensor for each column."""

    def body(rows: Rows) -> bytes:
        inputs = [
            {"name": name, "shape": [len(rows)], "datatype": "FP64", "data": column}
            for name, column in zip(FEATURES, rows.T.tolist(), strict=True)
        ]
        return _json({"inputs": inputs})

    return Format("v2, a tensor a column", path, body, _read_tensor("probability"))


def matrix(path: str, output: str) -> Format:
    """Version 2, one tensor of all features."""

    def body(rows: Rows) -> bytes:
        return _json({"inputs": [{**_tensor(rows), "data": rows.ravel().tolist()}]})

    return Format("v2, one tensor", path, body, _read_tensor(output))


def binary(path: str) -> Format:
    """Version 2 with the extension for binary data, both ways."""
    length = "inference-header-content-length"

    def body(rows: Rows) -> bytes:
        raw = rows.astype("<f8").tobytes()
        return _binary_head(rows, len(raw)) + raw

    def headers(content: bytes) -> Mapping[str, str]:
        return {"content-type": "application/octet-stream", length: str(_head_length(content))}

    def read(answer: bytes) -> Rows:
        head, end = json.JSONDecoder().raw_decode(answer.decode("latin-1"))
        return np.frombuffer(answer[end:], "<f8").reshape(head["outputs"][0]["shape"])

    return Format("v2, binary", path, body, read, headers)


def instances(path: str) -> Format:
    """Version 1: a list of rows."""
    return Format(
        "v1, lists",
        path,
        lambda rows: _json({"instances": rows.tolist()}),
        lambda answer: np.array(json.loads(answer)["predictions"]),
    )


def lists(path: str) -> Format:
    """BentoML's parameter `rows`, a list of rows."""
    return Format(
        "lists",
        path,
        lambda rows: _json({"rows": rows.tolist()}),
        lambda answer: np.array(json.loads(answer)),
    )


def _read_tensor(name: str) -> Callable[[bytes], Rows]:
    def read(answer: bytes) -> Rows:
        outputs = {output["name"]: output for output in json.loads(answer)["outputs"]}
        return np.array(outputs[name]["data"]).reshape(outputs[name]["shape"])

    return read


def _tensor(rows: Rows) -> dict[str, Any]:
    return {"name": "input-0", "shape": list(rows.shape), "datatype": "FP64"}


def _binary_head(rows: Rows, size: int) -> bytes:
    tensor = {**_tensor(rows), "parameters": {"binary_data_size": size}}
    return _json({"inputs": [tensor], "parameters": {"binary_data_output": True}})


def _head_length(content: bytes) -> int:
    return json.JSONDecoder().raw_decode(content.decode("latin-1"))[1]


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
