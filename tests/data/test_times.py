from datetime import UTC, date, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.times import as_datetime, span, to_times

NOON = datetime(2013, 4, 1, 12, tzinfo=UTC)


def times(values, kind=None):
    converted, bad = to_times(pa.array(values, kind))
    return converted.to_pylist(), bad.to_pylist()


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (datetime(2013, 4, 1, 12), pa.timestamp("s")),
        (datetime(2013, 4, 1, 12), pa.timestamp("ns")),
        (NOON, pa.timestamp("ms", "UTC")),
        (NOON.astimezone(timezone(timedelta(hours=2))), pa.timestamp("us", "+02:00")),
        ("2013-04-01T12", pa.string()),
        ("2013-04-01 12:00", pa.large_string()),
        (" 2013-04-01T12:00:00 ", pa.string()),
        ("2013-04-01T12:00:00.000000999Z", pa.string()),
        ("2013-04-01T14:00:00+02:00", pa.string()),
        ("2013-04-01T09:30:00.0-0230", pa.string()),
        ("2013-04-01T12Z", pa.string()),
    ],
)
def test_one_moment_in_many_forms(value, kind):
    assert times([value], kind) == ([NOON], [False])


def test_a_date_is_its_first_instant():
    midnight = datetime(2013, 4, 1, tzinfo=UTC)

    assert times([date(2013, 4, 1)]) == ([midnight], [False])
    assert times([date(2013, 4, 1)], pa.date64()) == ([midnight], [False])
    assert times(["2013-04-01"]) == ([midnight], [False])


@pytest.mark.parametrize(
    "text",
    ["", "soon", "2013-13-01", "2013-02-30", "2013-4-1", "01/04/2013", "2013-04-01T25:00",
     "2013-04-01T12:00:60", "1364774400", "0000-01-01", "2013-04-01Z", "2013-04-01T12:00+99:00"],
)  # fmt: skip
def test_what_is_no_time(text):
    assert times([text]) == ([None], [True])


@pytest.mark.parametrize("values", [[1364774400], [1.5], [[NOON]], [True]])
def test_other_types_are_no_times(values):
    assert times(values) == ([None], [True])


def test_a_missing_time_is_not_a_wrong_one():
    assert times([None], pa.string()) == ([None], [False])


@given(st.lists(st.one_of(st.datetimes(datetime(1000, 1, 1)).map(str), st.text(max_size=12),
                          st.sampled_from(["2013-02-30", "2012-02-29", "2013-01-01T00+23:59"])),
                min_size=1, max_size=10))  # fmt: skip
def test_no_time_depends_on_its_neighbours(texts):
    alone = [times([text])[0][0] for text in texts]

    assert times(texts)[0] == alone


@given(st.datetimes(datetime(1000, 1, 2), timezones=st.timezones()))
def test_every_iso_text_with_an_offset_is_read(moment):
    offset = moment.utcoffset()
    if offset % timedelta(minutes=1):  # local mean time before time zones: not ISO 8601
        moment = moment.replace(tzinfo=UTC)

    assert times([moment.isoformat()])[0] == [moment.astimezone(UTC)]


def test_span():
    batches = [
        pa.record_batch({"t": ["2013-02-01", None]}),
        pa.record_batch({"other": [1]}),
        pa.record_batch({"t": pa.array([None], pa.string())}),
        pa.record_batch({"t": [date(2013, 1, 5)]}),
    ]

    assert span(batches, "t") == (
        datetime(2013, 1, 5, tzinfo=UTC),
        datetime(2013, 2, 1, tzinfo=UTC),
    )
    assert span([], "t") is None


def test_times_beyond_python_s_are_cut():
    assert as_datetime(2**62).year == 9999
    assert as_datetime(-(2**62)).year == 1
