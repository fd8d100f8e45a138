"""What ingest says about a window: counts in and out, and what each column was made from."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, ValidationError

from components.core.errors import DataError
from components.core.verdict import Document

# The key of the report in the metadata of a window's Parquet file.
METADATA_KEY = b"driftline"


class ColumnReport(Document):
    """How one column of the spec arrived.

    `source_type` is the source's own type: an Arrow type's name, `text` for CSV, `partition` for
    a value from a hive path, `missing` where the source has no such column; a column that has
    several types in several files lists them all. `unparsable` counts the values that became null
    because they are not of the column's role, with up to five different examples.
    """

    source_type: str
    unparsable: int = 0
    examples: list[str] = Field(default_factory=list)


class IngestReport(Document):
    """What was read from a source for one window, and what was left out.

    `rows_read == rows_outside + rows_bad_time + rows_no_id + duplicates + rows`; rows that the
    source itself left out because they lie outside of the window count as read and outside.
    `rows_malformed` are CSV lines that are no rows at all, with up to five of them in `malformed`.
    `fingerprint` is that of the written content: the same rows in any order have the same one.
    """

    window: str
    as_of: str
    source: str
    rows_read: int
    rows_outside: int
    rows_bad_time: int
    rows_no_id: int
    duplicates: int
    rows: int
    labels: int
    labels_not_due: int
    missing_columns: list[str]
    extra_columns: list[str]
    columns: dict[str, ColumnReport]
    fingerprint: str
    rows_malformed: int = 0
    malformed: list[str] = Field(default_factory=list)


def read_report(path: str | Path) -> IngestReport:
    """Read the report that ingest put into a window's Parquet file.

    Raises:
        DataError: when the file is not there, is no Parquet, or was not written by ingest.
    """
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from error
    try:
        return IngestReport.model_validate_json(metadata[METADATA_KEY])
    except (KeyError, ValidationError):
        raise DataError(
            f"{path} holds no ingest report; it was not written by ingest, or by another version "
            "of it: run ingest again"
        ) from None
