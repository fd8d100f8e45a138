"""The prediction log: where it lies, and what its columns are.

    <store>/<model>/predictions/date=YYYY-MM-DD/hour=HH/<part>.parquet

Partitions are hours of the rows' event time in UTC, so a window is read from its own parts alone.
Parts are immutable and appear atomically: `components.serving.log` writes them,
`components.data.predictions` reads them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from components.core.errors import DataError
from components.core.verdict import Document
from components.spec.model import Columns

FEATURE = "feature."
TIME = pa.timestamp("us", tz="UTC")
METADATA = b"driftline"


class LogReport(Document):
    """What the log holds of a window: rows after, and duplicates removed by, keeping one a row id.

    `releases` counts the kept rows by the release that answered them; `parts` are the files read.
    """

    window: str
    rows: int
    duplicates: int
    releases: dict[str, int]
    parts: int = 0


def log_prefix(model: str) -> str:
    """The folder of a model's prediction log, below the store's address."""
    return f"{model}/predictions"


def log_partition(model: str, hour: datetime) -> str:
    """The folder for the rows of one hour of event time.

    >>> log_partition("flights", datetime(2013, 4, 1, 6, 59, tzinfo=UTC))
    'flights/predictions/date=2013-04-01/hour=06'
    """
    hour = hour.astimezone(UTC)
    return f"{log_prefix(model)}/date={hour.date().isoformat()}/hour={hour.hour:02d}"


def log_schema(columns: Columns, prediction: pa.DataType) -> pa.Schema:
    """The columns of the log and of a predictions window file.

    Args:
        columns: the spec's columns.
        prediction: double for regression, else the type of the target's values.

    >>> columns = Columns(id="i", time="t", target="y", numeric=["a"], categorical=["b"])
    >>> log_schema(columns, pa.int64()).names[-3:]
    ['probability', 'feature.a', 'feature.b']
    """
    return pa.schema(
        [
            ("row_id", pa.string()),
            ("event_time", TIME),
            ("served_at", TIME),
            ("release", pa.string()),
            ("request_id", pa.string()),
            ("prediction", prediction),
            ("probability", pa.list_(pa.float64())),
            *((f"{FEATURE}{name}", pa.float64()) for name in columns.numeric),
            *((f"{FEATURE}{name}", pa.string()) for name in columns.categorical),
        ]
    )


def read_log_report(path: str | Path) -> LogReport:
    """The report in a predictions window file.

    Raises:
        DataError: when the file is not there, no Parquet, or was not written by this package.
    """
    try:
        metadata = pq.read_schema(path).metadata or {}
        return LogReport.model_validate_json(metadata[METADATA])
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from error
    except (KeyError, ValidationError):
        raise DataError(
            f"{path} holds no report of the prediction log; write it with read_predictions"
        ) from None
