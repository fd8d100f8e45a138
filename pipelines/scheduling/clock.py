"""A schedule's times on the clock of Kubeflow Pipelines, which has one for all schedules.

Its controller reads every cron in one time zone, UTC unless it was installed with another, and a
recurring run cannot name its own. So the cron is written anew for that clock. Where the zone has a
summer time it comes at the winter's time all year round: in summer an hour late, never early. Which
window a run works on follows from the time in the schedule's own zone, whatever the clock did.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from components.core.cron import Cron
from components.core.errors import UsageError
from components.core.periods import parse_zone
from components.spec.schedule import Recurrence

# Long enough to meet each of a zone's offsets.
_AHEAD = timedelta(days=730)
_DAY_MINUTES = 1440


def cron_there(recurrence: Recurrence, clock: str = "UTC", now: datetime | None = None) -> Cron:
    """A schedule's cron, as KFP's controller has to be given it.

    Args:
        recurrence: the schedule; its cron is not empty.
        clock: the time zone that the controller was installed with.
        now: the present, for a zone's offsets.

    Raises:
        UsageError: when no six fields say the same there.

    >>> new_york = Recurrence(cron="0 30 6 * * mon", time_zone="America/New_York")
    >>> cron_there(new_york, now=datetime(2026, 6, 1, tzinfo=UTC)).text
    '0 30 11 * * mon'
    >>> cron_there(new_york, clock="America/New_York").text
    '0 30 6 * * mon'
    """
    zone, there = parse_zone(recurrence.time_zone), parse_zone(clock)
    cron = Cron.parse(recurrence.cron, zone)
    if recurrence.time_zone == clock:
        return cron
    present = now or datetime.now(UTC)
    if len(shifts := _offsets(there, present)) > 1:
        raise UsageError(
            f"Kubeflow Pipelines runs on the clock of {clock}, which is set twice a year; write "
            f"the schedule in that time zone, or set the controller's to UTC"
        )
    shift = shifts.pop() - min(_offsets(zone, present))
    hours, minutes, carry = _clock(cron, int(shift.total_seconds()) // 60)
    fields = cron.text.split()
    seconds = fields[0]
    return Cron.parse(" ".join([seconds, minutes, hours, *_dates(cron, fields[3:], carry)]), there)


def _offsets(zone: tzinfo, now: datetime) -> set[timedelta]:
    found = set()
    for days in range(0, _AHEAD.days, 7):
        offset = (now + timedelta(days=days)).astimezone(zone).utcoffset()
        found.add(offset or timedelta(0))
    return found


def _clock(cron: Cron, shift: int) -> tuple[str, str, int | None]:
    """Hours and minutes, so many minutes later, and by how many days dates move; None for both."""
    moved = [
        divmod(hour * 60 + minute + shift, _DAY_MINUTES)
        for hour in cron.hours
        for minute in cron.minutes
    ]
    times = {divmod(minute, 60) for _, minute in moved}
    hours, minutes = {hour for hour, _ in times}, {minute for _, minute in times}
    if len(times) != len(hours) * len(minutes):
        raise UsageError(
            f"the times of cron {cron.text!r} cannot be said in one line on the clock of Kubeflow "
            "Pipelines; take one minute, or write the schedule in UTC"
        )
    carries = {carry for carry, _ in moved}
    return _text(hours, 24), _text(minutes, 60), carries.pop() if len(carries) == 1 else None


def _dates(cron: Cron, fields: list[str], carry: int | None) -> list[str]:
    """The three fields about dates, for a clock on which it is another date already, or still."""
    every_day = (len(cron.days), len(cron.months), len(cron.weekdays)) == (31, 12, 7)
    if carry == 0 or every_day:
        return fields
    if carry is not None and len(cron.months) == 12:
        if len(cron.days) == 31:
            return ["*", "*", _text({(day + carry) % 7 for day in cron.weekdays}, 7)]
        moved = {day + carry for day in cron.days}
        if len(cron.weekdays) == 7 and min(moved) >= 1 and max(moved) <= 28:
            return [_text(moved, 0), "*", "*"]
    raise UsageError(
        f"at the time of cron {cron.text!r} it is another date on the clock of Kubeflow Pipelines, "
        "and its dates cannot be moved by a day; take a later hour of the day, or write the "
        "schedule in UTC"
    )


def _text(numbers: set[int], full: int) -> str:
    return "*" if len(numbers) == full else ",".join(map(str, sorted(numbers)))
