"""Cron as Kubeflow Pipelines reads it: six fields, the seconds first.

KFP 2.17's controller parses with robfig/cron 1.2. It takes five fields without a word and reads
them as six, with the day of the week left out, so that is refused here. A date has to fit the day
of the month and the day of the week, but where both are restricted one of them is enough. A time
that the clock skips in spring is skipped that day; one that it shows twice in autumn comes twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cached_property, partial

from components.core.errors import UsageError

# So far ahead KFP's controller looks for a time that fits.
_HORIZON = timedelta(days=5 * 366)
# An hour of the clock lies within so much of its first minute, wherever the clock is set in it.
_REACH = timedelta(hours=3)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DESCRIPTORS = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
_PART = re.compile(r"(?:([*?])|(\w+)(?:-(\w+))?)(?:/(\d+))?")


@dataclass(frozen=True)
class _Field:
    """One of the six fields: what it is called, its bounds, and names for its numbers."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def read(self, text: str) -> frozenset[int]:
        """The numbers that a field's text stands for."""
        return frozenset(number for part in text.split(",") for number in self._part(part))

    def _part(self, text: str) -> range:
        match = _PART.fullmatch(text)
        if not match:
            raise UsageError(f"{self.name} {text!r} is not a number, a range, '*' or a step of one")
        star, first, last, step = match.groups()
        if star:
            start, end = self.low, self.high
        else:
            start = self._number(first)
            # A step from one number on goes to the end of the field.
            end = self._number(last) if last else self.high if step else start
        if start > end:
            raise UsageError(f"{self.name} {text!r} begins after its end; write two ranges")
        if step is not None and int(step) == 0:
            raise UsageError(f"{self.name} {text!r} has a step of 0; write 1 or more")
        return range(start, end + 1, int(step or 1))

    def _number(self, text: str) -> int:
        if text.lower() in self.names:
            return self.names.index(text.lower()) + self.low
        if not text.isascii() or not text.isdigit() or not self.low <= int(text) <= self.high:
            names = f" or {self.names[0]} to {self.names[-1]}" if self.names else ""
            raise UsageError(f"{self.name} {text!r} is not within {self.low} to {self.high}{names}")
        return int(text)


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 6, _DAYS),
)


