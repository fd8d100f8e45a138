"""The prediction log: where it lies, and what its columns are.

    <store>/<model>/predictions/date=YYYY-MM-DD/hour=HH/<part>.<version>.parquet

Partitions are hours of the rows' event time in UTC, so a window is read from its own parts alone.
Files are immutable and appear atomically: `components.serving.log` writes them,
`components.data.predictions` reads them. A small part may get further versions, each with all rows
of the one before, which is deleted some time after: only a part's latest version counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
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
_NAME = re.compile(r"(?P<stem>.+)\.(?P<version>\d{4,})\.parquet")


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


def part_name(stem: str, version: int) -> str:
    """The name of one version of a part.

    Later versions come later in a listing too, which a store may give piece by piece: whoever
    misses an older version because it is gone by then comes to the newer one.

    >>> part_name("flights/predictions/date=2013-04-01/hour=06/a-000000", 1)
    'flights/predictions/date=2013-04-01/hour=06/a-000000.0001.parquet'
    """
    return f"{stem}.{version:04d}.parquet"


def part_stem(name: str) -> tuple[str, int]:
    """A file's name without the version, and the version.

    >>> part_stem("a-000000.0001.parquet"), part_stem("b.parquet")
    (('a-000000', 1), ('b.parquet', 0))
    """
    found = _NAME.fullmatch(name)
    return (found["stem"], int(found["version"])) if found else (name, 0)


def latest_versions(names: Iterable[str]) -> list[str]:
    """Of the files of a log, those that count: of each part the latest version.

    >>> latest_versions(["b.parquet", "a.0000.parquet", "a.0001.parquet", "notes.txt"])
    ['a.0001.parquet', 'b.parquet']
    """
    latest: dict[str, tuple[int, str]] = {}
    for name in names:
        if name.endswith(".parquet"):
            stem, version = part_stem(name)
            latest[stem] = max((version, name), latest.get(stem, (-1, "")))
    return sorted(name for _, name in latest.values())


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


def repeating(schema: pa.Schema) -> list[str]:
    """The columns whose values repeat, so that a dictionary of them saves room.

    Of numbers and ids it would take longer to make than all the rest of a file.
    """
    return [
        field.name
        for field in schema
        if pa.types.is_string(field.type) and field.name not in ("row_id", "request_id")
    ]


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
