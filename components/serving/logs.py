"""The server's own log: a JSON object a line for machines, a sentence a line for a terminal."""

from __future__ import annotations

import json
import logging
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

Format = Literal["auto", "json", "text"]

# The module that is run is called so by Python.
_OURS = frozenset(("components", "pipelines", "__main__"))
# What a record has anyway; everything else in it was passed as `extra`.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    r"""One JSON object a line: time, level, logger, message, what was passed as `extra`, the fault.

    >>> record = logging.makeLogRecord({"msg": "refused\n", "levelname": "INFO", "request_id": "7"})
    >>> json.loads(JsonLines().format(record))["request_id"]
    '7'
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            line["fault"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to what stderr is at that moment, also where a caller replaced or closed the last.

    Of the libraries only warnings pass: a store's client tells of every credential it finds.
    """

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self.addFilter(_is_wanted)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 # the parent's name
        """A log that cannot be written is no reason for whoever wrote to it to fail."""
        with suppress(Exception):
            super().handleError(record)

    @property
    def stream(self) -> TextIO:  # type: ignore[override] # the parent keeps the first one
        """What stderr is now."""
        return sys.stderr


def set_up_logs(kind: Format = "auto") -> None:
    """Write the log to stderr; `auto` is text on a terminal and JSON otherwise."""
    handler = StderrHandler()
    if kind == "json" or (kind == "auto" and (sys.stderr is None or not sys.stderr.isatty())):
        handler.setFormatter(JsonLines())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def _is_wanted(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING or record.name.partition(".")[0] in _OURS


class Sparing:
    """Lets so many lines a second through, and says how many it kept back.

    >>> sparing = Sparing(2)
    >>> [sparing.let(now) for now in (0.0, 0.1, 0.2, 0.3, 1.5)]
    [0, 0, None, None, 2]
    """

    def __init__(self, each_second: int) -> None:
        self._each_second = each_second
        self._second = -1
        self._passed = 0
        self._kept_back = 0

    def let(self, now: float | None = None) -> int | None:
        """None to keep a line back; else how many were since the last one that passed."""
        second = int(time.monotonic() if now is None else now)
        if second != self._second:
            self._second, self._passed = second, 0
        if self._passed >= self._each_second:
            self._kept_back += 1
            return None
        self._passed += 1
        kept_back, self._kept_back = self._kept_back, 0
        return kept_back
