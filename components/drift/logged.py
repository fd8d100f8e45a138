"""What the prediction log says was answered, whatever its columns hold."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.core.errors import DataError
from components.drift.values import as_strings

_PROBABILITY = pa.list_(pa.float64())


def read_answers(path: Path, release: str | None = None) -> pa.Table:
    """The answers in a window's part of the log.

    Args:
        path: a Parquet file as the log's reader writes it. A column that it lacks, or that is of
            another kind, is null.
        release: this release's answers only.

    Returns:
        The columns row_id, release (texts), prediction (as logged) and probability (lists).

    Raises:
        DataError: when the file is not there or is no Parquet.

    >>> path = getfixture("tmp_path") / "log.parquet"
    >>> pq.write_table(pa.table({"row_id": [7], "prediction": [0.5]}), path)
    >>> read_answers(path).to_pylist()
    [{'row_id': '7', 'release': None, 'prediction': 0.5, 'probability': None}]
    """
    names = ["row_id", "release", "prediction", "probability"]
    try:
        with pq.ParquetFile(path) as file:
            present = [name for name in names if name in file.schema_arrow.names]
            table = file.read(columns=present)
            rows = file.metadata.num_rows
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"{path} cannot be read as Parquet: {error}; write the window again"
        ) from error
    found = {name: table.column(name).combine_chunks() for name in present}
    given = {name: found.get(name, pa.nulls(rows)) for name in names}
    answers = pa.table(
        {
            "row_id": as_strings(given["row_id"]),
            "release": as_strings(given["release"]),
            "prediction": given["prediction"],
            "probability": _lists(given["probability"]),
        }
    )
    if release is None:
        return answers
    return answers.filter(pc.equal(answers.column("release"), release))


def _lists(array: pa.Array) -> pa.Array:
    kind = array.type
    if pa.types.is_list(kind) and pa.types.is_floating(kind.value_type):
        return array.cast(_PROBABILITY)
    return pa.nulls(len(array), _PROBABILITY)
