"""One CSV file: its columns as text, so that a wrong value is counted rather than fatal."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv

from components.data.convert import NO_VALUE
from components.data.sources import UNTYPED, Scan

# Rows reach memory in blocks of this many bytes of text.
_BLOCK = 4 << 20
_HEADER = 1 << 20
_DELIMITERS = ",;\t|"

Open = Callable[[], AbstractContextManager[BinaryIO]]


class CsvPart:
    """A CSV file with a header, separated by commas, semicolons, tabs or bars, in UTF-8.

    An unquoted NA (and its relatives) and an empty field are no value; a quoted "NA" is a text.

    Attributes:
        names: the columns in the file's order; none when the file is empty.
    """

    def __init__(self, opening: Open) -> None:
        self._open = opening
        with opening() as file:
            # The cut may fall into a character; real mistakes are found when the file is read.
            head = _Text(file).read(_HEADER).decode("utf-8-sig", errors="replace")
        self._delimiter = _delimiter(head)
        rows = csv.reader(io.StringIO(head), delimiter=self._delimiter)
        self.names = next((row for row in rows if row), [])

    def batches(self, columns: Sequence[str], scan: Scan) -> Iterator[pa.RecordBatch]:
        """The columns that the file has, as text.

        Lines with too few or too many fields are counted in `scan`.

        Raises:
            ValueError: when the file has one of the columns twice.
            pyarrow.ArrowInvalid: when the file is no CSV or not in UTF-8.
        """
        if not self.names:
            return
        wanted = [name for name in columns if name in self.names]
        if doubled := [name for name in wanted if self.names.count(name) > 1]:
            raise ValueError(f"it has the column {doubled[0]!r} twice")
        # Without any of the columns there are still rows to count.
        present = wanted or self.names[:1]
        with self._open() as file:
            text = _Text(file)
            with self._reader(text, present, scan) as reader:
                for batch in reader:
                    columns = [_without_empty(column) for column in batch.columns]
                    schema = batch.schema.with_metadata(UNTYPED)
                    yield pa.RecordBatch.from_arrays(columns, schema=schema)
            if text.quotes % 2:
                scan.is_malformed("an odd number of quotes: a field may hold the lines after it")

    def _reader(self, text: _Text, names: list[str], scan: Scan) -> pc_csv.CSVStreamingReader:
        def malformed(row: pc_csv.InvalidRow) -> str:
            found = f"{row.actual_columns} fields, not {row.expected_columns}: {row.text}"
            scan.is_malformed(found)
            return "skip"

        return pc_csv.open_csv(
            text,
            read_options=pc_csv.ReadOptions(block_size=_BLOCK),
            parse_options=pc_csv.ParseOptions(
                delimiter=self._delimiter,
                newlines_in_values=True,
                invalid_row_handler=malformed,
            ),
            convert_options=pc_csv.ConvertOptions(
                include_columns=names,
                column_types=dict.fromkeys(names, pa.string()),
                null_values=list(NO_VALUE),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )


def _delimiter(head: str) -> str:
    """The separator that the header line has most of."""
    line = head.lstrip("\r\n").partition("\n")[0]
    return max(_DELIMITERS, key=line.count)


def _without_empty(texts: pa.Array) -> pa.Array:
    """A quoted empty field is no value either: some programs quote everything."""
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


class _Text(io.RawIOBase):
    """A stream whose reads are never short; it counts the quotes that pass."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.quotes = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        pieces = []
        while size and (piece := self._file.read(size)):
            pieces.append(piece)
            size -= len(piece) if size > 0 else 0
        content = b"".join(pieces)
        self.quotes += content.count(b'"')
        return content
