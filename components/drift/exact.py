"""Sums of floating-point numbers without rounding, so that the order of the rows never shows.

A profile's bytes must not depend on how the rows were split or ordered, and ordinary addition
does. Every finite double is a whole multiple of 2**-1074, so a sum is kept as that whole number.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_UNIT = 1074
# One block of this many values leaves 52 - 18 bits to each extraction.
_BLOCK = 1 << 17
# Above this a block's extraction constant could overflow.
_LARGE = 2.0**900


def exact_sum(values: NDArray[np.float64]) -> int:
    """The sum of finite numbers, in units of 2**-1074.

    Each round splits off the leading bits of all values at once; the pieces add up without
    rounding (error-free extraction: Rump, Ogita and Oishi, 2008, "Accurate floating-point
    summation part I").

    >>> exact_sum(np.array([1e100, 1.0, -1e100])) == exact_sum(np.array([1.0]))
    True
    """
    total = 0
    large = np.abs(values) >= _LARGE
    if large.any():
        total += sum(_units(value) for value in values[large].tolist())
        values = values[~large]
    for start in range(0, values.size, _BLOCK):
        total += _block_sum(values[start : start + _BLOCK])
    return total


def as_float(total: int, count: int = 1) -> float:
    """The sum divided by a count, rounded once; infinite where it is beyond a double.

    >>> as_float(exact_sum(np.array([0.1, 0.2, 0.3])), 3)
    0.2
    """
    try:
        return total / (count << _UNIT)
    except OverflowError:
        return math.inf if total > 0 else -math.inf


def encode(total: int) -> str:
    """The sum as short text: a whole number in hexadecimal and a power of two.

    >>> encode(exact_sum(np.array([0.5, 2.5]))), decode("0x3p0") == exact_sum(np.array([3.0]))
    ('0x3p0', True)
    """
    if total == 0:
        return "0x0p0"
    shift = (total & -total).bit_length() - 1
    return f"{total >> shift:#x}p{shift - _UNIT}"


def decode(text: str) -> int:
    """Read what `encode` wrote.

    Raises:
        ValueError: when the text is not of that form.
    """
    mantissa, separator, exponent = text.partition("p")
    shift = int(exponent) + _UNIT
    if not separator or shift < 0:
        raise ValueError(f"{text!r:.40} is not an exact sum such as 0x3p-1")
    return int(mantissa, 16) << shift


def _block_sum(values: NDArray[np.float64]) -> int:
    rest = values.copy()
    high = np.empty_like(rest)
    room = math.ceil(math.log2(rest.size + 2))
    total = 0
    while top := max(abs(float(rest.max())), abs(float(rest.min()))):
        extractor = 2.0 ** (math.frexp(top)[1] + room)
        np.add(rest, extractor, out=high)
        np.subtract(high, extractor, out=high)
        np.subtract(rest, high, out=rest)
        total += _units(float(high.sum()))
    return total


def _units(value: float) -> int:
    numerator, denominator = value.as_integer_ratio()
    return numerator * ((1 << _UNIT) // denominator)
