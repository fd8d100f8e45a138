import numpy as np
import pyarrow as pa
import pytest
from scipy.special import ndtr
from scipy.stats import mannwhitneyu

from components.core.verdict import Finding
from components.core.window import Window
from components.drift.check import check_drift, profile_window
from components.drift.classifier import Table, mann_whitney, separate
from components.drift.joint import JOINT, auc_of_effect, join, joint_finding, least_auc
from components.drift.profile import profile_file
from components.drift.ranks import dependence, own_ranks
from components.drift.sample import read_sample
from components.drift.values import as_strings
from components.drift.variation import VariationTally

LEVEL = 0.001


@pytest.fixture
def ask(write, spec, rows):
    def finding(columns, sample=None, drifted=(), asked=spec, **excused):
        paths = write(sample or rows(3000, seed=7), "sample.parquet"), write(columns)
        return joint_finding(*paths, asked, LEVEL, drifted, excused=excused)

    return finding


def _together(rows, correlation, count=3000, seed=1):
    """The toy rows, with a and b correlated; each keeps its own distribution."""
    draw = np.random.default_rng(seed)
    first, second = draw.normal(size=(2, count))
    second = correlation * first + np.sqrt(1 - correlation**2) * second
    made = rows(count, seed=seed)
    places = np.argsort(np.argsort(second))
    return {**made, "a": 40 + 10 * first, "b": np.sort(made["b"])[places]}


def test_the_same_distribution_is_not_told_apart(ask, rows):
    found = ask(rows(3000, seed=1))
    assert (found.severity, found.answer, found.column) == ("info", "no drift", JOINT)
    assert found.interval[0] < 0.5 < found.interval[1]
    assert found.p_value > LEVEL
    assert found.minimum_effect < found.threshold
    assert found.message.startswith("the columns together did not drift (AUC 0.5")


def test_columns_that_change_together_are_found_and_named(ask, rows):
    found = ask(_together(rows, 0.6))
    assert (found.severity, found.answer) == ("drift", "drift")
    assert found.value > found.threshold
    assert found.p_value < LEVEL
    assert set(found.examples[:2]) == {"a", "b"}
    assert "no column drifted on its own, so it is how they go together" in found.message


def test_a_column_that_drifted_alone_explains_it(ask, rows):
    found = ask(rows(3000, seed=1, a=np.random.default_rng(2).normal(55, 10, 3000)), None, ["a"])
    assert found.answer == "drift"
    assert found.examples[0] == "a"
    assert "without those that drifted on their own it cannot" in found.message


def test_what_one_column_does_not_explain_is_said(ask, rows):
    made = _together(rows, 0.6)
    made["c"] = np.array(["north"] * 3000)
    message = ask(made, None, ["c"]).message
    assert "still by a, b, AUC 0." in message or "still by b, a, AUC 0." in message


def test_too_few_rows_are_no_clean_bill(ask, rows):
    few = ask(rows(200, seed=1))
    assert (few.severity, few.answer, few.value) == ("info", "underpowered", None)
    assert "200 rows against 3,000 in the reference's sample are too few" in few.message
    weak = ask(rows(501, seed=1), rows(501, seed=7))
    assert weak.answer == "underpowered"
    assert weak.minimum_effect > weak.threshold
    assert "501 rows are too few to tell (AUC 0." in weak.message
    assert ask({"a": pa.array([], pa.float64())}).answer == "underpowered"


