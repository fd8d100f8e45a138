"""Arrow arrays of Python's and numpy's values, made without `pyarrow.array`.

That imports pandas where it is installed: half a second in which a server answers nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MOST_BYTES = 2**31 - 1  # what a text's 32 bits of offset can address
_KINDS = {"i": (np.int64, pa.int64()), "f": (np.float64, pa.float64())}


def numbers(values: NDArray[Any], kind: pa.DataType | None = None) -> pa.Array:
    """Integers or floats; those of 64 bits are not copied.

    Args:
        values: shape (n,).
        kind: another Arrow type of 64 bits, for example of times.

    >>> numbers(np.array([1, 2])).to_pylist(), numbers(np.array([0.5, np.nan])).null_count
    ([1, 2], 0)
    """
    own, arrow = _KINDS[values.dtype.kind]
    buffer = pa.py_buffer(np.ascontiguousarray(values, own))
    return pa.Array.from_buffers(kind or arrow, len(values), [None, buffer])


def known_numbers(values: NDArray[np.float64]) -> pa.Array:
    """Floats of which NaN is none, but null.

    >>> known_numbers(np.array([0.5, np.nan])).to_pylist()
    [0.5, None]
    """
    missing = np.isnan(values)
    count = int(np.count_nonzero(missing))
    if not count:
        return numbers(values)
    buffers = [_bits(~missing), pa.py_buffer(np.ascontiguousarray(values))]
    return pa.Array.from_buffers(pa.float64(), len(values), buffers, count)


def texts(values: Sequence[str | None]) -> pa.Array:
    """Texts, or null for None.

    Raises:
        OverflowError: when they have more than two gigabytes.
        UnicodeEncodeError: for half of a surrogate pair.

    >>> texts(["a", None, "", "é"]).to_pylist()
    ['a', None, '', 'é']
    """
    present = ["" if text is None else text for text in values]
    joined = "".join(present)
    data = joined.encode()
    if len(data) > _MOST_BYTES:
        raise OverflowError(f"{len(data)} bytes of text are too many for one column")
    is_ascii = len(data) == len(joined)
    sizes = map(len, present) if is_ascii else (len(text.encode()) for text in present)
    ends = np.zeros(len(values) + 1, np.int32)
    np.cumsum(np.fromiter(sizes, np.int32, len(values)), out=ends[1:])
    known = None
    if None in values:
        known = _bits(np.array([text is not None for text in values]))
    buffers = [known, pa.py_buffer(ends), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(values), buffers)


def microseconds(moments: Sequence[datetime]) -> NDArray[np.int64]:
    """Times with a time zone as microseconds since 1970, exactly, shape (n,)."""
    found = ((moment - _EPOCH) // _MICROSECOND for moment in moments)
    return np.fromiter(found, np.int64, len(moments))


def answers(values: Sequence[Any]) -> pa.Array:
    """Predictions: all texts, all truth values, or all numbers.

    Raises:
        TypeError: for anything else.

    >>> [answers(each).type for each in ([1, 2], [0.5], [True], ["late"])]
    [DataType(int64), DataType(double), DataType(bool), DataType(string)]
    """
    if isinstance(values[0], str):
        return texts(values)
    given = np.array(values)
    if given.dtype.kind == "b":
        return pa.Array.from_buffers(pa.bool_(), len(given), [None, _bits(given)])
    if given.dtype.kind not in _KINDS or given.ndim != 1:
        raise TypeError(f"these are no predictions: {values!r:.100}")
    return numbers(given)


def lists(values: NDArray[np.float64]) -> pa.Array:
    """Rows of floats, shape (n, k), as lists."""
    rows, width = values.shape
    ends = np.arange(0, rows * width + 1, width, dtype=np.int32)
    offsets = pa.Array.from_buffers(pa.int32(), len(ends), [None, pa.py_buffer(ends)])
    return pa.ListArray.from_arrays(offsets, numbers(values.ravel()), pa.list_(pa.float64()))


def _bits(values: NDArray[np.bool_]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(values, bitorder="little"))
