from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.core.errors import DataError
from components.core.journal import Journal
from components.core.storage import Store
from components.core.verdict import Finding, Verdict
from components.core.window import Window
from components.decision.record import ATTEMPTS, decide, retrainings
from components.spec.load import load_spec
from components.spec.model import Budget, Policy
from tests.core.test_storage import at_once

FLIGHTS = load_spec(Path(__file__).parents[2] / "pipelines" / "specs" / "flights.yaml").model_copy(
    update={"policy": Policy()}
)
APRIL, MAY = Window.parse("2013-04"), Window.parse("2013-05")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def bad(window=APRIL):
    drop = Finding(column="", statistic="roc_auc", severity="drift", message="roc_auc fell")
    return [Verdict.of("performance", str(window), "v1", [drop])]


def good(window=APRIL):
    return [Verdict.of("performance", str(window), "v1", [])]


def budget(runs):
    policy = FLIGHTS.policy.model_copy(update={"budget": Budget(runs=runs)})
    return FLIGHTS.model_copy(update={"policy": policy})


def test_of_many_runs_that_ask_at_once_one_retrains(store):
    decisions = at_once(8, lambda i: decide(store, FLIGHTS, bad(), APRIL, f"run-{i}"))

    assert [each.action for each in decisions].count("retrain") == 1
    winner = next(each for each in decisions if each.action == "retrain")
    losers = [each for each in decisions if each.action == "none"]
    assert len(losers) == 7
    assert all(f"decided already by run {winner.run}" in each.headline for each in losers)
    assert len(retrainings(store, "flights")) == 1


def test_of_many_runs_on_s3_one_retrains(s3_address):
    store = Store(s3_address)
    decisions = at_once(4, lambda i: decide(store, FLIGHTS, bad(), APRIL, f"run-{i}"))

    assert [each.action for each in decisions].count("retrain") == 1


def test_two_windows_at_once_do_not_overspend_the_budget(store):
    windows = [Window.parse(f"2013-{month:02d}") for month in range(1, 9)]

    decisions = at_once(
        8, lambda i: decide(store, budget(3), bad(windows[i]), windows[i], f"run-{i}")
    )

    assert [each.action for each in decisions].count("retrain") == 3
    assert len(retrainings(store, "flights")) == 3


def test_the_run_that_decided_gets_the_same_answer_again(store):
    first = decide(store, FLIGHTS, bad(), APRIL, "run-1")
    again = decide(store, FLIGHTS, good(), APRIL, "run-1")

    assert again == first


def test_another_champion_is_another_decision(store):
    decide(store, FLIGHTS, bad(), APRIL, "run-1")
    other = [verdict.model_copy(update={"champion": "v2"}) for verdict in bad()]

    assert decide(store, FLIGHTS, other, APRIL, "run-2").action == "retrain"


def test_a_retraining_that_failed_is_tried_again_but_not_for_ever(store):
    actions = []
    for attempt in range(ATTEMPTS + 2):
        run = f"run-{attempt}"
        actions.append(decide(store, FLIGHTS, bad(), APRIL, run).action)
        with pytest.raises(DataError), Journal(store, "flights", run).step("train", "w"):
            raise DataError("no")

    assert actions == ["retrain"] * ATTEMPTS + ["none"] * 2
    assert len(retrainings(store, "flights")) == 1, "one window costs the budget once"


@pytest.mark.parametrize(("step", "status"), [("deploy", "ok"), ("evaluate", "reject")])
def test_a_retraining_that_ended_is_not_repeated(store, step, status):
    decide(store, FLIGHTS, bad(), APRIL, "run-1")
    with Journal(store, "flights", "run-1").step(step, "w") as say:
        say(status, "done")
    later = datetime.now(UTC) + timedelta(days=9)

    assert decide(store, FLIGHTS, bad(), APRIL, "run-2", now=later).action == "none"


def test_a_retraining_without_an_end_is_taken_over_when_patience_ends(store):
    decide(store, FLIGHTS, bad(), APRIL, "run-1")

    soon = datetime.now(UTC) + timedelta(hours=5)
    assert decide(store, FLIGHTS, bad(), APRIL, "run-2", now=soon).action == "none"
    later = datetime.now(UTC) + timedelta(hours=7)
    assert decide(store, FLIGHTS, bad(), APRIL, "run-3", now=later).action == "retrain"
