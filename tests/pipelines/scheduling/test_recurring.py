import dataclasses
import threading

import pytest

from components.core.errors import ClusterError, UsageError
from tests.kfp_fake import recurring, runs
from tests.pipelines.scheduling.conftest import Bench, plan_with

SIX = ("orders-monitoring", "0 0 6 * * *", "ENABLED")
SEVEN = ("orders-monitoring", "0 0 7 * * *", "ENABLED")
EPOCH = 1_780_380_000


def creations(kfp):
    return sum(path.endswith("/recurringruns") for method, path in kfp.requests if method == "POST")


def test_a_new_schedule_runs_one_at_a_time_and_catches_nothing_up(bench):
    applied = bench.apply(plan_with())

    (made,) = bench.kfp.recurring.values()
    assert applied.outcome == "created"
    assert bench.present == [SIX]
    assert (made["max_concurrency"], made["no_catchup"]) == (1, True)
    assert made["service_account"] == "driftline-runner"
    given = made["runtime_config"]["parameters"]
    assert (given["start"], given["end"], given["as_of"]) == ("scheduled-monitoring",) * 3
    assert given["run"] == "auto"


def test_applying_twice_changes_nothing(bench):
    bench.apply(plan_with())
    before = dict(bench.kfp.recurring)

    assert bench.apply(plan_with()).outcome == "unchanged"
    assert bench.kfp.recurring == before


def test_another_account_replaces_the_schedule(bench):
    bench.apply(plan_with())
    other = dataclasses.replace(plan_with(), account="default-editor")
    assert bench.apply(other).outcome == "replaced"
    (made,) = bench.kfp.recurring.values()
    assert made["service_account"] == "default-editor"


@pytest.mark.parametrize(
    "change", [{"cron": "0 0 7 * * *"}, {"window": "6h", "cron": "0 0 */6 * * *"}, {"delay": "2d"}]
)
def test_any_change_replaces_the_schedule(bench, change):
    bench.apply(plan_with())
    (old,) = bench.kfp.recurring

    applied = bench.apply(plan_with(**change))

    assert (applied.outcome, applied.removed) == ("replaced", [old])
    (made,) = bench.kfp.recurring.values()
    assert made["recurring_run_id"] == applied.recurring.id != old


def test_a_run_in_progress_goes_on_when_its_schedule_is_replaced(bench):
    old = bench.apply(plan_with()).recurring.id
    run = recurring.fire(bench.kfp, old, EPOCH)
    assert recurring.fire(bench.kfp, old, EPOCH + 60) is None  # one at a time

    bench.apply(plan_with(cron="0 0 7 * * *"))

    for _ in range(9):
        runs.get_run(bench.kfp, {"run": run}, {}, {})
    assert bench.kfp.runs[run]["state"] == "SUCCEEDED"
    assert bench.schedules.last_run(bench.schedules.named()[0]) is None


def test_an_apply_that_was_ended_between_creating_and_deleting_is_mended_by_the_next(bench):
    bench.apply(plan_with())
    bench.kfp.fault("DELETE", "/recurringruns/", 403)
    with pytest.raises(ClusterError, match="deleting the schedule orders-monitoring"):
        bench.apply(plan_with(cron="0 0 7 * * *"))
    assert bench.present == [SIX, SEVEN]

    applied = bench.apply(plan_with(cron="0 0 7 * * *"))

    assert (applied.outcome, len(applied.removed)) == ("unchanged", 1)
    assert bench.present == [SEVEN]


@pytest.mark.parametrize("kind", [503, "reset", "lost"])
def test_a_server_that_answers_too_late_or_not_has_one_schedule_in_the_end(bench, kind):
    bench.kfp.fault("POST", "/recurringruns", kind)

    bench.apply(plan_with())

    assert bench.present == [SIX]
    assert creations(bench.kfp) == 1


@pytest.mark.parametrize("same", [True, False])
def test_many_applies_at_once_end_with_one_schedule(kfp, same):
    benches = [Bench.at(kfp) for _ in range(4)]
    benches[0].apply(plan_with(cron="0 0 5 * * *"))
    outcomes, gate = [], threading.Barrier(len(benches))

    def apply(number, each):
        plan = plan_with() if same else plan_with(cron=f"0 0 {6 + number} * * *")
        gate.wait()
        outcomes.append(each.apply(plan).outcome)

    threads = [threading.Thread(target=apply, args=pair) for pair in enumerate(benches)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(outcomes) == len(benches)
    assert len(kfp.recurring) == 1
    if same:
        assert set(outcomes) <= {"replaced", "unchanged", "created"}
        assert benches[0].present == [SIX]


def test_a_paused_schedule_stays_paused_when_it_is_replaced(bench):
    bench.schedules.pause(bench.apply(plan_with()).recurring)
    assert bench.apply(plan_with()).recurring.enabled is False

    replaced = bench.apply(plan_with(cron="0 0 7 * * *")).recurring

    assert replaced.enabled is False
    bench.schedules.resume(replaced)
    assert bench.present == [SEVEN]


def test_what_is_not_ours_is_neither_listed_nor_removed(bench):
    bench.client.create_recurring_run(
        bench.experiment,
        "orders-monitoring",
        cron_expression="0 0 1 * * *",
        params=dict.fromkeys(("spec", "store", "start", "end", "as_of", "run"), "x"),
        pipeline_id=bench.ids[0],
        version_id=bench.ids[1],
    )
    bench.apply(plan_with())

    assert [each.cron for each in bench.schedules.named()] == ["0 0 6 * * *"]
    assert bench.schedules.delete("orders-monitoring") != []
    assert len(bench.kfp.recurring) == 1


def test_deleting_what_is_not_there_removes_nothing(bench):
    assert bench.schedules.delete("orders-monitoring") == []


def test_a_schedule_that_leaves_windows_out_or_has_no_cron_is_not_planned():
    with pytest.raises(UsageError, match="too seldom"):
        plan_with(cron="0 0 6 * * mon-fri")
    with pytest.raises(UsageError, match=r"give --cron, or write it as schedule.monitoring.cron"):
        plan_with(cron="")
    assert plan_with(cron="0 0 6 * * mon", pipeline="training").cron == "0 0 6 * * mon"


def test_a_refusal_is_said_in_a_sentence(bench):
    bench.kfp.fault("GET", "/recurringruns", 403, times=9)

    with pytest.raises(ClusterError, match="does not allow listing the schedules"):
        bench.apply(plan_with())
