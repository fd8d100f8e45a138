import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.errors import SpecError, UsageError
from components.core.window import Window
from components.spec.context import open_context
from components.spec.load import dump_spec, parse_spec
from components.spec.schedule import Recurrence, Rule

DAY = timedelta(days=1)
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
MONTHLY = {"cron": "0 0 6 2 * *", "window": "month"}


def spec(**schedule):
    document = {
        "model": "orders",
        "task": "binary",
        "source": {"kind": "files", "path": "orders"},
        "columns": {"id": "order", "time": "placed", "target": "returned", "numeric": ["price"]},
        "estimator": {"class": "sklearn.linear_model.LogisticRegression"},
        "training": {"history": "60d"},
        "label": {"delay": "1d"},
        "metric": "roc_auc",
        "schedule": schedule,
    }
    import json

    return parse_spec(json.dumps(document, indent=1), name="orders.yaml")


def opened(schedule_time, start="scheduled-monitoring", end="scheduled-monitoring", **schedule):
    text = dump_spec(spec(**schedule))
    return open_context(text, "store", "auto", "1", start, end, end, schedule_time)


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"cron": "0 6 * * *"}, "schedule.monitoring.cron: cron '0 6 .*write '0 0 6"),
        ({"time_zone": "Berlin"}, "time_zone: there is no time zone 'Berlin'"),
        ({"window": "year"}, "window: 'year' is no window"),
        ({"window": "0s"}, "a window of 0s is too short"),
        ({"delay": "soon"}, "delay: 'soon' is not a duration"),
        ({"windows": "day"}, "did you mean 'window'"),
    ],
)
def test_a_mistake_in_a_schedule_is_named_with_its_line(given_, words):
    with pytest.raises(SpecError, match=rf"orders.yaml:\d+: .*{words}"):
        spec(monitoring=given_)


def test_a_scheduled_run_works_on_the_last_month_whose_labels_have_arrived():
    context = opened("2026-06-02T06:00:00Z", monitoring=MONTHLY)

    assert context.window == Window.parse("2026-05")
    assert context.as_of == datetime(2026, 6, 2, 6, tzinfo=UTC)
    early = opened("2026-06-01T06:00:00Z", monitoring={"cron": "0 0 6 1 * *", "window": "month"})
    assert early.window == Window.parse("2026-04")  # the last day's labels are not there yet


def test_a_late_start_a_retry_and_a_repetition_work_on_the_same_window_and_labels():
    late = opened("2026-06-29T23:00:00Z", monitoring=MONTHLY)

    assert late.window == Window.parse("2026-05")
    assert late.as_of == datetime(2026, 6, 2, 6, tzinfo=UTC)


def test_a_retraining_of_a_scheduled_run_trains_up_to_that_window():
    context = opened("2026-06-02T06:00:00Z", start="auto", monitoring=MONTHLY)

    assert str(context.window) == "2026-04-02..2026-06-01"


@pytest.mark.parametrize("told", ["", "{{$.pipeline_job_schedule_time_utc}}"])
def test_without_a_schedule_time_the_step_says_what_to_do(told):
    with pytest.raises(UsageError, match=r"from 2.17 on.*give the run a --window"):
        opened(told, monitoring=MONTHLY)


@pytest.mark.parametrize(
    ("cron", "window", "left_out"),
    [
        ("0 0 6 * * mon-fri", "day", "2026-06-17T22:00:00Z..2026-06-18T22:00:00Z"),
        ("0 0 6 31 * *", "month", "2026-04-30T22:00:00Z..2026-05-31T22:00:00Z"),
        ("0 0 6-20 * * *", "hour", "2026-06-14T18:00:00Z..2026-06-14T19:00:00Z"),
        ("0 30 2 * * *", "day", "2027-03-26T23:00:00Z"),  # clocks skip half past two
    ],
)
def test_a_cron_that_would_leave_a_window_out_is_refused(cron, window, left_out):
    rule = Rule.of(Recurrence(cron=cron, window=window, time_zone="Europe/Berlin"), DAY)

    with pytest.raises(UsageError, match=rf"too seldom.*{re.escape(left_out)}.* would be left out"):
        rule.check_gapless(NOON)


def test_a_cron_that_comes_once_a_window_or_more_often_leaves_none_out():
    for cron, window in [("0 0 */6 * * *", "day"), ("0 0 6 * * mon", "week")]:
        Rule.of(Recurrence(cron=cron, window=window), DAY).check_gapless(NOON)


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(["day", "week", "6h", "month"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
    st.integers(4, 23),  # earlier there is an hour that clocks skip
    st.integers(0, 72),
    st.integers(0, 10_000),
)
def test_the_times_of_a_schedule_take_each_window_once_in_order(window, zone, hour, delay, begin):
    hours = "*/3" if window == "6h" else str(hour)
    recurrence = Recurrence(
        cron=f"0 5 {hours} * * *", time_zone=zone, window=window, delay=f"{delay}h"
    )
    rule = Rule.of(recurrence, DAY)

    seen = rule.window(NOON + timedelta(hours=begin))
    for _ in range(5):
        following = rule.periods.after(seen)
        moment = rule.comes(following)
        assert rule.window(moment) == following
        assert rule.window(moment - timedelta(seconds=1)) == seen
        assert following.end + rule.delay <= moment
        seen = following
