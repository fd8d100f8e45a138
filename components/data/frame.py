"""From rows to the frame a model sees; training and serving share this one translation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.core.errors import DataError
from components.data.feature_rows import FeatureRows
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


def rows_frame(rows: FeatureRows, columns: Columns) -> pd.DataFrame:
    """The same from typed rows, as a server has them.

    >>> import numpy as np
    >>> columns = Columns(id="i", time="t", target="y", numeric=["a"], categorical=["b"])
    >>> rows = FeatureRows(np.array([[1.0], [np.nan]]), [["7", None]])
    >>> rows_frame(rows, columns).to_dict("records")
    [{'a': 1.0, 'b': '7'}, {'a': nan, 'b': None}]
    """
    data: dict[str, Any] = {
        name: pd.Series(rows.numeric[:, position], dtype="float64")
        for position, name in enumerate(columns.numeric)
    }
    for name, texts in zip(columns.categorical, rows.categorical, strict=True):
        data[name] = pd.Series(texts, dtype="object")
    return pd.DataFrame(data, columns=columns.features)


def frame_rows(frame: pd.DataFrame, columns: Columns) -> FeatureRows:
    """The way back: typed rows from the frame that a model sees.

    >>> columns = Columns(id="i", time="t", target="y", numeric=["a"], categorical=["b"])
    >>> rows = frame_rows(pd.DataFrame({"a": [1.0, float("nan")], "b": ["7", None]}), columns)
    >>> rows.numeric.tolist(), rows.categorical
    ([[1.0], [nan]], [['7', None]])
    """
    texts = [
        [text if isinstance(text, str) else None for text in frame[name]]
        for name in columns.categorical
    ]
    return FeatureRows(frame[columns.numeric].to_numpy(dtype="float64"), texts)
