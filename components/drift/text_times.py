"""Texts that are times: the same one written in two ways, or one of another time zone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache

from components.drift.causes import Pattern
from components.drift.text_pairs import TextPairs

_MOST_MINUTES = 14 * 60
_QUARTER = 15
# The largest of a date's three numbers is its year, where it is no day.
_MOST_DAYS = 31
_GROUPS = re.compile(r"\d+")
_DATE = re.compile(r"^\s*\d{1,4}[-/. ]\d{1,2}[-/. ]\d{1,4}")


def same_time(a: str, b: str) -> bool:
    """Whether two texts are one time: with other marks, or day and month in another order.

    >>> same_time("2013-04-01T06:00:00Z", "2013-04-01 06:00"), same_time("04/01/2013", "01.04.2013")
    (True, True)
    """
    first, second = _moment(a), _moment(b)
    if first is not None and second is not None:
        return first == second
    dates = [_DATE.match(text) for text in (a, b)]
    if dates[0] is None or dates[1] is None or a[dates[0].end() :] != b[dates[1].end() :]:
        return False
    parts = [sorted(int(part) for part in _GROUPS.findall(date[0])) for date in dates if date]
    return parts[0] == parts[1] and max(parts[0]) > _MOST_DAYS


def time_shift(pairs: TextPairs) -> Iterator[Pattern]:
    """Served is a whole number of quarters of an hour before or after trained."""
    shifts: Counter[str] = Counter()
    for (a, b), count in pairs.counts.items():
        minutes = _minutes(a, b)
        if minutes:
            shifts[str(minutes)] += count
    if not pairs.clear(shifts):
        return
    shift = int(shifts.most_common(1)[0][0])
    hours = f"{abs(shift) / 60:g} hour{'s' if abs(shift) != 60 else ''}"
    yield pairs.pattern(
        "time zone",
        f"served is {hours} {'ahead' if shift > 0 else 'behind'}, as in another time zone",
        lambda a, b: _minutes(a, b) == shift,
    )


def _minutes(a: str, b: str) -> int | None:
    """How many minutes a time is after another, where these may be a time zone's."""
    first, second = _moment(a), _moment(b)
    if first is None or second is None:
        return None
    seconds = (first - second).total_seconds()
    minutes = int(seconds // 60)
    fits = minutes * 60 == seconds and minutes % _QUARTER == 0 and abs(minutes) <= _MOST_MINUTES
    return minutes if fits else None


@lru_cache(maxsize=1 << 14)
def _moment(text: str) -> datetime | None:
    if len(text) < 10 or not _DATE.match(text):
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
