"""A short run of the scoring, with its seeds: the same code as the published table."""

from dataclasses import replace

import pytest

from components.core.verdict import Finding, Verdict
from tests.bench.verdicts.schema import ANOMALIES, inject, judged, one_population, reference_of


@pytest.fixture(scope="module")
def injected(tmp_path_factory):
    """Put an anomaly into a fresh window; each kind of source has one reference."""
    folder = tmp_path_factory.mktemp("anomalies")
    references = {}

    def put(anomaly):
        key = (anomaly.task, anomaly.kind)
        if key not in references:
            references[key] = reference_of(folder, *key, 900)
        return inject(folder, anomaly, references[key], 901 + ANOMALIES.index(anomaly))

    return put


def test_there_are_enough_anomalies_and_each_is_another():
    assert len({anomaly.name for anomaly in ANOMALIES}) == len(ANOMALIES) >= 40


@pytest.mark.parametrize("anomaly", ANOMALIES, ids=lambda anomaly: anomaly.name)
def test_an_anomaly_is_found_named_and_alone(injected, anomaly):
    verdict = injected(anomaly)
    sentence, found, alone = judged(anomaly, verdict)
    assert (found, alone) == (True, True), sentence


@pytest.mark.parametrize("seed", [0, 1])
def test_windows_of_the_same_population_are_clean(seed):
    outcomes = one_population(seed, most=2_000, windows=4)
    assert [sentence for _, sentence in outcomes if sentence] == []


def test_the_scoring_can_fail():
    anomaly = replace(ANOMALIES[0], column="price", statistic="range", words="it never was")
    named = Finding(
        column="price", statistic="range", severity="drift", message="price: it never was negative"
    )

    def score(*findings):
        return judged(anomaly, Verdict.of("schema", "w", "v1", list(findings)))[1:]

    assert score(named) == (True, True)
    assert score(named.model_copy(update={"severity": "info"})) == (False, True)
    assert score(named.model_copy(update={"message": "price is odd"})) == (False, True)
    assert score(named.model_copy(update={"column": "share"})) == (False, False)
