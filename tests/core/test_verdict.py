import pytest

from components.core.verdict import Finding, Verdict


def finding(severity, message="m", **more):
    return Finding(column="c", statistic="s", severity=severity, message=message, **more)


@pytest.mark.parametrize(
    ("severities", "status"),
    [
        ([], "ok"),
        (["info"], "ok"),
        (["info", "warn"], "warn"),
        (["drift", "warn"], "drift"),
        (["warn", "blocked", "drift"], "blocked"),
    ],
)
def test_the_worst_finding_makes_the_status(severities, status):
    verdict = Verdict.of("drift", "w", "v", [finding(each) for each in severities])

    assert verdict.status == status


def test_equal_severities_keep_the_checks_own_order():
    verdict = Verdict.of("drift", "w", "v", [finding("drift", "first"), finding("drift", "second")])

    assert verdict.headline == "first"


def test_a_verdict_survives_being_written():
    verdict = Verdict.of("skew", "w", "v", [finding("warn")], facts={"rows": 3})

    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


def test_the_answer_is_the_worst_that_was_found():
    def answer(*findings):
        return Verdict.of("drift", "w", "v1", list(findings)).answer

    unsure = finding("info", answer="underpowered")
    assert answer() == answer(finding("warn")) == "no drift"
    assert answer(unsure, finding("info", answer="no drift")) == "underpowered"
    assert answer(unsure, finding("drift")) == answer(finding("blocked")) == "drift"


@pytest.mark.parametrize(("severity", "answer"), [("drift", "drift"), ("warn", "no drift")])
def test_a_verdict_from_before_there_were_answers_is_read(severity, answer):
    document = Verdict.of("drift", "w", "v1", [finding(severity)]).model_dump()
    del document["answer"]
    assert Verdict.model_validate(document).answer == answer
