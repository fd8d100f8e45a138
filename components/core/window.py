"""Windows of event time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from components.core.errors import UsageError

_PARTIAL = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_time(text: str) -> datetime:
    """Read a point in time; without an offset it is UTC, and a date is its first instant.

    Args:
        text: an ISO 8601 date or time, or just `2013` or `2013-04`.

    Raises:
        UsageError: when the text is none of these.

    >>> parse_time("2013-04").isoformat()
    '2013-04-01T00:00:00+00:00'
    >>> parse_time("2013-04-01T02:00:00+02:00").isoformat()
    '2013-04-01T00:00:00+00:00'
    """
    text = text.strip()
    try:
        if match := _PARTIAL.fullmatch(text):
            year, month, day = (int(part or 1) for part in match.groups())
            return datetime(year, month, day, tzinfo=UTC)
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is not a time; write a date like 2013-04-01 or a time like 2013-04-01T06:00Z"
        ) from None


def parse_duration(text: str) -> timedelta:
    """Read a duration: a number and `s`, `m`, `h`, `d` or `w`.

    Raises:
        UsageError: when the text is not of that form.

    >>> parse_duration("36h")
    datetime.timedelta(days=1, seconds=43200)
    """
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise UsageError(
            f"{text!r} is not a duration; write a number with its unit, like 36h or 90d"
        )
    return timedelta(seconds=float(match[1]) * _SECONDS[match[2]])


def format_time(moment: datetime) -> str:
    """Write a time as briefly as it can be read back.

    >>> format_time(parse_time("2013-04-01")), format_time(parse_time("2013-04-01T06:30"))
    ('2013-04-01', '2013-04-01T06:30:00Z')
    """
    moment = moment.astimezone(UTC)
    if moment.time() == datetime.min.time():
        return moment.date().isoformat()
    return moment.isoformat().replace("+00:00", "Z")


@dataclass(frozen=True)
class Window:
    """A half-open interval of event time, `[start, end)`, in UTC.

    >>> window = Window.parse("2013-01..2013-04")
    >>> str(window), window.key
    ('2013-01-01..2013-04-01', '2013-01-01_2013-04-01')
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise UsageError("a window's start and end need a time zone")
        if self.start >= self.end:
            raise UsageError(
                f"the window {self} is empty; its start must lie before its end (excluded)"
            )

    @classmethod
    def parse(cls, text: str) -> Window:
        """Read `A..B`, start included and end excluded, or one year, month or day alone.

        Raises:
            UsageError: when a part is no time, or the start is not before the end.

        >>> str(Window.parse("2013-12"))
        '2013-12-01..2014-01-01'
        """
        start, separator, end = text.partition("..")
        if separator:
            return cls(parse_time(start), parse_time(end))
        match = _PARTIAL.fullmatch(text.strip())
        if not match:
            raise UsageError(
                f"{text!r} is not a window; write START..END (end excluded), or a month, 2013-04"
            )
        first = parse_time(text)
        try:
            if match[3]:
                return cls(first, first + timedelta(days=1))
            if match[2]:
                return cls(first, (first + timedelta(days=32)).replace(day=1))
            return cls(first, first.replace(year=first.year + 1))
        except (ValueError, OverflowError):
            raise UsageError(f"the window {text} ends after the last year, 9999") from None

    @classmethod
    def between(cls, start: str, end: str) -> Window:
        """Make a window from two times as text."""
        return cls(parse_time(start), parse_time(end))

    @property
    def key(self) -> str:
        """A name for folders and files."""
        return str(self).replace("..", "_").replace(":", "")

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    def __str__(self) -> str:
        return f"{format_time(self.start)}..{format_time(self.end)}"
