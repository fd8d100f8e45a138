"""Profiles of the first format, which releases of earlier versions hold."""

from __future__ import annotations

import math
from typing import Any

from components.drift.columns import NumericProfile


def from_first(document: dict[str, Any]) -> dict[str, Any]:
    """A document of format 1, which held exact sums, as one of format 2.

    Where the first format had one cell for a value and what lies between it and the one before,
    the second has two. Whether all values were whole is seen where each had a cell; elsewhere it
    is not known, and taken for no.

    Raises:
        KeyError, TypeError: when it is none of that format.
    """
    columns = {}
    for name, column in document["columns"].items():
        kept = {key: value for key, value in column.items() if key not in ("total", "squares")}
        if kept["kind"] == "numeric":
            if kept["discrete"]:
                kept |= _divided(kept["edges"], kept["counts"], *kept["span"])
                kept["whole"] = _whole(kept["edges"], kept["counts"], *kept["span"])
            kept["spread"] = NumericProfile(**kept).deviation
        columns[name] = kept
    return {"format": 2, "columns": columns}


def _divided(
    edges: list[float], counts: list[int], low: float, high: float
) -> dict[str, list[Any]]:
    """Every edge of the span with a cell of its own, which all of the counts are taken for."""
    known = set(edges)
    divided: dict[str, list[Any]] = {"edges": [], "counts": []}
    for edge, count in zip(edges, counts, strict=False):
        before = math.nextafter(edge, -math.inf)
        if low <= edge <= high and before not in known:
            divided["edges"].append(before)
            divided["counts"].append(0)
        divided["edges"].append(edge)
        divided["counts"].append(count)
    divided["counts"].append(counts[-1])
    return divided


def _whole(edges: list[float], counts: list[int], low: float, high: float) -> bool:
    """Whether every value in the reference's range was whole, each having a cell of its own."""
    values = [edge for edge, count in zip(edges, counts, strict=False) if count]
    return all(float(value).is_integer() for value in values if low <= value <= high)
