from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.cron import Cron
from components.core.errors import UsageError

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        # Out of the tests of robfig/cron 1.2, which KFP reads schedules with; their times are UTC.
        ("0 0/15 * * * *", "2012-07-09T14:45", "2012-07-09T15:00"),
        ("0 20-35/15 * * * *", "2012-07-09T23:46", "2012-07-10T00:20"),
        ("15/35 20-35/15 1/2 */2 * *", "2012-07-09T23:35:51", "2012-07-11T01:20:15"),
        ("0 0 0 9 Apr-Oct ?", "2012-07-09T23:35", "2012-08-09T00:00"),
        ("0 0 0 */5 Apr,Aug,Oct Mon", "2012-07-09T23:35", "2012-08-06T00:00"),
        ("0 0 0 ? Feb Mon/2", "2012-07-09T23:35", "2013-02-01T00:00"),
        ("0 0 0 29 Feb ?", "2012-07-09T23:35", "2016-02-29T00:00"),
        # Both days are restricted: one of them is enough.
        ("0 0 6 1 * sun", "2026-06-02T00:00", "2026-06-07T06:00"),
    ],
)
def test_the_next_time_is_the_one_that_kfps_controller_takes(text, after, expected):
    assert Cron.parse(text).next(at(after)) == at(expected)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 6 * * *", "has five fields.*seconds first; write '0 0 6 \\* \\* \\*'"),
        ("@daily", "is a name; write '0 0 0 \\* \\* \\*'"),
        ("@every 1h", "no fixed times"),
        ("0 0 6", "has 3 fields; write six"),
        ("", "has 0 fields"),
        ("0 0 24 * * *", "hour '24' is not within 0 to 23"),
        ("0 0 6 * * 7", "day of the week '7' is not within 0 to 6 or sun to sat"),
        ("0 0 6 * mai *", "month 'mai' is not within 1 to 12 or jan to dec"),
        ("0 0 20-6 * * *", "begins after its end"),
        ("0 */0 * * * *", "step of 0"),
        ("0 0 6,,7 * * *", "hour '' is not a number"),
        ("0 0 *-5 * * *", "hour '\\*-5' is not"),
        ("0 0 0 31 2,4 *", "never comes"),
    ],
)
def test_a_wrong_line_is_refused_with_what_to_write(text, words):
    with pytest.raises(UsageError, match=words):
        Cron.parse(text)


def test_clocks_that_are_set_skip_a_time_or_show_it_twice():
    berlin = ZoneInfo("Europe/Berlin")
    half_past_two = Cron.parse("0 30 2 * * *", berlin)

    assert half_past_two.next(at("2026-03-28T12:00")) == at("2026-03-30T00:30")  # not on the 29th
    twice = [half_past_two.next(at("2026-10-24T12:00"))]
    twice.append(half_past_two.next(twice[0]))
    assert twice == [at("2026-10-25T00:30"), at("2026-10-25T01:30")]


def fields():
    def numbers(low, high):
        part = st.one_of(
            st.just("*"),
            st.integers(low, high).map(str),
            st.tuples(st.integers(low, high), st.integers(low, high)).map(
                lambda pair: f"{min(pair)}-{max(pair)}"
            ),
            st.tuples(st.integers(low, high), st.integers(1, 40)).map(lambda p: f"{p[0]}/{p[1]}"),
        )
        return st.lists(part, min_size=1, max_size=2).map(",".join)

    # Seconds and minutes are few, so that the definition can be tried on every one of them.
    sparse = st.sampled_from(["0", "30", "0,30"])
    return st.tuples(
        sparse, sparse, numbers(0, 23), numbers(1, 28), st.just("*"), numbers(0, 6)
    ).map(" ".join)


@settings(max_examples=40, deadline=None)
@given(
    fields(),
    st.sampled_from(ZONES),
    st.integers(0, 2 * 365 * 24 * 120).map(
        lambda half: at("2026-01-01") + half * timedelta(seconds=30)
    ),
)
def test_the_next_and_the_previous_time_fit_and_none_between_does(text, zone, moment):
    cron = Cron.parse(text, ZoneInfo(zone))

    def due(instant):
        wall = instant.astimezone(ZoneInfo(zone))
        return (
            wall.second in cron.seconds
            and wall.minute in cron.minutes
            and wall.hour in cron.hours
            and cron.fits(wall.date())
        )

    following, last = cron.next(moment), cron.previous(moment)

    assert due(following)
    assert due(last)
    assert last <= moment < following
    step, between = timedelta(seconds=30), last + timedelta(seconds=30)
    for _ in range(3000):
        if between >= following:
            break
        assert not due(between)
        between += step
    assert cron.previous(following) == following
    assert cron.next(last) == following
