"""From rows to the frame a model sees; training and serving share this one translation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.core.errors import DataError
from components.spec.model import Columns


def read_rows(path: str | Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a window's Parquet file, or some of its columns.

    Raises:
        DataError: when the file is not there or is no Parquet.
    """
    try:
        return pq.read_table(path, columns=list(columns) if columns else None)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from error


def features_frame(table: pa.Table, columns: Columns) -> pd.DataFrame:
    """The features as a model sees them, in the spec's order.

    Numeric columns become float64 with NaN for missing, categorical ones `object` columns of
    `str` with None for missing. Whole numbers and booleans in a categorical column become "1"
    and "true", whatever other rows hold, so that a missing value never turns 1 into "1.0".

    >>> columns = Columns(id="i", time="t", target="y", numeric=["a"], categorical=["b"])
    >>> table = pa.table({"a": [1, None], "b": [7, None]})
    >>> features_frame(table, columns).to_dict("records")
    [{'a': 1.0, 'b': '7'}, {'a': nan, 'b': None}]
    """
    data: dict[str, Any] = {}
    for name in columns.numeric:
        numbers = table.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False)
        data[name] = pd.Series(numbers, dtype="float64")
    for name in columns.categorical:
        texts = table.column(name).cast(pa.string()).to_pylist()
        data[name] = pd.Series(texts, dtype="object")
    return pd.DataFrame(data, columns=columns.features)


def features_from_records(records: Sequence[Mapping[str, Any]], columns: Columns) -> pd.DataFrame:
    """The same frame from rows as JSON objects, the way a server receives them.

    Raises:
        DataError: naming the column and the row, when a value cannot be one of that column's.
    """
    arrays = {}
    for name in columns.numeric:
        arrays[name] = pa.array([_number(r, name, i) for i, r in enumerate(records)], pa.float64())
    for name in columns.categorical:
        arrays[name] = pa.array([_text(r, name, i) for i, r in enumerate(records)], pa.string())
    return features_frame(pa.table(arrays), columns)


def _number(record: Mapping[str, Any], name: str, row: int) -> float | None:
    value = _value(record, name, row)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return None if value is None else float(value)
    if isinstance(value, bool):
        return float(value)
    raise DataError(f"row {row}: {name} must be a number, not {value!r:.40}")


def _text(record: Mapping[str, Any], name: str, row: int) -> str | None:
    value = _value(record, name, row)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, str | int):
        return None if value is None else str(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    raise DataError(f"row {row}: {name} must be a text, not {value!r:.40}")


def _value(record: Mapping[str, Any], name: str, row: int) -> Any:
    try:
        return record[name]
    except KeyError:
        raise DataError(
            f"row {row}: column {name} is missing; send null if it is unknown"
        ) from None
