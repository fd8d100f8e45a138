"""One interface to every kind of source, and the choice of one from the spec."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import pyarrow as pa

from components.core.errors import DataError
from components.core.window import Window
from components.data.times import Span
from components.spec.model import FilesSource, FlightsSource, Spec

# In the metadata of a batch's schema: its texts come from a source that has no types (CSV).
UNTYPED = {b"driftline.untyped": b"1"}

_EXAMPLES = 5
_VARIABLE = re.compile(r"\$\{(\w+)\}")


class Scan:
    """One pass over a source: record batches, and what became known of the source on the way.

    Iterate once. The other attributes grow while it runs and are complete when it has ended.

    Attributes:
        types: every column that the source has, also those not asked for, with its types.
        skipped: rows that were not delivered because the source knew them to be outside.
        malformed: lines that are no rows, counted; `malformed_examples` shows some.
    """

    def __init__(self, read: Callable[[Scan], Iterator[pa.RecordBatch]]) -> None:
        self.types: dict[str, list[str]] = {}
        self.skipped = 0
        self.malformed = 0
        self.malformed_examples: list[str] = []
        self._read = read

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self._read(self)

    def is_malformed(self, what: str) -> None:
        """Count something that is no row, and keep it as an example."""
        self.malformed += 1
        if len(self.malformed_examples) < _EXAMPLES:
            self.malformed_examples.append(what[:120])

    def has(self, name: str, kind: str) -> None:
        """Note that the source has a column of this type."""
        kinds = self.types.setdefault(name, [])
        if kind not in kinds:
            kinds.append(kind)


class Source(Protocol):
    """Where rows come from.

    Attributes:
        outcomes: columns that are known only after the event and can never be features.
    """

    @property
    def outcomes(self) -> frozenset[str]:
        """Columns known only after the event."""
        ...

    def describe(self) -> str:
        """The source in one line, without secrets."""
        ...

    def scan(self, columns: Sequence[str], time: str, window: Window | None) -> Scan:
        """Read these columns, in the source's order, with whatever types they have.

        Batches lack the columns that the source lacks. With a window, a source leaves out what it
        can leave out cheaply; the caller filters. Equal sources give equal rows in equal order.

        Raises:
            DataError: while iterating, when the source cannot be read.
        """
        ...

    def names(self) -> list[str]:
        """All columns that the source has.

        Raises:
            DataError: when the source cannot be read.
        """
        ...

    def coverage(self, time: str) -> Span | None:
        """The first and the last event time of all rows, or None when there are none."""
        ...


def open_source(spec: Spec) -> Source:
    """The source that a spec names; nothing is read yet.

    Raises:
        DataError: when its address cannot be understood, or a library that it needs is missing.

    >>> from components.spec.load import parse_spec
    >>> open_source(parse_spec('''{
    ...     model: m, task: regression, source: {kind: files, path: "data/*.csv"}, metric: mae,
    ...     columns: {id: i, time: t, target: y, numeric: [x]},
    ...     estimator: {class: sklearn.linear_model.Ridge}}''')).describe()
    'files data/*.csv'
    """
    source = spec.source
    if isinstance(source, FilesSource):
        from components.data.files import Files

        return Files(source)
    if isinstance(source, FlightsSource):
        from components.data.nycflights13 import Flights

        return Flights()
    from components.data.sql import Sql

    return Sql(source)


def batch_rows(columns: int) -> int:
    """Rows of a record batch: enough for vectorised work, little in memory (16 MB of doubles).

    >>> batch_rows(20), batch_rows(1000)
    (65536, 2000)
    """
    return max(1_000, min(65_536, 2_000_000 // max(columns, 1)))


def expand(value: Any, where: str) -> Any:
    """Replace every `${NAME}` in a text, or in the texts of a mapping or list, by the environment.

    Raises:
        DataError: when the environment has no such name.

    >>> getfixture("monkeypatch").setenv("NAME", "secret")
    >>> expand({"key": "a-${NAME}", "port": 1}, "source.options")
    {'key': 'a-secret', 'port': 1}
    """
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: _variable(match[1], where), value)
    if isinstance(value, dict):
        return {key: expand(item, where) for key, item in value.items()}
    if isinstance(value, list):
        return [expand(item, where) for item in value]
    return value


def variables(text: str) -> list[str]:
    """The values of the environment variables that a text names."""
    return [os.environ.get(name, "") for name in _VARIABLE.findall(text)]


def one_line(error: BaseException) -> str:
    r"""An error of a library as one short line.

    >>> one_line(ValueError("not good\n  at all"))
    'not good at all'
    """
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:297]}..."


def _variable(name: str, where: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise DataError(
            f"{where} needs the environment variable {name}, which is not set; set it and run again"
        ) from None
