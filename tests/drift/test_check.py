import subprocess
import sys
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from components.core.errors import DataError
from components.core.verdict import Finding, Verdict
from components.core.window import Window
from components.drift.check import check_drift, profile_window, read_predictions
from components.drift.effects import Learned
from components.drift.findings import column_finding, rank
from components.drift.profile import Profile, profile_arrays, profile_file
from components.drift.rule import Threshold
from components.drift.rule import judge as judge_column
from components.drift.variation import VariationTally


@pytest.fixture
def judge(write, spec, window, reference):
    def verdict(columns, logged=None, **options):
        predictions = write(logged, "log.parquet") if logged else None
        profile = profile_window(write(columns), predictions, spec, reference)
        return check_drift(profile, reference, spec, window, "v1", **options)

    return verdict


def _by_column(verdict):
    return {finding.column: finding for finding in verdict.findings}


def test_a_fresh_window_has_one_quiet_finding_a_column(judge, rows, log):
    made = rows(seed=1)
    verdict = judge(made, log(made))
    assert verdict.status == "ok"
    assert verdict.headline == "none of 5 columns drifted"
    assert [f.severity for f in verdict.findings] == ["info"] * 5
    assert set(_by_column(verdict)) == {"a", "b", "c", "prediction", "label"}
    assert verdict.facts["rows"] == 4000
    assert verdict.facts["drifted"] == []
    assert verdict.facts["statistics"]["a"].keys() == {
        "psi",
        "jensen_shannon",
        "kolmogorov_smirnov",
        "wasserstein",
    }


def test_a_drifted_column_is_named_with_all_its_evidence(judge, rows):
    draw = np.random.default_rng(2)
    verdict = judge(rows(seed=1, a=draw.normal(80, 10, 4000)))
    finding = _by_column(verdict)["a"]
    assert verdict.status == "drift"
    assert verdict.headline == finding.message
    assert finding.message.startswith("a moved up: median 4")
    assert finding.value > finding.threshold == 0.1
    assert finding.p_value < 0.01
    assert finding.interval[0] < finding.value < finding.interval[1]
    assert finding.minimum_effect < 0.1
    assert verdict.facts["drifted"] == ["a"]


def test_the_worst_comes_first_and_importance_can_change_that(judge, rows):
    draw = np.random.default_rng(3)
    made = rows(seed=1, a=draw.normal(90, 10, 4000), b=draw.exponential(6, 4000))
    assert judge(made).facts["drifted"] == ["a", "b"]
    weighted = judge(made, importances={"a": 0.0, "b": 0.7})
    assert weighted.facts["drifted"] == ["b", "a"]
    assert weighted.headline.startswith("b ")


def test_predictions_and_labels_are_judged_where_there_are_any(judge, rows, log):
    made = rows(seed=1, y=np.ones(4000, dtype="int64"))
    high = pa.array([[0.1, 0.9]] * 4000, pa.list_(pa.float64()))
    verdict = judge(made, log(made, probability=high))
    assert set(verdict.facts["drifted"]) == {"prediction", "label"}


def test_without_a_log_and_with_late_labels_only_features_are_judged(judge, rows):
    verdict = judge(rows(seed=1, y=pa.nulls(4000, pa.int64())))
    found = _by_column(verdict)
    assert verdict.status == "ok"
    assert "no predictions yet" in found["prediction"].message
    assert "no labels yet" in found["label"].message


def test_labels_that_are_not_due_are_not_missing_labels(judge, rows):
    made = rows(seed=1)
    few = pa.array([value if i < 2000 else None for i, value in enumerate(made["y"].tolist())])
    assert _by_column(judge({**made, "y": few}))["label"].severity == "info"


def test_an_ignored_column_is_only_shown(rows, write, window, reference, spec_with):
    spec = spec_with(alpha="ignore: [a], alpha")
    made = rows(seed=1, a=np.full(4000, 3.0))
    profile = profile_window(write(made), None, spec, reference)
    verdict = check_drift(profile, reference, spec, window, "v1")
    assert verdict.status == "ok"
    assert _by_column(verdict)["a"].message.endswith("ignored, as checks.drift.ignore asks")
    few = profile_window(write(rows(150, seed=1)), None, spec, reference)
    verdict = check_drift(few, reference, spec, window, "v1")
    assert _by_column(verdict)["a"].answer is None
    assert "a" not in verdict.facts["underpowered"]


def test_too_few_rows_are_no_clean_bill(judge, rows):
    verdict = judge(rows(150, seed=1))
    assert verdict.status == "ok"
    assert set(verdict.facts["underpowered"]) >= {"a", "b"}
    assert "too few data to tell for" in verdict.headline
    assert "too few to tell" in _by_column(verdict)["a"].message


