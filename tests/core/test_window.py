from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.errors import UsageError
from components.core.window import Window, parse_duration, parse_time

moments = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)


@given(moments, st.integers(1, 10**9))
def test_a_window_survives_being_written(start, seconds):
    window = Window(start, start + timedelta(seconds=seconds))

    assert Window.parse(str(window)) == window
    assert "/" not in window.key
    assert ":" not in window.key


def test_the_end_is_excluded():
    april = Window.parse("2013-04")

    assert april.start in april
    assert april.end not in april


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2013", "2013-01-01..2014-01-01"),
        ("2013-12", "2013-12-01..2014-01-01"),
        ("2013-02-28", "2013-02-28..2013-03-01"),
        ("2013-01..2013-04", "2013-01-01..2013-04-01"),
        ("2013-04-01T06:00+02:00..2013-04-01T12:00Z", "2013-04-01T04:00:00Z..2013-04-01T12:00:00Z"),
    ],
)
def test_short_forms(text, expected):
    assert str(Window.parse(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "april",
        "2013-13",
        "2013-04..2013-01",
        "2013..2013",
        "..",
        "9999",
        "9999-12",
        "9999-12-31",
        "0001-01-01T00:00+05:00..2013",
    ],
)
def test_what_is_no_window_is_refused_with_the_text_in_the_message(text):
    with pytest.raises(UsageError, match=r"window|time"):
        Window.parse(text)


def test_a_naive_time_is_utc():
    assert parse_time("2013-04-01T06:00") == datetime(2013, 4, 1, 6, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "1", "d", "-1d", "1y"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(UsageError, match="duration"):
        parse_duration(text)
