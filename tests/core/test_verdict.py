import pytest

from components.core.verdict import Finding, Verdict


def finding(severity, message="m"):
    return Finding(column="c", statistic="s", severity=severity, message=message)


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