BAD = {
    "missing": None,
    "null": pa.nulls(4000, pa.float64()),
    "constant": pa.array([1.0] * 4000),
    "text": pa.array(["many"] * 4000),
    "nested": pa.array([[1.0]] * 4000),
    "infinite": pa.array([np.inf] * 4000),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("column", ["a", "c"])
def test_bad_data_is_a_finding_and_no_error(judge, rows, column, kind):
    verdict = judge(rows(seed=1, **{column: BAD[kind]}))
    assert verdict.facts["drifted"] == [column]
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


def test_unreadable_and_infinite_values_are_counted_beside(judge, rows):
    some = rows(seed=1)["a"].copy()
    some[:7] = np.inf
    verdict = judge(rows(seed=1, a=some))
    assert verdict.status == "warn"
    assert verdict.headline == "a: 7 of 4,000 values are infinite"


def test_a_window_without_rows(judge, rows):
    empty = {
        "a": pa.array([], pa.float64()),
        "b": pa.array([], pa.float64()),
        "c": pa.array([], pa.string()),
        "y": pa.array([], pa.int64()),
    }
    verdict = judge(empty)
    assert verdict.status == "ok"
    assert len(verdict.facts["underpowered"]) == 3
    assert verdict.answer == "underpowered"


def test_columns_that_cannot_be_compared_are_said_so(rows, write, spec, window, reference):
    known = reference.columns
    profile = profile_window(write(rows(seed=1)), None, spec, reference)
    lacking = Profile(columns={k: v for k, v in known.items() if k != "a"})
    verdict = check_drift(profile, lacking, spec, window, "v1")
    assert "trained without it" in _by_column(verdict)["a"].message
    other = profile_arrays({"a": pa.array([1.0]), "b": pa.array([1.0])})
    found = _by_column(check_drift(other, reference, spec, window, "v1"))
    assert "other cells" in found["a"].message
    assert "not profiled" in found["c"].message


def test_one_release_of_the_log_can_be_judged_alone(rows, write, log, spec):
    made = rows(6)
    path = write(log(made, release=["v1", "v1", "v2", "v2", "v2", "v2"]), "log.parquet")
    assert len(read_predictions(path, spec, "v1")) == 2
    assert len(read_predictions(path, spec)) == 6


@pytest.mark.parametrize(("task", "metric"), [("multiclass", "accuracy"), ("regression", "mae")])
def test_other_tasks_are_judged_by_the_prediction_itself(rows, write, log, spec_with, task, metric):
    spec = spec_with(binary=task, roc_auc=metric)
    answers = ["x", "y", None] if task == "multiclass" else [1.5, 2.5, None]
    made = rows(3)
    lists = pa.nulls(3, pa.list_(pa.float64()))
    path = write(log(made, prediction=pa.array(answers), probability=lists), "log.parquet")
    assert read_predictions(path, spec).to_pylist() == answers[:2]


def test_a_log_without_answers_has_no_predictions(write, spec):
    assert len(read_predictions(write({"row_id": ["a"]}), spec)) == 0
    odd = {
        "prediction": [1, 1],
        "release": ["v", "v"],
        "probability": pa.array([[0.2], None], pa.list_(pa.float64())),
    }
    assert len(read_predictions(write(odd), spec)) == 0


def test_a_missing_file_is_named(tmp_path, spec, reference, write, rows):
    with pytest.raises(DataError, match=r"gone\.parquet"):
        profile_window(write(rows(9)), tmp_path / "gone.parquet", spec, reference)


def test_the_check_imports_nothing_heavy():
    program = (
        "import sys, components.drift.check; "
        "print([m for m in ('evidently', 'sklearn', 'scipy.stats', 'kfp') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


def test_the_level_is_shared_by_the_columns_that_are_judged(
    rows, write, window, reference, spec_with
):
    made = write(rows(seed=1))
    for ignored, judged in (("", 5), ("ignore: [a, b], ", 3)):
        spec = spec_with(alpha=f"{ignored}alpha")
        profile = profile_window(made, None, spec, reference)
        found = _by_column(check_drift(profile, reference, spec, window, "v1"))
        # What these rows could have shown at the level of one column among these.
        threshold = Threshold(effect=0.1, level=0.01 / judged)
        alone = judge_column(reference.columns["c"], profile.columns["c"], threshold)
        assert found["c"].minimum_effect == alone.minimum_effect


def test_a_column_that_would_drift_alone_may_not_among_three(rows, write, window, spec_with):
    spec = spec_with(**{"effect: 0.1": "effect: 0.001"})
    before = rows(1000, c=["k"] * 500 + ["l"] * 500)
    reference = profile_file(write(before, "before.parquet"), ["a", "b"], ["c"])
    profile = profile_window(
        write(rows(1000, c=["k"] * 562 + ["l"] * 438)), None, spec, reference
    )  # a and b are the same rows
    finding = _by_column(check_drift(profile, reference, spec, window, "v1"))["c"]
    assert 0.01 / 3 < finding.p_value < 0.01
    assert finding.value > finding.threshold
    assert finding.severity == "info"


def test_the_champions_predictions_are_judged_alone(rows, write, log, spec, window, reference):
    made = rows(seed=1)
    logged = log(made, release=["v1"] * 2000 + ["v2"] * 2000)
    pairs = logged["probability"].to_pylist()
    logged["probability"] = pa.array([[0.05, 0.95]] * 2000 + pairs[2000:], pa.list_(pa.float64()))
    paths = write(made), write(logged, "log.parquet")

    def verdict(release):
        profile = profile_window(*paths, spec, reference, release)
        found = check_drift(profile, reference, spec, window, "v2")
        return profile.columns["prediction"].rows, found.facts["drifted"]

    assert verdict("v2") == (2000, [])
    assert verdict("v1") == (2000, ["prediction"])
    assert verdict(None) == (4000, ["prediction"])


def test_rows_without_a_prediction_or_label_say_nothing_about_either(spec, window, reference):
    draw = np.random.default_rng(11)
    values, none = draw.beta(1, 4, 4000), draw.random(4000) < 0.5
    columns = {
        "prediction": pa.array(values, mask=none),
        "label": pa.array((draw.random(4000) < 0.2).astype("int64"), mask=none),
        "c": pa.array(draw.choice(["north", "south", "east"], 4000, p=[0.5, 0.3, 0.2]), mask=none),
    }
    profile = profile_arrays(columns, reference)
    assert [column.missing for column in profile.columns.values()] == [none.sum()] * 3
    verdict = check_drift(profile, reference, spec, window, "v1")
    assert verdict.facts["drifted"] == ["c"]


def test_a_learned_threshold_is_used_and_said(rows, write, spec, spec_with, window):
    draw = np.random.default_rng(21)
    days = np.repeat(np.arange(90), 200)
    weekend = np.isin(days % 7, [5, 6])
    made = rows(days.size, a=draw.normal(40, 10, days.size) + 15 * weekend)
    reference = profile_file(write(made, "before.parquet"), ["a", "b"], ["c"])
    tally = VariationTally(reference, 0, 90 * 86_400_000_000)
    tally.add(days * 86_400_000_000, {name: pa.array(made[name]) for name in "abc"})
    day = Window.parse("2024-01-06..2024-01-07")
    profile = profile_window(
        write(rows(2000, seed=1, a=draw.normal(55, 10, 2000))), None, spec, reference
    )

    def verdict(asked, variation):
        return check_drift(profile, reference, asked, day, "v1", variation=variation)

    plain = verdict(spec, None)
    assert plain.facts["drifted"] == ["a"]
    assert plain.facts["learned"] == {}
    found = verdict(spec, tally.variation())
    finding = _by_column(found)["a"]
    assert found.answer == "no drift"
    assert finding.threshold == pytest.approx(found.facts["learned"]["a"]["effect"], abs=1e-6)
    assert finding.threshold > finding.value > 0.1
    assert finding.message.startswith("a moved up: median")
    assert "; of 90 blocks of 1 day in the reference, one differs by 1." in finding.message
    # The effect of the spec stays the floor, and is not said to be learned.
    assert _by_column(found)["b"].threshold == 0.1
    assert "learned" not in _by_column(found)["b"].message
    assert found.facts["learned"]["b"]["effect"] < 0.1
    asked = spec_with(alpha="learn: false, alpha")
    assert verdict(asked, tally.variation()).facts["drifted"] == ["a"]


def test_findings_are_ordered_by_effect_in_units_of_the_threshold():
    def finding(column, value, threshold, statistic="psi"):
        return Finding(
            column=column,
            statistic=statistic,
            severity="drift",
            message="",
            value=value,
            threshold=threshold,
        )

    found = [
        finding("a", 2.0, 1.0),
        finding("b", 0.5, 0.1),
        finding("(joint)", 0.8, 0.55, "roc_auc"),
        Finding(column="c", statistic="infinite", severity="warn", message=""),
    ]

    def order(weights):
        return [f.column for f in sorted(found, key=lambda f: rank(f, weights))]

    assert order({}) == ["(joint)", "b", "a", "c"]
    assert order({"a": 0.9, "b": 0.1}) == ["(joint)", "a", "b", "c"]
    assert order({"a": 0.0, "b": 0.0}) == ["(joint)", "b", "a", "c"]


def test_more_than_any_block_showed_is_no_clean_bill_where_blocks_are_few(rows):
    draw = np.random.default_rng(31)
    before = profile_arrays({"a": pa.array(draw.normal(40, 10, 8000))})
    after = profile_arrays({"a": pa.array(draw.normal(47, 10, 4000))}, before)
    sides = before.columns["a"], after.columns["a"]

    def finding(effect, largest):
        threshold = Threshold(effect, 0.001)
        few = Learned(effect, largest, 12, timedelta(days=7))
        return column_finding("a", *sides, judge_column(*sides, threshold), threshold, few)

    found = finding(0.9, 0.2)
    assert (found.severity, found.answer) == ("info", "underpowered")
    assert found.message.startswith("a moved up: median 40 -> 47")
    assert found.message.endswith(
        "; 12 blocks of 7 days in the reference showed less, but are too few to call it drift: "
        "take a longer training.history, or set checks.drift.learn: false"
    )
    usual = finding(0.9, 0.6)
    assert usual.answer == "no drift"
    assert usual.message.startswith("a moved up: median 40 -> 47")
    assert usual.message.endswith("; of 12 blocks of 7 days in the reference, one differs by 0.60")
    beyond = finding(0.3, 0.2)
    assert (beyond.severity, beyond.answer, beyond.threshold) == ("drift", "drift", 0.3)
