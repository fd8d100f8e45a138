"""Windows that follow the clock: whole hours, days, weeks or months, or so much time each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from components.core.errors import UsageError
from components.core.window import Window, parse_duration

# Windows that the calendar cuts; their lengths differ.
_CALENDAR = ("day", "week", "month")
_DAY = re.compile(r"\d{4}-\d{2}(-\d{2})?")
# A Monday, from which windows of a fixed length are counted.
_EPOCH = datetime(1970, 1, 5, tzinfo=UTC)


def parse_zone(name: str) -> tzinfo:
    """A time zone by its name, as the tz database has it.

    Raises:
        UsageError: when there is none.

    >>> parse_zone("Berlin")
    Traceback (most recent call last):
    ...
    components.core.errors.UsageError: there is no time zone 'Berlin'; write UTC, or a name like \
Europe/Berlin
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise UsageError(
            f"there is no time zone {name!r}; write UTC, or a name like Europe/Berlin"
        ) from None


@dataclass(frozen=True)
class Periods:
    """How time is cut into windows: without a gap, without an overlap, the same whoever asks.

    `length` is a `day`, a `week` from Monday on, or a `month` of a zone's calendar; or an `hour` or
    a duration such as `6h`, counted in UTC from a Monday on.

    >>> months = Periods("month")
    >>> str(months.holding(datetime(2026, 6, 2, 6, tzinfo=UTC)))
    '2026-06-01..2026-07-01'
    >>> str(months.complete(datetime(2026, 6, 2, 6, tzinfo=UTC), timedelta(days=1)))
    '2026-05-01..2026-06-01'
    """

    length: str
    zone: tzinfo = UTC

    def __post_init__(self) -> None:
        if self.length not in _CALENDAR and parse_length(self.length) < timedelta(seconds=1):
            raise UsageError(f"a window of {self.length} is too short; write 1s or more")

    def holding(self, moment: datetime) -> Window:
        """The window that a moment is in."""
        start = self._start(moment)
        return Window(start, self._end(start))

    def complete(self, moment: datetime, delay: timedelta) -> Window:
        """The last whole window that had ended at least `delay` before a moment."""
        return self.before(self.holding(moment - delay))

    def before(self, window: Window) -> Window:
        """The window before one of these."""
        return self.holding(window.start - timedelta(microseconds=1))

    def after(self, window: Window) -> Window:
        """The window after one of these."""
        return self.holding(window.end)

    def range(self, text: str) -> Window:
        """A range as a user writes it: days without an hour begin on the calendar's clock.

        >>> str(Periods("month", parse_zone("Europe/Berlin")).range("2024-04..2024-05"))
        '2024-03-31T22:00:00Z..2024-04-30T22:00:00Z'

        Raises:
            UsageError: as `Window.parse` does.
        """
        window = Window.parse(text)
        if self.length not in _CALENDAR:
            return window
        plain = [_DAY.fullmatch(part) for part in text.split("..")]
        begins, ends = plain[0], plain[-1]
        return Window(
            window.start.replace(tzinfo=self.zone).astimezone(UTC) if begins else window.start,
            window.end.replace(tzinfo=self.zone).astimezone(UTC) if ends else window.end,
        )

    def cut(self, window: Window) -> list[Window]:
        """The windows that a longer one consists of, in order.

        Raises:
            UsageError: when it begins or ends within one of them; the message has the next that
                does not.
        """
        first, last = self.holding(window.start), self._last(window)
        if (first.start, last.end) != (window.start, window.end):
            where = f" in the time zone {self.zone}" if self.zone is not UTC else ""
            raise UsageError(
                f"{window} does not consist of whole windows of {self.length}{where}; those that "
                f"hold it are {Window(first.start, last.end)}"
            )
        return list(self._through(first, window.end))

    def _through(self, window: Window, end: datetime) -> Iterator[Window]:
        while window.start < end:
            yield window
            window = self.after(window)

    def _last(self, window: Window) -> Window:
        return self.holding(window.end - timedelta(microseconds=1))

    def _start(self, moment: datetime) -> datetime:
        if self.length not in _CALENDAR:
            length = parse_length(self.length)
            return _EPOCH + (moment - _EPOCH) // length * length
        local = moment.astimezone(self.zone)
        day = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        if self.length == "week":
            day -= timedelta(days=day.weekday())
        if self.length == "month":
            day = day.replace(day=1)
        return day.astimezone(UTC)

    def _end(self, start: datetime) -> datetime:
        if self.length not in _CALENDAR:
            return start + parse_length(self.length)
        # Noon of a day that is certainly in the next one, however long the days are.
        days = {"day": 1, "week": 7, "month": 31}[self.length]
        return self._start(start + timedelta(days=days, hours=12))


def parse_length(text: str) -> timedelta:
    """The length of windows that no calendar cuts.

    Raises:
        UsageError: when it is neither.

    >>> parse_length("fortnight")
    Traceback (most recent call last):
    ...
    components.core.errors.UsageError: 'fortnight' is no window; write hour, day, week, month, or \
a duration like 6h
    """
    try:
        return parse_duration("1h" if text == "hour" else text)
    except UsageError:
        raise UsageError(
            f"{text!r} is no window; write hour, {', '.join(_CALENDAR)}, or a duration like 6h"
        ) from None
