"""A source behind SQLAlchemy: the spec's query, its rows streamed in batches."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine import Connection, CursorResult, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from components.core.errors import DataError
from components.core.window import Window
from components.data.sources import Scan, batch_rows, expand, one_line, variables
from components.data.times import Span, span
from components.spec.model import SqlSource

# Python's objects take several times the memory of Arrow's.
_ROWS = 10_000
_ENCODED_VARIABLE = re.compile(r"%24%7B(\w+)%7D")
# Wide enough for any event, narrow enough for every database's timestamps.
_ALWAYS = Window(datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))


class Sql:
    """A query, with `:start` and `:end` bound to the window as UTC timestamps.

    What comes without an offset is taken for UTC, and so are `:start` and `:end` on the
    database's side. SQLite has no timestamps: it compares texts, and gets the two as
    `2013-04-01 06:00:00.000000`; write `datetime(t) >= datetime(:start)` if `t` looks different.
    """

    outcomes: frozenset[str] = frozenset()

    def __init__(self, source: SqlSource) -> None:
        self._source = source

    def describe(self) -> str:
        """The database, without the password; the query is in the spec."""
        try:
            shown = make_url(self._source.url).render_as_string(hide_password=True)
            return "sql " + _ENCODED_VARIABLE.sub(r"${\1}", shown)
        except (ArgumentError, ValueError):  # a ${PORT} is no number before it is expanded
            return f"sql {self._source.url.partition(':')[0]}"

    def names(self) -> list[str]:
        """The columns of the query's result."""
        with self._result(None) as result:
            return list(result.keys())

    def scan(self, columns: Sequence[str], time: str, window: Window | None) -> Scan:
        """Run the query and stream its rows."""
        del time
        return Scan(lambda scan: self._read(scan, columns, window))

    def coverage(self, time: str) -> Span | None:
        """Run the query over all times and stream that one column."""
        return span(self.scan([time], time, None), time)

    def _read(
        self, scan: Scan, columns: Sequence[str], window: Window | None
    ) -> Iterator[pa.RecordBatch]:
        with self._result(window) as result:
            names = list(result.keys())
            places = {name: names.index(name) for name in columns if name in names}
            if doubled := [name for name in places if names.count(name) > 1]:
                raise ValueError(f"it gives the column {doubled[0]!r} twice")
            for rows in result.partitions(min(_ROWS, batch_rows(len(names)))):
                arrays = {name: _array([row[i] for row in rows]) for name, i in places.items()}
                for name in names:
                    kind = arrays[name].type if name in arrays else None
                    if kind is None or not pa.types.is_null(kind):
                        scan.has(name, str(kind or "not read"))
                yield pa.record_batch(arrays) if arrays else _rows_alone(len(rows))
            for name in names:
                if name not in scan.types:
                    scan.has(name, "null")

    @contextmanager
    def _result(self, window: Window | None) -> Iterator[CursorResult[Any]]:
        window = window or _ALWAYS
        with self._reading():
            engine = self._engine()
            try:
                with engine.connect() as connection:
                    yield self._execute(connection, window)
            finally:
                engine.dispose()

    def _engine(self) -> Engine:
        url = make_url(expand(self._source.url, "source.url"))
        file = url.database if url.get_backend_name() == "sqlite" else None
        if file and not file.startswith((":memory:", "file:")) and not os.path.exists(file):
            # SQLite would make an empty database of that name.
            raise FileNotFoundError(f"there is no database file {file}")
        return sa.create_engine(url, poolclass=NullPool)

    def _execute(self, connection: Connection, window: Window) -> CursorResult[Any]:
        if connection.dialect.name == "postgresql":
            # Else it reads timestamps without an offset in the server's own time zone.
            connection.exec_driver_sql("SET TIME ZONE 'UTC'")
        query = sa.text(self._source.query)
        given = {"start": window.start, "end": window.end}
        named = set(query.compile().params)
        if unknown := sorted(named - set(given)):
            raise DataError(
                f"source.query needs :{unknown[0]}, but only :start and :end are given; "
                "write a colon that is none of these as \\:"
            )
        binds = [sa.bindparam(n, given[n], sa.DateTime(timezone=True)) for n in sorted(named)]
        # A cursor on the server's side, where the database has such.
        return connection.execution_options(stream_results=True).execute(query.bindparams(*binds))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turn what SQLAlchemy or a driver raises into one line with a remedy, without secrets."""
        try:
            yield
        except (NoSuchModuleError, ImportError) as error:
            raise DataError(
                f"source.url: {self._said(error)}; install the database's driver or correct the url"
            ) from error
        except ArgumentError:
            raise DataError(
                "source.url is no address of a database; write it like "
                "postgresql://user:${PASSWORD}@host/name or sqlite:///path/to/file.db"
            ) from None
        except (SQLAlchemyError, OSError, ValueError) as error:
            raise DataError(
                f"{self.describe()}: the query failed: {self._said(error)}; check source.query, "
                "source.url and the account's permissions"
            ) from None

    def _said(self, error: BaseException) -> str:
        said = one_line(getattr(error, "orig", None) or error)
        for secret in self._secrets():
            said = said.replace(secret, "***")
        return said

    def _secrets(self) -> list[str]:
        """What must not be shown: the password, and all that came from the environment."""
        secrets = [value for value in variables(self._source.url) if value]
        match = re.search(r"://[^:/@]*:([^@]*)@", self._source.url)
        return [*secrets, match[1]] if match and match[1] else secrets


def _array(values: list[Any]) -> pa.Array:
    """A column of Python values; values of several kinds, which SQLite allows, become texts."""
    try:
        return pa.array(values)
    # which of them Arrow raises depends on the kinds that meet in one column
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return pa.array([_text(value) for value in values], pa.string())


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | Decimal) and value == value // 1:
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return str(value)


def _rows_alone(count: int) -> pa.RecordBatch:
    """Rows without any of the columns asked for: there are still rows to count."""
    return pa.record_batch({"": pa.nulls(count)})
