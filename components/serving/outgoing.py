"""Rows of a window file as a client sends them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from components.spec.model import Columns


def to_rows(table: pa.Table, columns: Columns) -> list[dict[str, Any]]:
    """Rows for `/predict`: id, time and features; NaN is None, the time is text.

    >>> columns = Columns(id="i", time="t", target="y", numeric=["a"])
    >>> moment = pa.scalar(0, pa.timestamp("us", tz="UTC"))
    >>> to_rows(pa.table({"i": ["x"], "t": [moment], "a": [float("nan")]}), columns)
    [{'i': 'x', 't': '1970-01-01T00:00:00.000000Z', 'a': None}]
    """
    rows: list[dict[str, Any]] = pa.table(_columns(table, columns)).to_pylist()
    return rows


def to_tensors(table: pa.Table, columns: Columns) -> list[dict[str, Any]]:
    """The same rows for `/infer`: one tensor a column."""
    numeric = set(columns.numeric)
    return [
        {
            "name": name,
            "datatype": "FP64" if name in numeric else "BYTES",
            "shape": [table.num_rows],
            "data": values.to_pylist(),
        }
        for name, values in _columns(table, columns).items()
    ]


def _columns(table: pa.Table, columns: Columns) -> dict[str, pa.ChunkedArray]:
    found = {columns.id: table.column(columns.id).cast(pa.string())}
    moments = table.column(columns.time).cast(pa.timestamp("us", tz="UTC"))
    found[columns.time] = pc.strftime(moments, format="%Y-%m-%dT%H:%M:%SZ")
    for name in columns.numeric:
        numbers = table.column(name).cast(pa.float64())
        known = pc.invert(pc.is_nan(numbers))
        found[name] = pc.if_else(known, numbers, pa.scalar(None, pa.float64()))
    for name in columns.categorical:
        found[name] = table.column(name).cast(pa.string())
    return found