BAD = {
    "missing": None,
    "null": pa.nulls(600, pa.float64()),
    "constant": pa.array([1.0] * 600),
    "text": pa.array(["many"] * 600),
    "nested": pa.array([[1.0]] * 600),
    "infinite": pa.array([np.inf] * 600),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_data_is_a_finding_and_no_error(ask, rows, kind):
    bad = {"a": BAD[kind], "c": BAD[kind]}
    found = ask(rows(600, seed=1, **bad), rows(600), ["a", "c"])
    assert Finding.model_validate_json(found.model_dump_json()) == found
    everything = ask(dict.fromkeys(("a", "b", "c"), BAD[kind]) | {"id": ["r"] * 600})
    assert everything.answer in ("underpowered", "drift")


def test_a_column_that_moved_alone_is_not_said_to_be_how_they_go_together(ask, rows):
    moved = rows(3000, seed=1, a=np.random.default_rng(2).normal(44, 10, 3000))
    message = ask(moved).message
    assert "by a; no column moved enough on its own, but together they did" in message
    mixed = rows(3000, seed=1, c=["north"] * 2400 + ["south"] * 600)
    assert "no column moved enough on its own, but together they did" in ask(mixed).message


def test_what_is_excused_in_a_column_is_no_joint_drift(ask, rows):
    moved = rows(3000, seed=1, a=np.random.default_rng(2).normal(44, 10, 3000))
    assert ask(moved).answer == "drift"
    slight = ask(moved, slight=["a"])
    assert slight.answer == "no drift"
    assert "left out" not in slight.message
    varying = ask(moved, varying=["a"])
    assert varying.answer == "no drift"
    assert varying.message.endswith("; left out, since excused on their own: a")
    everything = ask(moved, varying=["a", "b"], slight=["c"])
    assert everything.answer == "underpowered"
    assert "every column moved on its own, though no more than is excused" in everything.message


def test_a_slight_movement_does_not_hide_what_changed_together(ask, rows):
    made = _together(rows, 0.6)
    found = ask({**made, "a": made["a"] + 3}, slight=["a"])
    assert found.answer == "drift"
    assert set(found.examples) == {"a", "b"}
    assert "no column drifted on its own, so it is how they go together" in found.message


def test_own_ranks_have_one_distribution_and_keep_the_order():
    draw = np.random.default_rng(5)
    values = np.column_stack([draw.normal(size=4000), draw.integers(0, 3, 4000), np.ones(4000)])
    current = np.arange(4000) >= 1000
    values[current, 0] = 7 + 3 * values[current, 0]
    values[:10, 0] = np.nan
    table = Table(["a", "c", "d"], values, [False, True, False], current)
    ranked = own_ranks(table, ["a", "c"])
    assert (ranked.names, ranked.coded) == (["a", "d"], [False, False])
    for side in (current, ~current):
        assert ranked.values[side, 0].mean() == pytest.approx(0.5, abs=0.002)
        order = np.argsort(np.nan_to_num(values[side, 0], nan=-99), kind="stable")
        assert (np.diff(ranked.values[side, 0][order])[10:] > 0).all()
    assert dependence(table).names == ["a", "c", "d"]
    values[current, 1] = np.minimum(values[current, 1], 1)
    assert dependence(table).names == ["a", "d"]


def test_a_learned_threshold_holds_for_the_joint_test_too(rows, write, spec_with):
    draw = np.random.default_rng(21)
    days = np.repeat(np.arange(120), 100)
    level = 6 * draw.normal(size=120)
    made = rows(days.size, a=draw.normal(40, 10, days.size) + level[days])
    path = write(made, "before.parquet")
    reference = profile_file(path, ["a", "b"], ["c"])
    tally = VariationTally(reference, 0, 120 * 86_400_000_000)
    tally.add(days * 86_400_000_000, {name: pa.array(made[name]) for name in "abc"})
    after = write(rows(4000, seed=1, a=draw.normal(48, 10, 4000)))
    asked, day = spec_with(alpha="joint: true, alpha"), Window.parse("2024-06-01..2024-06-02")
    profile = profile_window(after, None, asked, reference)

    def verdict(variation):
        return check_drift(
            *(profile, reference, asked, day, "v1"), variation=variation, samples=(path, after)
        )

    assert set(verdict(None).facts["drifted"]) == {"a", JOINT}
    found = verdict(tally.variation())
    assert (found.status, found.facts["drifted"]) == ("ok", [])


@pytest.mark.parametrize("kind", [pa.string_view(), pa.binary_view(), pa.list_(pa.string_view())])
def test_views_of_texts_are_sampled_as_texts(write, kind):
    nested = pa.types.is_list(kind)
    made = write({"a": pa.array([["x"]] * 6001 if nested else ["x"] * 6001, kind)})
    found = read_sample(made, ["a", "gone"])
    assert list(found) == ["a"]
    assert len(found["a"]) == 5000
    assert as_strings(found["a"]).null_count == (5000 if nested else 0)


def test_the_check_asks_where_the_spec_does(rows, write, window, reference, spec_with, spec):
    made = _together(rows, 0.7)
    paths = write(rows(3000, seed=7), "sample.parquet"), write(made)
    profile = profile_window(paths[1], None, spec, reference)

    def verdict(asked):
        return check_drift(profile, reference, asked, window, "v1", samples=paths)

    assert verdict(spec).answer == "no drift"
    asked = spec_with(alpha="joint: true, alpha")
    found = verdict(asked)
    assert found.facts["drifted"] == [JOINT]
    assert found.headline.startswith("the columns together drifted")
    assert found.findings[0].statistic == "roc_auc"
    # One more test shares the level.
    least = [{f.column: f.minimum_effect for f in v.findings} for v in (found, verdict(spec))]
    assert least[0]["a"] > least[1]["a"]
    # From a profile alone it is not asked, which is said; all else stays as it is.
    alone = check_drift(profile, reference, asked, window, "v1")
    (unasked,) = [finding for finding in alone.findings if finding.column == JOINT]
    assert (alone.status, alone.answer, unasked.answer) == ("ok", "underpowered", "underpowered")
    assert alone.headline.endswith("whether they changed together was not asked")
    others = [[f for f in v.findings if f.column != JOINT] for v in (found, alone)]
    assert others[0] == others[1]


def test_ignored_columns_are_not_looked_at(ask, rows, spec_with):
    spec = spec_with(alpha="ignore: [a], alpha")
    assert ask(_together(rows, 0.9), asked=spec).answer == "no drift"


def test_categories_are_numbered_by_how_frequent_they_are(spec, rows):
    sides = [{"c": pa.array(["x", "y", "y"])}, {"c": pa.array(["z", "y", None])}]
    table = join(spec, *sides)
    assert (table.names, table.coded) == (["c"], [True])
    assert table.values[:, 0].tolist()[1:3] == [0.0, 0.0]
    assert np.isnan(table.values[5, 0])
    assert table.current.tolist() == [False] * 3 + [True] * 3


def test_the_same_rows_give_the_same_answer(rows, write, spec):
    table = join(spec, *(read_sample(write(rows(600, seed=s)), ["a", "b", "c"]) for s in (1, 2)))
    first, second = separate(table), separate(table)
    assert (first.auc, first.p_value) == (second.auc, second.p_value)
    assert first.interval[0] < first.auc < first.interval[1]


def test_the_statistic_is_that_of_mann_and_whitney():
    draw = np.random.default_rng(4)
    scores, current = draw.integers(0, 8, 400) / 8.0, draw.random(400) < 0.4
    u, pairs, variance = mann_whitney(scores, current)
    theirs = mannwhitneyu(
        scores[current], scores[~current], method="asymptotic", use_continuity=False
    )
    assert u == theirs.statistic
    assert pairs == current.sum() * (~current).sum()
    z = (u - pairs / 2) / np.sqrt(variance)
    assert 2 * ndtr(-abs(z)) == pytest.approx(theirs.pvalue)


def test_an_effect_has_an_auc():
    assert auc_of_effect(1e-12) == pytest.approx(0.5, abs=1e-6)
    table = Table([], np.empty((10_000, 0)), [], np.arange(10_000) < 5000)
    assert least_auc(table, 0.01) == pytest.approx(0.527, abs=0.001)
