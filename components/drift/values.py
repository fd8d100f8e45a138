"""From an Arrow column of any type to plain numbers or texts, whatever the column holds.

The conversions are those of ingest; here what does not fit is counted, and infinities stay. Read as
numbers, dates and times are seconds (see `read_numbers`); read as texts, they are as Arrow writes
them. Lists, structs and intervals are unreadable either way.

Nothing on the way of ordinary columns makes pyarrow import pandas: that takes longer than a scan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from components.data.convert import plain, to_numbers, to_texts

_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DAY = 86_400.0


@dataclass(frozen=True)
class Numbers:
    """A column read as numbers: `values` (n,) with NaN for missing, and the values unreadable."""

    values: NDArray[np.float64]
    unreadable: int


@dataclass(frozen=True)
class Texts:
    """A column read as texts: `names` (k,), all different, and how often each occurs, (k,).

    Besides, the rows without one, and the unreadable.
    """

    names: pa.StringArray
    counts: NDArray[np.int64]
    missing: int
    unreadable: int


def read_numbers(array: pa.Array) -> Numbers:
    """Read a column as doubles: numbers, booleans as 0 and 1, texts as what they spell.

    Dates and timestamps are seconds since 1970 (UTC; without a time zone: as if it were UTC), times
    of the day seconds since midnight, durations seconds. Whole numbers above 2**53 and decimals
    are rounded to the nearest double. Null and NaN are missing; a value that is no number is
    unreadable, and NaN here.

    >>> read_numbers(pa.array(["1.5", None, "many"]))
    Numbers(values=array([1.5, nan, nan]), unreadable=1)
    """
    doubles, unreadable = _doubles(array)
    return Numbers(doubles.to_numpy(zero_copy_only=False), unreadable)


def present_numbers(array: pa.Array) -> Numbers:
    """The same without the missing and unreadable values, (m,); not copied where all are there.

    >>> present_numbers(pa.array(["1.5", None, "many"]))
    Numbers(values=array([1.5]), unreadable=1)
    """
    doubles, unreadable = _doubles(array)
    values = as_numpy(doubles.drop_null() if doubles.null_count else doubles)
    if values.size and np.isnan(values.min()):
        values = values[~np.isnan(values)]
    return Numbers(values, unreadable)


def read_texts(array: pa.Array) -> Texts:
    """Count the texts of a column: whole numbers without a point, booleans as true and false.

    >>> texts = read_texts(pa.array([1.0, 2.5, None, 1.0]))
    >>> texts.names.to_pylist(), texts.counts, texts.missing
    (['1', '2.5'], array([2, 1]), 1)
    """
    values, counts, missing = _counted(_joined(array))
    texts, unfit = _texts(values)
    unreadable = _sum(counts.filter(unfit))
    present = texts.is_valid()
    missing += _sum(counts) - _sum(counts.filter(present)) - unreadable
    coded = texts.filter(present).dictionary_encode()  # some values may read alike
    weights = as_numpy(counts.filter(present))
    sums = np.bincount(as_numpy(coded.indices), weights, len(coded.dictionary))
    return Texts(coded.dictionary, sums.astype(np.int64), missing, unreadable)


def as_strings(array: pa.Array) -> pa.Array:
    """A column as texts, null where it is missing or no text at all.

    >>> as_strings(pa.array([7.0, None])).to_pylist()
    ['7', None]
    """
    return _texts(_joined(array))[0]


def without_views(array: pa.Array) -> pa.Array:
    """The column with views of texts and bytes as texts and bytes, for Arrow counts and takes none.

    Lists of views, and the like, which nothing reads anyway, become null.

    >>> without_views(pa.array(["a", None], pa.string_view())).type
    DataType(string)
    """
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return without_views(array.storage) if _has_views(kind.storage_type) else array
    if pa.types.is_string_view(kind):
        return array.cast(pa.string())
    if pa.types.is_binary_view(kind):
        return array.cast(pa.binary())
    return pa.nulls(len(array)) if _has_views(kind) else array


def as_numpy(array: pa.Array) -> NDArray[Any]:
    """Numbers without nulls, (n,), not copied; `to_numpy` would import pandas."""
    return np.from_dlpack(array)


def as_mask(array: pa.BooleanArray) -> NDArray[np.bool_]:
    """Booleans without nulls, (n,)."""
    return as_numpy(array.cast(pa.uint8())).view(np.bool_)


def as_integers(values: NDArray[np.int64]) -> pa.Int64Array:
    """Whole numbers as an Arrow array, not copied either, (n,)."""
    return pa.Int64Array.from_buffers(pa.int64(), values.size, [None, pa.py_buffer(values)])


def string_array(texts: list[str]) -> pa.StringArray:
    """The texts as an Arrow array, made without pandas, (n,)."""
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    buffers = pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))
    return pa.StringArray.from_buffers(len(texts), *buffers)


def _doubles(array: pa.Array) -> tuple[pa.DoubleArray, int]:
    """The values as doubles, null or NaN where there is none, and how many are unreadable."""
    array = plain(_joined(array))
    kind = array.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return array.cast(pa.float64(), safe=False), 0
    if pa.types.is_date32(kind):
        return pc.multiply(array.cast(pa.int32()).cast(pa.float64()), _DAY), 0
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        unit = "ms" if pa.types.is_date64(kind) else kind.unit
        units = array.cast(pa.int32() if pa.types.is_time32(kind) else pa.int64())
        return pc.divide(units.cast(pa.float64(), safe=False), float(_PER_SECOND[unit])), 0
    numbers, unfit = to_numbers(array)
    return numbers, _sum(unfit)


def _counted(array: pa.Array) -> tuple[pa.Array, pa.Int64Array, int]:
    """The different values, how often each occurs, and null rows not counted among these."""
    if not pa.types.is_dictionary(array.type):
        # Counting views, Arrow takes null for an empty text.
        array = without_views(array)
        try:
            pairs = pc.value_counts(array)
        except pa.ArrowNotImplementedError:  # a kind that Arrow cannot compare
            return array, as_integers(np.ones(len(array), dtype=np.int64)), 0
        return pairs.field("values"), pairs.field("counts"), 0
    indices = array.indices.drop_null() if array.indices.null_count else array.indices
    codes = as_numpy(indices).astype(np.intp, copy=False)
    counts = np.bincount(codes, minlength=len(array.dictionary))
    used = np.flatnonzero(counts)
    values = array.dictionary.take(as_integers(used))
    return values, as_integers(counts[used]), array.indices.null_count


def _texts(array: pa.Array) -> tuple[pa.Array, pa.Array]:
    try:
        return to_texts(array)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        # a kind without a spelling, such as an interval, or a time zone nobody knows
        return pa.nulls(len(array), pa.string()), array.is_valid()


def _joined(array: pa.Array) -> pa.Array:
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _sum(values: pa.Array) -> int:
    return int(pc.sum(values).as_py() or 0)


def _has_views(kind: pa.DataType) -> bool:
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        return True
    return any(_has_views(kind.field(i).type) for i in range(kind.num_fields))
