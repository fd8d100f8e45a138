from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.errors import UsageError
from components.core.periods import Periods, parse_zone
from components.core.window import Window

MOMENTS = st.integers(1_300_000_000, 1_900_000_000).map(lambda s: datetime.fromtimestamp(s, UTC))
PERIODS = st.builds(
    Periods,
    st.sampled_from(["hour", "day", "week", "month", "6h", "90m", "10d"]),
    st.sampled_from(
        [UTC, *map(ZoneInfo, ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Beirut"])]
    ),
)


@settings(max_examples=80, deadline=None)
@given(PERIODS, MOMENTS)
def test_windows_tile_time_without_a_gap_or_an_overlap(periods, moment):
    window = periods.holding(moment)

    assert moment in window
    assert periods.holding(window.start) == window
    assert periods.holding(window.end - timedelta(microseconds=1)) == window
    following, earlier = periods.after(window), periods.before(window)
    assert (earlier.end, following.start) == (window.start, window.end)
    assert periods.cut(Window(earlier.start, following.end)) == [earlier, window, following]


@settings(max_examples=50, deadline=None)
@given(PERIODS, MOMENTS, st.integers(0, 200).map(lambda hours: timedelta(hours=hours)))
def test_the_complete_window_is_the_last_whose_delay_has_passed(periods, moment, delay):
    window = periods.complete(moment, delay)

    assert window.end + delay <= moment < periods.after(window).end + delay


def test_days_and_months_are_those_of_the_zone():
    berlin = ZoneInfo("Europe/Berlin")
    spring = datetime(2026, 3, 29, 12, tzinfo=UTC)

    assert str(Periods("month", berlin).holding(spring)) == (
        "2026-02-28T23:00:00Z..2026-03-31T22:00:00Z"
    )
    day = Periods("day", berlin).holding(spring)
    assert day.end - day.start == timedelta(hours=23)


def test_a_window_that_cuts_through_months_is_refused_with_the_one_that_does_not():
    with pytest.raises(
        UsageError, match=r"whole windows of month; those that hold it are 2013-04-01..2013-06-01"
    ):
        Periods("month").cut(Window.parse("2013-04-03..2013-05-20"))


def test_days_are_those_of_the_schedules_zone_and_hours_are_what_they_say():
    months = Periods("month", parse_zone("Europe/Berlin"))

    assert [str(each) for each in months.cut(months.range("2024-04..2024-06"))] == [
        "2024-03-31T22:00:00Z..2024-04-30T22:00:00Z",
        "2024-04-30T22:00:00Z..2024-05-31T22:00:00Z",
    ]
    said = "2024-03-31T22:00:00Z..2024-04-30T22:00:00Z"
    assert str(months.range(said)) == said
    with pytest.raises(UsageError, match="in the time zone Europe/Berlin; those that hold it"):
        months.cut(Window.parse("2024-04..2024-05"))
