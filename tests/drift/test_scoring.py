"""A short run of the scoring in tests/bench/verdicts, with its seeds fixed."""

import numpy as np
import pytest

from components.drift.rule import judge
from tests.bench.verdicts import false_alarms, power, worlds

DRAW = 20240620


@pytest.mark.parametrize(
    ("case", "most"),
    [
        # At 1 % of the windows more than this many are one in 1,000.
        (false_alarms.Case(20, 1000, 1000, 12), 1),
        (false_alarms.Case(20, 100_000, 1000, 30, drawn=True), 2),
        (false_alarms.Case(1000, 2000, 1000, 1, drawn=True), 0),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else f"{value.columns}",
)
def test_windows_without_drift_do_not_alarm(case, most):
    task = false_alarms.Task(case, DRAW, case.resamples, 0)
    assert false_alarms.count_alarms(task).ours <= most


@pytest.mark.parametrize(
    ("kind", "rows", "least"),
    [  # of 30: at the power that is published fewer are one in 1,000
        ("mean", 1000, 26),
        ("scale", 1000, 26),
        ("tail", 1000, 22),
        ("missing values", 1000, 26),
        ("category mix, 5", 1000, 26),
        ("category mix, 20", 1000, 22),
        ("new category", 1000, 22),
        ("label", 1000, 26),
        ("tail", 5000, 29),
        ("category mix, 200", 5000, 29),
        ("new category", 5000, 29),
    ],
)
def test_drift_of_a_true_psi_of_a_tenth_is_found(kind, rows, least):
    assert power.tally(power.Task(kind, 0.1, rows, 30)).drift >= least / 30


@pytest.mark.parametrize("kind", ["category mix, 50", "category mix, 200"])
def test_too_many_categories_for_the_rows_are_not_said_to_be_without_drift(kind):
    assert power.tally(power.Task(kind, 0.1, 1000, 30)).none == 0


@pytest.mark.parametrize("kind", ["mean", "tail", "category mix, 200", "new category", "label"])
def test_a_tenth_of_that_is_no_drift_at_a_million_rows(kind):
    found = power.tally(power.Task(kind, 0.01, 1_000_000, 10, drawn=True))
    assert found.none == 1


@pytest.mark.parametrize("kind", ["category mix, 20", "label"])
@pytest.mark.parametrize("size", [0.02, 0.1])
def test_the_interval_holds_the_true_psi(kind, size):
    # At 95 % fewer than 179 of 200 are one in 1,000.
    assert power.tally(power.Task(kind, size, 1000, 200, drawn=True)).held >= 179 / 200


@pytest.mark.parametrize("kind", ["category mix, 5", "category mix, 20"])
def test_the_smallest_detectable_effect_is_detected_in_four_cases_of_five(kind):
    size = round(power.found_at(kind, 1000), 4)
    # At 80 % fewer than 142 of 200 are one in 1,000.
    assert power.tally(power.Task(kind, size, 1000, 200, drawn=True)).significant >= 142 / 200


@pytest.mark.parametrize(
    "pair",
    [
        worlds.drifts(0.1, 3000)["scale"],
        worlds.drifts(0.1, 3000)["missing values"],
        worlds.drifts(0.1, 3000)["new category"],
        (worlds.clean_columns()[8],) * 2,
    ],
    ids=["scale", "missing values", "new category", "whole numbers"],
)
def test_drawing_the_counts_is_the_same_as_profiling_rows(pair):
    found = {}
    for drawn in (False, True):
        draw = np.random.default_rng(DRAW)
        profiles = [worlds.profiles(pair, 3000, 2000, draw, drawn=drawn) for _ in range(60)]
        evidence = [judge(*both, power._threshold()) for both in profiles]
        assert {column.rows for _, column in profiles} == {2000}
        assert all(len(a.counts) == len(b.counts) for a, b in profiles)
        found[drawn] = np.array(
            [[e.psi, np.log(max(e.p_value, 1e-300)), len(e.cells.reference)] for e in evidence]
        )
    rows, counts = found[False], found[True]
    error = np.sqrt((rows.var(axis=0) + counts.var(axis=0)) / 60)
    # Of the three means none differs by more than chance does in one of 1,000 draws.
    assert (np.abs(rows.mean(axis=0) - counts.mean(axis=0)) <= 3.9 * error + [0, 0, 0.1]).all()


@pytest.mark.parametrize("kind", ["mean", "scale", "tail"])
def test_the_true_divergence_is_that_of_a_very_fine_histogram(kind):
    before, after = worlds.drifts(0.1, 1000)[kind]
    assert before.divergence(after) == pytest.approx(0.1, abs=1e-6)
    edges = before.distribution.ppf(np.linspace(0, 1, 20_001)[1:-1])
    p, q = (np.diff(c.distribution.cdf(edges), prepend=0, append=1) for c in (before, after))
    # Cells can only lose some of it.
    assert 0.096 < np.sum((q - p) * np.log(q / p)) < 0.1


def test_the_bound_of_a_share_is_that_of_clopper_and_pearson():
    # At the bound so few alarms have a chance of 5 %: 0 of 200 at 1.49 %, as (1 - x)^200 = 0.05.
    assert false_alarms.upper_bound(0, 200) == pytest.approx(1 - 0.05 ** (1 / 200))
    assert false_alarms.upper_bound(200, 200) == 1
