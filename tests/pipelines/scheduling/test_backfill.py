from contextlib import nullcontext
from datetime import UTC, datetime

import pytest

from components.core.claim import claimed
from components.core.errors import ConflictError, DriftlineError, UsageError
from components.core.storage import Store
from components.core.verdict import Verdict
from components.core.window import Window
from components.decision.record import decide
from pipelines.runs import RunResult
from pipelines.scheduling.backfill import Backfill
from tests.pipelines.scheduling.conftest import spec_with

NOW = datetime(2014, 1, 1, tzinfo=UTC)
MONTHS = ["2013-04", "2013-05", "2013-06", "2013-07", "2013-08"]


class Runs:
    """Decides about each window, as the pipeline would; fails where it is told to."""

    def __init__(self, spec, store):
        self.spec, self.store = spec, Store(store)
        self.requests, self.fails = [], set()

    def __call__(self, request):
        if str(request.window) in self.fails:
            raise DriftlineError("ingest_monitoring: no rows")
        self.requests.append(request)
        judge(self.store, self.spec, request.window, request.name)
        return RunResult(request.name, [])

    @property
    def windows(self):
        return [f"{request.window.start:%Y-%m}" for request in self.requests]


def judge(store, spec, window, run):
    decide(store, spec, [Verdict.of("drift", str(window), "v1", [])], window, run)


@pytest.fixture
def spec():
    return spec_with(cron="0 0 6 3 * *", window="month", delay="1d")


@pytest.fixture
def store(tmp_path):
    return str(tmp_path / "store")


@pytest.fixture
def runs(spec, store):
    return Runs(spec, store)


def plan(spec, store, window="2013-04..2013-09", pipeline="monitoring"):
    whole = Window.parse(window) if window else None
    return Backfill.of(spec, pipeline, store, whole, NOW)


def fill(backfill, runs):
    return [each.outcome for each in backfill.fill(runs, lambda _title: nullcontext())]


def test_each_month_is_run_once_in_order_with_the_labels_of_its_turn(spec, store, runs):
    assert fill(plan(spec, store), runs) == ["run"] * 5

    assert runs.windows == MONTHS
    assert [request.as_of for request in runs.requests][:2] == [
        "2013-05-03T06:00:00Z",
        "2013-06-03T06:00:00Z",
    ]


def test_a_window_that_was_decided_already_is_skipped(spec, store, runs):
    judge(Store(store), spec, Window.parse("2013-05"), "by-hand")

    done = list(plan(spec, store).fill(runs, lambda _title: nullcontext()))

    assert [each.outcome for each in done] == ["run", "skipped", "run", "run", "run"]
    assert done[1].line.startswith("decided already by run by-hand: none")


def test_a_backfill_that_stopped_carries_on(spec, store, runs):
    runs.fails = {"2013-06-01..2013-07-01"}
    with pytest.raises(DriftlineError, match="no rows"):
        fill(plan(spec, store), runs)
    assert runs.windows == MONTHS[:2]

    runs.fails = set()
    fill(plan(spec, store), runs)

    # The same name: what has ended is not done again by whoever runs it.
    names = [request.name for request in runs.requests]
    assert sorted(set(names)) == sorted(f"monitoring-{Window.parse(each).key}" for each in MONTHS)


def test_two_at_once_do_not_work_on_the_same_window(spec, store, runs):
    name = "orders/claims/monitoring-2013-05-01_2013-06-01.json"
    with claimed(Store(store), name, "x"), pytest.raises(ConflictError, match="is being worked on"):
        fill(plan(spec, store), runs)

    assert runs.windows == ["2013-04"]
    assert len(fill(plan(spec, store), runs)) == 5


def test_without_a_range_the_gaps_since_the_first_decided_window_are_filled(spec, store, runs):
    with pytest.raises(UsageError, match=r"no window of orders was decided yet.*give --window"):
        plan(spec, store, window="")
    judge(Store(store), spec, Window.parse("2013-08"), "scheduled")
    judge(Store(store), spec, Window.parse("2013-10"), "scheduled")

    fill(plan(spec, store, window=""), runs)

    assert runs.windows == ["2013-09", "2013-11"]  # the turn of December has not come yet


def test_a_training_backfill_trains_up_to_each_window(spec, store, runs):
    months = spec_with("training", cron="0 0 6 3 * *", window="month")
    backfill = plan(months, store, "2013-04..2013-06", "training")

    assert [str(backfill.request(each).window) for each in backfill.windows] == [
        "2013-01-31..2013-05-01",
        "2013-03-03..2013-06-01",
    ]


@pytest.mark.parametrize(
    ("window", "words"),
    [
        (
            "2013-04-02..2013-09",
            "does not consist of whole windows of month; those that hold it are 2013-04-01",
        ),
        ("2013-11..2014-02", "the turn of 2013-12-01..2014-01-01 comes at 2014-01-03T06:00:00Z"),
    ],
)
def test_a_range_that_cannot_be_cut_is_refused(spec, store, window, words):
    with pytest.raises(UsageError, match=words):
        plan(spec, store, window)
