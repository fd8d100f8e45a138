"""The likely cause of values that differ between serving and training, if there is a pattern."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# A pattern holds when it explains this share of the differences, to this relative precision.
_SHARE = 0.95
_PRECISION = 1e-6
_LEAST = 5
_UNITS = {
    (5 / 9, -160 / 9): "degrees Celsius for Fahrenheit",
    (9 / 5, 32.0): "degrees Fahrenheit for Celsius",
}


def number_cause(served: Floats, trained: Floats) -> str:
    """What turns the trained numbers into the served ones; empty where there is no pattern.

    Args:
        served: (n,) with NaN for missing, of the rows that differ.
        trained: (n,) likewise.

    >>> number_cause(np.array([1.0, 2, 3, 4, 5, 6]), np.array([10.0, 20, 30, 40, 50, 60]))
    'served is 0.1 times trained'
    """
    gap = _missing_cause(np.isnan(served), np.isnan(trained))
    if gap:
        filled = np.unique(served[~np.isnan(served)])
        return f"{gap}: {filled[0]:.6g}" if filled.size == 1 else gap
    both = np.isfinite(served) & np.isfinite(trained)
    a, b = served[both], trained[both]
    if a.size < _LEAST:
        return ""
    if np.all(a == a[0]) and np.any(b != b[0]):
        return f"served is always {a[0]:.6g}"
    for pattern in (_rounded, _factor, _shift, _line):
        if cause := pattern(a, b):
            return cause
    return ""


def text_cause(served: pa.Array, trained: pa.Array) -> str:
    """What turns the trained texts into the served ones; empty where there is no pattern.

    >>> text_cause(pa.array([" ua", "aa "]), pa.array(["ua", "aa"]))
    'only white space differs'
    """
    gap = _missing_cause(_mask(served), _mask(trained))
    if gap:
        return gap
    patterns: list[tuple[str, Callable[[pa.Array], pa.Array]]] = [
        ("only white space differs", pc.utf8_trim_whitespace),
        ("only upper and lower case differ", pc.utf8_lower),
        ("only leading zeros differ", lambda a: pc.utf8_ltrim(a, "0")),
        (
            "only a decimal point differs",
            lambda a: pc.replace_substring_regex(a, r"\.0*$", ""),
        ),
    ]
    for cause, same in patterns:
        equal = pc.fill_null(pc.equal(same(served), same(trained)), False)
        if len(equal) and pc.mean(equal).as_py() >= _SHARE:
            return cause
    return ""


def _mask(array: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(array.is_null().to_numpy(zero_copy_only=False), dtype=np.bool_)


def _missing_cause(served: NDArray[np.bool_], trained: NDArray[np.bool_]) -> str:
    if served.size and np.mean(served & ~trained) >= _SHARE:
        return "served without a value where training has one"
    if served.size and np.mean(~served & trained) >= _SHARE:
        return "served with a value where training has none"
    return ""


def _close(a: Floats, b: Floats) -> bool:
    scale = np.maximum(np.abs(a), np.abs(b))
    return bool(np.mean(np.abs(a - b) <= _PRECISION * scale) >= _SHARE)


def _rounded(a: Floats, b: Floats) -> str:
    if not np.any(b != np.rint(b)):
        return ""
    ways: Iterable[tuple[str, Floats]] = (
        ("rounded", np.rint(b)),
        ("truncated", np.trunc(b)),
        ("rounded down", np.floor(b)),
    )
    return next((f"served is {name}" for name, value in ways if _close(a, value)), "")


def _factor(a: Floats, b: Floats) -> str:
    if not np.any(b):
        return ""
    factor = float(np.median(a[b != 0] / b[b != 0]))
    return f"served is {factor:.6g} times trained" if _close(a, factor * b) else ""


def _shift(a: Floats, b: Floats) -> str:
    shift = float(np.median(a - b))
    if not _close(a, b + shift):
        return ""
    return f"served is trained {'plus' if shift > 0 else 'minus'} {abs(shift):.6g}"


def _line(a: Floats, b: Floats) -> str:
    # Through the two points farthest apart: robust enough, and exact where there is a line.
    low, high = int(np.argmin(b)), int(np.argmax(b))
    if b[low] == b[high]:
        return ""
    slope = float((a[high] - a[low]) / (b[high] - b[low]))
    start = float(a[low] - slope * b[low])
    if slope == 0 or not _close(a, slope * b + start):
        return ""
    for (factor, shift), unit in _UNITS.items():
        if np.allclose([slope, start], [factor, shift], rtol=1e-4):
            return f"served in {unit}"
    return f"served is {slope:.6g} times trained {'+' if start > 0 else '-'} {abs(start):.6g}"
