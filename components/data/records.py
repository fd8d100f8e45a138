"""From JSON values to typed columns: the first half of serving's translation.

Needs pyarrow only, so that a server without pandas can use it. The second half, from a table to
what a model sees, is `components.data.frame.features_frame`, which training uses as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from components.core.errors import DataError
from components.data.convert import category_text
from components.spec.model import Columns

_NUMBER_TYPES = frozenset({float, int, bool, type(None)})
_TEXT_TYPES = frozenset({str, type(None)})


def features_table(records: Sequence[Mapping[str, Any]], columns: Columns) -> pa.Table:
    """The features of rows given as JSON objects: doubles and strings, in the spec's order.

    Keys that are no feature are passed over.

    Raises:
        DataError: naming the row and the column, when a value cannot be one of that column's.

    >>> columns = Columns(id="i", time="t", target="y", numeric=["a"], categorical=["b"])
    >>> features_table([{"a": 1, "b": 7}, {"a": None, "b": True}], columns).to_pylist()
    [{'a': 1.0, 'b': '7'}, {'a': None, 'b': 'true'}]
    """
    arrays = {name: numbers(_pick(records, name), name) for name in columns.numeric}
    arrays |= {name: categories(_pick(records, name), name) for name in columns.categorical}
    return pa.table(arrays)


def numbers(values: Sequence[Any], name: str) -> pa.Array:
    """One numeric column from JSON values: doubles; booleans are 0 and 1, None is missing.

    Raises:
        DataError: for a value that is no finite number, or an integer that a double would round.

    >>> numbers([1, 2.5, None, True], "a").to_pylist()
    [1.0, 2.5, None, 1.0]
    """
    # One look at the set of types instead of one at every value: most columns are clean.
    if not _NUMBER_TYPES.issuperset(map(type, values)):
        for row, value in enumerate(values):
            if not isinstance(value, float | int | None):
                raise DataError(f"row {row}: {name} must be a number, not {_show(value)}")
    try:
        array = pa.array(values, pa.float64(), from_pandas=True)
    except (pa.ArrowInvalid, OverflowError):
        row = _first(values, _rounded)
        raise DataError(
            f"row {row}: {name} is an integer that a double would round, {_show(values[row])}; "
            "send it with a decimal point if it may be rounded"
        ) from None
    infinite = np.isinf(array.to_numpy(zero_copy_only=False))
    if infinite.any():
        row = int(infinite.argmax())
        raise DataError(
            f"row {row}: {name} must be a finite number, not infinity; send null if it is unknown"
        )
    return array


def categories(values: Sequence[Any], name: str) -> pa.Array:
    """One categorical column from JSON values, each spelled as in training: 7, 7.0, "7.0" are "7".

    An empty text is missing, as None is.

    Raises:
        DataError: for a value that is neither text, finite number, boolean nor None.

    >>> categories(["x", 7, 7.0, 0.5, True, "True", "", None], "b").to_pylist()
    ['x', '7', '7', '0.5', 'true', 'true', None, None]
    """
    if _TEXT_TYPES.issuperset(map(type, values)):
        # Most columns hold few different texts: spell each once.
        spelled = {value: category_text(value) for value in set(values)}
        return _strings([spelled[value] for value in values], name)
    for row, value in enumerate(values):
        known = isinstance(value, str | float | int | None)
        if not known or (isinstance(value, float) and np.isinf(value)):
            raise DataError(f"row {row}: {name} must be a text, not {_show(value)}")
    return _strings([category_text(value) for value in values], name)


def texts(values: Sequence[Any], name: str) -> pa.Array:
    """One column of ids from JSON values: texts as they are, 7 and 7.0 as "7".

    Raises:
        DataError: for a value that is neither text, whole number, boolean nor None.

    >>> texts(["x", 7, 7.0, "7.0", None], "b").to_pylist()
    ['x', '7', '7', '7.0', None]
    """
    if not _TEXT_TYPES.issuperset(map(type, values)):
        values = [_text(value, name, row) for row, value in enumerate(values)]
    return _strings(values, name)


def _strings(values: Sequence[str | None], name: str) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        row = _first(values, _unpaired)
        raise DataError(
            f"row {row}: {name} is no valid Unicode, an unpaired surrogate; send it as UTF-8"
        ) from None


def _pick(records: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    try:
        return [record[name] for record in records]
    except KeyError:
        row = _first(records, lambda record: name not in record)
        raise DataError(
            f"row {row}: column {name} is missing; send null if it is unknown"
        ) from None


def _text(value: Any, name: str, row: int) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) or (
        isinstance(value, float) and (value.is_integer() or np.isnan(value))
    ):
        return category_text(value)
    raise DataError(f"row {row}: {name} must be a text, not {_show(value)}")


def _rounded(value: Any) -> bool:
    return isinstance(value, int) and not -(2**53) <= value <= 2**53


def _unpaired(value: str | None) -> bool:
    return value is not None and any("\ud800" <= letter <= "\udfff" for letter in value)


def _first(values: Sequence[Any], wrong: Callable[[Any], bool]) -> int:
    return next(row for row, value in enumerate(values) if wrong(value))


def _show(value: Any) -> str:
    """A value for a message, cut to forty characters; a container by its kind alone."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
