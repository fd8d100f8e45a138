"""From JSON values to typed features: the first half of serving's translation.

Needs numpy only, so that a server without pandas and pyarrow can use it. The second half, from
typed features to what a model sees, is the runtime's (`components.model.runtime`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.errors import DataError
from components.data.feature_rows import FeatureRows
from components.data.spelling import category_text
from components.spec.model import Columns

_NUMBER_TYPES = frozenset({float, int, bool, type(None)})
_FLOATING = frozenset({float, bool, type(None)})
_TEXT_TYPES = frozenset({str, type(None)})


def feature_rows(records: Sequence[Mapping[str, Any]], columns: Columns) -> FeatureRows:
    """The features of rows given as JSON objects, typed, in the spec's order.

    Keys that are no feature are passed over.

    Raises:
        DataError: naming the row and the column, when a value cannot be one of that column's.

    >>> columns = Columns(id="i", time="t", target="y", numeric=["a"], categorical=["b"])
    >>> rows = feature_rows([{"a": 1, "b": 7}, {"a": None, "b": True}], columns)
    >>> rows.numeric.tolist(), rows.categorical
    ([[1.0], [nan]], [['7', 'true']])
    """
    return columnwise(
        [numbers(_pick(records, name), name) for name in columns.numeric],
        [categories(_pick(records, name), name) for name in columns.categorical],
        len(records),
    )


def columnwise(
    numeric: Sequence[NDArray[np.float64]], categorical: list[list[str | None]], count: int
) -> FeatureRows:
    """Features from whole columns of `count` values each."""
    matrix = np.empty((count, len(numeric)))
    for position, column in enumerate(numeric):
        matrix[:, position] = column
    return FeatureRows(matrix, categorical)


def numbers(values: Sequence[Any], name: str) -> NDArray[np.float64]:
    """One numeric column from JSON values: doubles; booleans are 0 and 1, None is NaN.

    Raises:
        DataError: for a value that is no finite number, or an integer that a double would round.

    >>> numbers([1, 2.5, None, True], "a").tolist()
    [1.0, 2.5, nan, 1.0]
    """
    # One look at the set of types instead of one at every value: most columns are clean.
    types = set(map(type, values))
    if not _NUMBER_TYPES.issuperset(types):
        for row, value in enumerate(values):
            if not isinstance(value, float | int | None):
                raise DataError(f"row {row}: {name} must be a number, not {_show(value)}")
    if types - _FLOATING and any(map(_rounded, values)):
        row = _first(values, _rounded)
        raise DataError(
            f"row {row}: {name} is an integer that a double would round, {_show(values[row])}; "
            "send it with a decimal point if it may be rounded"
        )
    array = np.array(values, dtype=np.float64)
    infinite = np.isinf(array)
    if infinite.any():
        row = int(infinite.argmax())
        raise DataError(
            f"row {row}: {name} must be a finite number, not infinity; send null if it is unknown"
        )
    return array


def categories(values: Sequence[Any], name: str) -> list[str | None]:
    """One categorical column from JSON values, each spelled as in training: 7, 7.0, "7.0" are "7".

    An empty text is missing, as None is.

    Raises:
        DataError: for a value that is neither text, finite number, boolean nor None.

    >>> categories(["x", 7, 7.0, 0.5, True, "True", "", None], "b")
    ['x', '7', '7', '0.5', 'true', 'true', None, None]
    """
    if _TEXT_TYPES.issuperset(map(type, values)):
        # Most columns hold few different texts: spell each once.
        spelled = {value: category_text(value) for value in set(values)}
        return _unicode([spelled[value] for value in values], name)
    for row, value in enumerate(values):
        known = isinstance(value, str | float | int | None)
        if not known or (isinstance(value, float) and np.isinf(value)):
            raise DataError(f"row {row}: {name} must be a text, not {_show(value)}")
    return _unicode([category_text(value) for value in values], name)


def texts(values: Sequence[Any], name: str) -> list[str | None]:
    """One column of ids from JSON values: texts as they are, 7 and 7.0 as "7".

    Raises:
        DataError: for a value that is neither text, whole number, boolean nor None.

    >>> texts(["x", 7, 7.0, "7.0", None], "b")
    ['x', '7', '7', '7.0', None]
    """
    if not _TEXT_TYPES.issuperset(map(type, values)):
        values = [_text(value, name, row) for row, value in enumerate(values)]
    return _unicode(list(values), name)


def _unicode(values: list[str | None], name: str) -> list[str | None]:
    try:
        "".join(value for value in values if value).encode()
    except UnicodeEncodeError:
        row = _first(values, _unpaired)
        raise DataError(
            f"row {row}: {name} is no valid Unicode, an unpaired surrogate; send it as UTF-8"
        ) from None
    return values


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
