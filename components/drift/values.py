"""From an Arrow column of any type to plain numbers or texts, whatever the column holds.

The conversions are those of ingest; here what does not fit is counted, and infinities stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from components.data.convert import plain, to_numbers, to_texts


@dataclass(frozen=True)
class Numbers:
    """A column read as numbers: `values` (n,) with NaN for missing, and the values unreadable."""

    values: NDArray[np.float64]
    unreadable: int


@dataclass(frozen=True)
class Texts:
    """A column read as texts: how often each occurs, the rows without one, and the unreadable."""

    names: list[str]
    counts: list[int]
    missing: int
    unreadable: int


def read_numbers(array: pa.Array) -> Numbers:
    """Read a column as doubles: numbers, booleans as 0 and 1, texts as what they spell.

    Null and NaN are missing; a value that is no number is unreadable, and NaN here.

    >>> read_numbers(pa.array(["1.5", None, "many"]))
    Numbers(values=array([1.5, nan, nan]), unreadable=1)
    """
    array = plain(_joined(array))
    if pa.types.is_floating(array.type):
        doubles = array.cast(pa.float64())
        return Numbers(doubles.to_numpy(zero_copy_only=False), 0)
    numbers, unfit = to_numbers(array)
    return Numbers(numbers.to_numpy(zero_copy_only=False), _count(unfit))


def read_texts(array: pa.Array) -> Texts:
    """Count the texts of a column: whole numbers without a point, booleans as true and false.

    >>> read_texts(pa.array([1.0, 2.5, None, 1.0]))
    Texts(names=['1', '2.5'], counts=[2, 1], missing=1, unreadable=0)
    """
    array = _joined(array)
    if pa.types.is_dictionary(array.type):
        return _encoded_texts(array)
    texts, unfit = _texts(array)
    pairs = pc.value_counts(texts)
    values, counts = pairs.field("values"), pairs.field("counts")
    present = values.is_valid()
    unreadable = _count(unfit)
    return Texts(
        names=values.filter(present).to_pylist(),
        counts=counts.filter(present).to_pylist(),
        missing=texts.null_count - unreadable,
        unreadable=unreadable,
    )


def as_strings(array: pa.Array) -> pa.Array:
    """A column as texts, null where it is missing or no text at all.

    >>> as_strings(pa.array([7.0, None])).to_pylist()
    ['7', None]
    """
    return _texts(_joined(array))[0]


def _texts(array: pa.Array) -> tuple[pa.Array, pa.Array]:
    try:
        return to_texts(array)
    except pa.ArrowNotImplementedError:  # a kind without a spelling, such as an interval
        return pa.nulls(len(array), pa.string()), array.is_valid()


def _encoded_texts(array: pa.DictionaryArray) -> Texts:
    """The same from a dictionary, whose few values are read once each."""
    used = array.indices.drop_null().to_numpy()
    counts = np.bincount(used, minlength=len(array.dictionary))
    texts, unfit = _texts(array.dictionary)
    found: dict[str, int] = {}
    missing, unreadable = array.indices.null_count, 0
    rows = zip(texts.to_pylist(), unfit.to_pylist(), counts.tolist(), strict=True)
    for name, is_unfit, count in rows:
        if name is not None:
            found[name] = found.get(name, 0) + count
        elif is_unfit:
            unreadable += count
        else:
            missing += count
    present = {name: count for name, count in found.items() if count}
    return Texts(list(present), list(present.values()), missing, unreadable)


def _joined(array: pa.Array) -> pa.Array:
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _count(mask: pa.Array) -> int:
    return int(pc.sum(mask).as_py() or 0)
