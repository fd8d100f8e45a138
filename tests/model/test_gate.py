import pytest

from components.model.compare import Outcome
from components.model.gate import judge, not_judged
from components.model.metrics import METRICS
from components.model.records import SliceComparison
from components.spec.model import Gate

AUC, MAE = METRICS["roc_auc"], METRICS["mae"]
BETTER = Outcome(0.703, 0.751, 0.048, (0.041, 0.055))
CHANCE = Outcome(0.703, 0.708, 0.005, (-0.003, 0.013))
WORSE = Outcome(0.751, 0.703, -0.048, (-0.055, -0.041))


def part(value, interval=(-0.01, 0.03), verdict="fine", note="", rows=300):
    judged = verdict != "not judged"
    return SliceComparison(
        column="carrier",
        value=value,
        rows=rows,
        verdict=verdict,
        champion_score=0.7 if judged else None,
        challenger_score=0.71 if judged else None,
        difference=sum(interval) / 2 if judged else None,
        interval=interval if judged else None,
        note=note,
    )


def decide(outcome, gate=None, against="champion", slices=(), metric=AUC, constant=None):
    return judge(gate or Gate(), metric, against, 15934, outcome, list(slices), constant)


def test_better_beyond_chance_passes_in_these_words():
    assert decide(BETTER) == (
        True,
        [
            "roc_auc 0.751 against the champion's 0.703 on the same 15,934 rows: "
            "+0.048 [0.041, 0.055], above the margin"
        ],
    )


def test_perhaps_better_does_not_pass():
    accepted, reasons = decide(CHANCE)

    assert not accepted
    assert reasons[0].endswith("+0.005 [-0.003, 0.013], not above the margin 0 beyond chance")


def test_worse_does_not_pass():
    accepted, reasons = decide(WORSE)

    assert not accepted
    assert reasons[0].endswith("-0.048 [-0.055, -0.041], below the margin 0")


def test_a_margin_lets_an_equal_one_pass():
    accepted, reasons = decide(CHANCE, Gate(margin=0.01))

    assert accepted
    assert reasons[0].endswith("above the margin -0.01")


def test_a_baseline_has_to_be_beaten_whatever_the_margin():
    accepted, reasons = decide(CHANCE, Gate(margin=0.01), against="baseline")

    assert not accepted
    assert "against the baseline's 0.703" in reasons[0]


@pytest.mark.parametrize("interval", [(-0.31, -0.29), (-0.01, 0.02), (0.0, 0.02)])
def test_a_champion_that_has_failed_is_not_enough_to_beat(interval):
    difference = sum(interval) / 2
    constant = Outcome(0.5, 0.5 + difference, difference, interval)

    accepted, reasons = decide(BETTER, constant=constant)

    assert not accepted
    assert reasons[0].startswith(f"roc_auc {0.5 + difference:.3f} against a constant answer's 0.5")
    assert reasons[0].endswith("], not better beyond chance")


def test_what_beats_the_constant_answer_too_passes():
    accepted, reasons = decide(BETTER, constant=Outcome(0.5, 0.751, 0.251, (0.24, 0.26)))

    assert accepted
    assert reasons[1] == (
        "roc_auc 0.751 against a constant answer's 0.500: +0.251 [0.240, 0.260], "
        "better beyond chance"
    )


def test_the_whole_interval_lies_above_the_margin_not_on_it():
    assert not decide(Outcome(0.7, 0.71, 0.01, (0.0, 0.02)))[0]


@pytest.mark.parametrize(
    ("metric", "outcome", "floor", "accepted", "words"),
    [
        (AUC, BETTER, 0.7, True, "roc_auc 0.751 meets the floor 0.7"),
        (AUC, BETTER, 0.8, False, "roc_auc 0.751 misses the floor 0.8"),
        (MAE, Outcome(12.5, 10.25, 2.25, (1.0, 3.0)), 11, True, "mae 10.2 meets the ceiling 11"),
        (MAE, Outcome(12.5, 10.25, 2.25, (1.0, 3.0)), 10, False, "mae 10.2 misses the ceiling 10"),
    ],
)
def test_the_floor_is_a_ceiling_for_errors(metric, outcome, floor, accepted, words):
    found, reasons = decide(outcome, Gate(floor=floor), metric=metric)

    assert found is accepted
    assert words in reasons
    assert reasons.index(words) == (1 if accepted else 0), "what decides comes first"


def test_a_slice_that_is_worse_blocks_and_is_named():
    slices = [part("AA"), part("UA", (-0.06, -0.03), "worse")]

    accepted, reasons = decide(BETTER, slices=slices)

    assert not accepted
    assert reasons[0] == (
        "worse than the champion where carrier is UA: -0.045 [-0.060, -0.030] on 300 rows, "
        "beyond the slice margin 0.02"
    )
    assert "above the margin" in reasons[1]
    assert "in 1 of 2 slices no loss of more than 0.02 beyond chance" in reasons


def test_slices_that_are_not_judged_are_named_and_do_not_block():
    few = [part(f"C{i}", verdict="not judged", note=f"{i} rows of 200") for i in range(7)]

    accepted, reasons = decide(BETTER, slices=[part("AA"), *few])

    assert accepted
    assert reasons[-1] == (
        "not judged: carrier=C0 (0 rows of 200), carrier=C1 (1 rows of 200), "
        "carrier=C2 (2 rows of 200), carrier=C3 (3 rows of 200), carrier=C4 (4 rows of 200) "
        "and 2 more"
    )
    assert not_judged([part("AA")]) == []
