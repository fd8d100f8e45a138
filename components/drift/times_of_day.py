"""Numbers that are times, an hour or a few apart: the mark of another time zone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from components.drift.causes import Mask, Pattern
from components.drift.number_pairs import Explains, Floats, NumberPairs, near

_MOST_HOURS = 14.0  # UTC+14, the farthest
_UNITS = (("s", 1.0, 1e8, 1e10), ("ms", 1e3, 1e11, 1e13), ("us", 1e6, 1e14, 1e16))


@dataclass(frozen=True)
class _Clock:
    """How a column tells the time: units in an hour, and where it starts anew, 0 for never."""

    hour: float
    around: float
    name: str


def time_zones(pairs: NumberPairs) -> Iterator[Pattern]:
    """Served is a whole number of quarters of an hour before or after trained.

    Where the column looks like the seconds, milliseconds or microseconds since 1970, or like the
    seconds, minutes or hours of a day, written 1345 for a quarter to two as well.
    """
    clock = _clock(pairs.population)
    if clock is None:
        return
    served, trained = _plain(clock, pairs.served), _plain(clock, pairs.trained)
    shifts = _wrapped(served - trained, clock.around)
    for shift in pairs.clear_mode(shifts, pairs.trained, 1e-9):
        hours = shift / clock.hour
        quarters = hours if clock.hour == 1 else 4 * hours
        if not hours or abs(hours) > _MOST_HOURS or quarters != round(quarters):
            continue
        text = f"served is {abs(hours):g} hour{'s' if abs(hours) != 1 else ''} "
        text += f"{'ahead' if hours > 0 else 'behind'}, as in another time zone ({clock.name})"
        yield pairs.pattern(
            "time zone",
            text,
            _after(clock, shift),
            noise=False,
        )


def _after(clock: _Clock, shift: float) -> Explains:
    """Served is so much later than trained, by the clock."""

    def explains(a: Floats, b: Floats) -> Mask:
        gap = _wrapped(_plain(clock, a) - _plain(clock, b), clock.around)
        return near(gap, np.full_like(gap, shift), np.zeros_like(gap))

    return explains


def _clock(population: Floats) -> _Clock | None:
    low, high = float(population.min()), float(population.max())
    middle = float(np.median(population))
    for unit, scale, least, most in _UNITS:
        if least < middle < most and low > 0:
            return _Clock(3600 * scale, 0.0, f"{unit} since 1970")
    if low < 0 or np.any(population != np.trunc(population)):
        return None
    if low <= 1 and 22 <= high <= 24:
        return _Clock(1.0, 24.0, "hours of the day")
    if 1200 < high <= 1440:
        return _Clock(60.0, 1440.0, "minutes of the day")
    if 1800 < high <= 2400 and np.all(np.mod(population, 100) < 60):
        return _Clock(60.0, 1440.0, "hours and minutes")
    return _Clock(3600.0, 86400.0, "seconds of the day") if 72000 < high <= 86400 else None


def _plain(clock: _Clock, values: Floats) -> Floats:
    """Hours and minutes such as 1345 as minutes; all others are plain already."""
    if clock.name != "hours and minutes":
        return values
    minutes: Floats = np.floor(values / 100) * 60 + np.mod(values, 100)
    return minutes


def _wrapped(difference: Floats, around: float) -> Floats:
    """Differences between times of a day, the shorter way round the clock."""
    if not around:
        return difference
    wrapped: Floats = np.mod(difference + around / 2, around) - around / 2
    return wrapped
