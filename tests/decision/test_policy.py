import pytest

from components.core.errors import DriftlineError
from components.core.verdict import Finding, Verdict
from components.core.window import Window
from components.decision.policy import Retraining, advise
from components.spec.model import Budget, Policy

APRIL = Window.parse("2013-04")


def verdict(check, severity, champion="v1", window=APRIL):
    found = Finding(column="c", statistic="s", severity=severity, message=f"{check} is {severity}")
    return Verdict.of(check, str(window), champion, [found])


def retrained(window):
    return Retraining(champion="v0", window=str(Window.parse(window)), run="r", at="")


def test_nothing_found_is_none_and_says_why_not_more():
    advice = advise([verdict("drift", "info")], Policy(), APRIL, [])

    assert advice.action == "none"
    assert advice.reasons == ["no check found a reason to act"]
    assert advice.restraints == ["not retrained: no drift in performance"]


def test_a_warning_alone_is_not_worth_an_alert():
    advice = advise([verdict("performance", "warn")], Policy(), APRIL, [])

    assert (advice.action, advice.reasons) == ("none", ["performance: performance is warn"])


def test_drift_that_the_policy_does_not_retrain_on_is_an_alert():
    advice = advise([verdict("drift", "drift")], Policy(), APRIL, [])

    assert (advice.action, advice.reasons) == ("alert", ["drift: drift is drift"])


def test_drift_that_the_policy_ignores_is_none():
    advice = advise([verdict("skew", "drift")], Policy(alert_on=[]), APRIL, [])

    assert advice.action == "none"


def test_the_cause_of_a_retraining_is_its_first_reason():
    advice = advise(
        [verdict("drift", "drift"), verdict("performance", "drift")], Policy(), APRIL, []
    )

    assert advice.action == "retrain"
    assert advice.reasons[0] == "performance: performance is drift"
    assert len(advice.reasons) == 2


def test_a_blocked_window_is_never_trained_on():
    advice = advise(
        [verdict("schema", "blocked"), verdict("performance", "drift")],
        Policy(alert_on=[]),
        APRIL,
        [],
    )

    assert advice.action == "alert"
    assert advice.restraints == ["schema blocks training: schema is blocked"]


@pytest.mark.parametrize(
    ("policy", "past", "expected"),
    [
        (Policy(cooldown="45d"), ["2013-03"], "within the cooldown of 45d"),
        (Policy(budget=Budget(runs=1, per="90d")), ["2013-02"], "the budget of 1 retrainings"),
        (Policy(budget=Budget(runs=0)), [], "the budget of 0 retrainings"),
    ],
)
def test_a_retraining_beyond_the_limits_becomes_an_alert(policy, past, expected):
    advice = advise(
        [verdict("performance", "drift")], policy, APRIL, [retrained(each) for each in past]
    )

    assert advice.action == "alert"
    assert expected in advice.restraints[0]


@pytest.mark.parametrize(
    "policy", [Policy(cooldown="20d"), Policy(budget=Budget(runs=1, per="20d"))]
)
def test_limits_end(policy):
    advice = advise([verdict("performance", "drift")], policy, APRIL, [retrained("2013-03")])

    assert advice.action == "retrain"


def test_verdicts_on_different_champions_are_not_mixed():
    with pytest.raises(DriftlineError, match="champion changed"):
        advise([verdict("skew", "info"), verdict("drift", "info", "v2")], Policy(), APRIL, [])


def test_verdicts_on_another_window_are_refused():
    may = Window.parse("2013-05")
    with pytest.raises(DriftlineError, match="pass all of them the same window"):
        advise([verdict("skew", "info", window=may)], Policy(), APRIL, [])
