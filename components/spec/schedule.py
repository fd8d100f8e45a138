"""When pipelines run by themselves, and on which window: the spec's `schedule`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import ValidationError

from components.core.cron import Cron
from components.core.errors import UsageError
from components.core.periods import Periods, parse_zone
from components.core.window import Window, parse_duration
from components.spec.part import Duration, Part, readable

Scheduled = Literal["training", "monitoring"]
# So many windows ahead it is looked whether one is left out: more than a year of days.
_AHEAD = 400


class Recurrence(Part):
    """When a pipeline runs by itself, and which window a run works on.

    `cron` has six fields, the seconds first, on the clock of `time_zone`; empty for no schedule.
    A run works on the last whole `window` that had ended `delay` before its scheduled time: an
    `hour`, a `day`, a `week` from Monday on, a `month`, or a duration such as `6h`. Without a
    `delay` it is the label's. A training run trains up to that window's end.
    """

    cron: Annotated[str, readable(lambda text: text and Cron.parse(text))] = ""
    time_zone: Annotated[str, readable(parse_zone)] = "UTC"
    window: Annotated[str, readable(Periods)] = "day"
    delay: Duration | None = None


class Schedule(Part):
    """When each of the pipelines runs by itself; `driftline schedule apply` makes it so."""

    monitoring: Recurrence = Recurrence()
    training: Recurrence = Recurrence()


def changed(schedule: Schedule, pipeline: Scheduled, changes: Mapping[str, str]) -> Schedule:
    """A schedule with other words for a pipeline, checked like those of a spec.

    Raises:
        UsageError: naming the one that cannot be.

    >>> changed(Schedule(), "monitoring", {"cron": "0 6 * * *"})
    Traceback (most recent call last):
    ...
    components.core.errors.UsageError: cron '0 6 * * *' has five fields, but Kubeflow Pipelines \
reads six, the seconds first; write '0 0 6 * * *'
    """
    content = schedule.model_dump()
    content[pipeline] |= changes
    try:
        return Schedule.model_validate(content)
    except ValidationError as error:
        raise UsageError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None


@dataclass(frozen=True)
class Rule:
    """Which window belongs to which time.

    >>> rule = Rule.of(Recurrence(cron="0 0 6 2 * *", window="month"), timedelta(days=1))
    >>> str(rule.window(datetime.fromisoformat("2026-06-02T06:00:00+00:00")))
    '2026-05-01..2026-06-01'
    """

    cron: Cron | None
    periods: Periods
    delay: timedelta

    @classmethod
    def of(cls, recurrence: Recurrence, label_delay: timedelta) -> Rule:
        """The rule that a spec's part stands for."""
        zone = parse_zone(recurrence.time_zone)
        return cls(
            cron=Cron.parse(recurrence.cron, zone) if recurrence.cron else None,
            periods=Periods(recurrence.window, zone),
            delay=label_delay if recurrence.delay is None else parse_duration(recurrence.delay),
        )

    def due(self, moment: datetime) -> datetime:
        """The scheduled time that a moment belongs to: the last one, however late a run starts."""
        return self.cron.previous(moment) if self.cron else moment

    def window(self, moment: datetime) -> Window:
        """The window that a run which was scheduled for a moment, or started later, works on."""
        return self.periods.complete(self.due(moment), self.delay)

    def comes(self, window: Window) -> datetime:
        """When a window's turn comes: the first scheduled time at which it is complete."""
        complete = window.end + self.delay
        return self.cron.next(complete - timedelta(microseconds=1)) if self.cron else complete

    def check_gapless(self, now: datetime, fires: Cron | None = None) -> None:
        """Make sure that the scheduled times leave no window out.

        Args:
            now: the present; it is looked from here on.
            fires: when runs really start, where that is not at the scheduled times themselves.

        Raises:
            UsageError: naming the first one that would never be looked at.
        """
        if self.cron is None:
            return
        starts = fires or self.cron
        window = self.window(now)
        for _ in range(_AHEAD):
            following = self.periods.after(window)
            moment = starts.next(following.end + self.delay - timedelta(microseconds=1))
            # Where it started late, the scheduled time may have been before the window was whole.
            while (window := self.window(moment)).end < following.end:
                moment = starts.next(moment)
            if window != following:
                raise UsageError(
                    f"the cron {self.cron.text!r} comes too seldom for windows of "
                    f"{self.periods.length}: {following} would be left out; "
                    "let it come once a window at least, not at a time that clocks skip in "
                    "spring; or take a longer window"
                )