@dataclass(frozen=True)
class Cron:
    """When something is due: the instants whose wall clock, in a time zone, fits six fields.

    >>> cron = Cron.parse("0 30 6 * * mon-fri")
    >>> cron.next(datetime(2026, 6, 5, 6, 30, tzinfo=UTC)).isoformat()
    '2026-06-08T06:30:00+00:00'
    >>> cron.previous(datetime(2026, 6, 8, 6, 29, tzinfo=UTC)).isoformat()
    '2026-06-05T06:30:00+00:00'
    """

    text: str
    zone: tzinfo
    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @classmethod
    def parse(cls, text: str, zone: tzinfo = UTC) -> Cron:
        """Read six fields: second, minute, hour, day of the month, month, day of the week.

        Args:
            text: the six fields; `*`, `?`, lists, ranges, steps, and names for months and days.
            zone: whose clock.

        Raises:
            UsageError: for anything else, or for what never comes; five fields are shown as six.

        >>> Cron.parse("@daily")
        Traceback (most recent call last):
        ...
        components.core.errors.UsageError: cron '@daily' is a name; write '0 0 0 * * *'
        """
        fields = text.split()
        try:
            _count(text.strip(), fields)
            read = [field.read(part) for field, part in zip(_FIELDS, fields, strict=True)]
        except UsageError as error:
            raise UsageError(f"cron {text!r} {_joined(str(error))}") from None
        cron = cls(" ".join(fields), zone, *read)
        leap_year = (date(2000, 1, 1) + timedelta(days=day) for day in range(366))
        # Where the day of the week counts as well, any date has the wanted one in some year.
        if not any(day.month in cron.months and day.day in cron.days for day in leap_year) and (
            cron._starred
        ):
            raise UsageError(f"cron {text!r} never comes: its months have no such day")
        return cron

    def next(self, after: datetime) -> datetime:
        """The first instant after a moment, in UTC.

        Raises:
            UsageError: when none comes within five years.
        """
        for day in self._dates(after - timedelta(days=1), forward=True):
            for begin, block in self._blocks(day):
                if begin + _REACH > after:
                    for moment in block():
                        if moment > after:
                            return moment
        raise UsageError(f"cron {self.text!r} does not come within five years")

    def previous(self, before: datetime) -> datetime:
        """The last instant at a moment or before it, in UTC.

        Raises:
            UsageError: when there was none for five years.
        """
        for day in self._dates(before + timedelta(days=1), forward=False):
            for begin, block in reversed(self._blocks(day)):
                if begin - _REACH <= before:
                    for moment in reversed(block()):
                        if moment <= before:
                            return moment
        raise UsageError(f"cron {self.text!r} did not come for five years")

    def after(self, moment: datetime) -> Iterator[datetime]:
        """All instants after a moment, one by one."""
        while True:
            moment = self.next(moment)
            yield moment

    def fits(self, day: date) -> bool:
        """Whether a date fits the three fields about dates."""
        if day.month not in self.months:
            return False
        monthday, weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (monthday and weekday) if self._starred else (monthday or weekday)

    @cached_property
    def _starred(self) -> bool:
        """Whether one of the two fields about days does not restrict them, as robfig/cron sees it.

        It looks for a star anywhere in the field: `*/2` counts as one.
        """
        fields = self.text.split()
        return any(sign in fields[place] for place in (3, 5) for sign in "*?")

    def _dates(self, moment: datetime, *, forward: bool) -> Iterator[date]:
        day = moment.astimezone(self.zone).date()
        step = timedelta(days=1 if forward else -1)
        for _ in range(_HORIZON.days):
            if self.fits(day):
                yield day
            day += step

    def _blocks(self, day: date) -> list[tuple[datetime, Callable[[], list[datetime]]]]:
        """The hours of a date as they pass, each with about when, and what is due in it.

        An hour that the clock shows twice is there twice.
        """
        blocks = []
        for hour in sorted(self.hours):
            wall = datetime(day.year, day.month, day.day, hour, tzinfo=self.zone)
            for fold in (0, 1):
                begin = wall.replace(fold=fold).astimezone(UTC)
                blocks.append((begin, partial(self._moments, wall, fold)))
        return sorted(blocks, key=lambda block: block[0])

    def _moments(self, wall: datetime, fold: int) -> list[datetime]:
        """What is due in an hour; nothing that the clock skips, nothing a second time."""
        found = []
        for minute in sorted(self.minutes):
            for second in sorted(self.seconds):
                shown = wall.replace(minute=minute, second=second)
                moment = shown.replace(fold=fold).astimezone(UTC)
                skipped = moment.astimezone(self.zone).replace(fold=0) != shown
                if not skipped and (fold == 0 or moment != shown.astimezone(UTC)):
                    found.append(moment)
        return found


def _count(text: str, fields: list[str]) -> None:
    if text in _DESCRIPTORS:
        raise UsageError(f"is a name; write {_DESCRIPTORS[text]!r}")
    if text.startswith("@every"):
        raise UsageError("has no fixed times, so no windows follow from it; write six fields")
    if len(fields) == 5:
        raise UsageError(
            "has five fields, but Kubeflow Pipelines reads six, the seconds first; "
            f"write {' '.join(['0', *fields])!r}"
        )
    if len(fields) != 6:
        raise UsageError(
            f"has {len(fields)} fields; write six: second, minute, hour, day of the month, month, "
            "day of the week, like '0 0 6 * * *'"
        )


def _joined(problem: str) -> str:
    return problem if problem.startswith(("has ", "is ")) else f"is wrong: {problem}"
