import numpy as np
import pyarrow as pa
import pytest

from components.core.errors import DataError
from components.core.verdict import Verdict
from components.drift import differences
from components.drift.skew import check_skew
from components.spec.load import parse_spec
from tests.bench.verdicts.skew import score
from tests.bench.verdicts.skew_windows import SPEC, WINDOWS, write_window


@pytest.fixture
def skew(write, spec, window):
    def verdict(columns, logged):
        paths = write(columns), write(logged, "log.parquet")
        found = check_skew(*paths, spec, window, "v1")
        assert Verdict.model_validate_json(found.model_dump_json()) == found
        return found

    return verdict


def _findings(verdict, column):
    return [finding for finding in verdict.findings if finding.column == column]


def test_served_as_trained_is_ok_whatever_the_order(skew, rows, log):
    made = rows(2000)
    order = np.random.default_rng(0).permutation(2000)
    shuffled = {
        name: values.take(pa.array(order)) if isinstance(values, pa.Array)
        else [values[i] for i in order]
        for name, values in log(made).items()
    }  # fmt: skip
    verdict = skew(made, shuffled)
    assert verdict.status == "ok"
    assert verdict.headline == "2,000 rows were served as training sees them"
    assert [f.count for f in verdict.findings] == [0, 0, 0]
    assert verdict.answer == "no drift"
    assert verdict.facts["causes"] == {}


def test_a_unit_change_is_found_and_explained(skew, rows, log):
    made = rows(2000)
    verdict = skew(made, log(made, **{"feature.a": (made["a"] - 32) / 1.8}))
    values, psi = _findings(verdict, "a")
    assert verdict.status == "drift"
    assert verdict.facts["skewed"] == ["a"]
    assert {values.statistic, psi.statistic} == {"different values", "psi"}
    worst = next(f for f in (values, psi) if f.statistic == "different values")
    assert (worst.value, worst.count) == (1.0, 2000)
    assert "degrees Celsius for Fahrenheit" in worst.message
    assert worst.examples[0].startswith("r0: served ")
    assert "in the median and" in worst.message
    assert "standard deviations" in worst.message
    assert worst.interval[0] == pytest.approx(0.99816, abs=1e-5)
    assert verdict.facts["causes"]["a"][0]["kind"] == "unit"


def test_a_few_wrong_values_are_a_warning_with_examples(skew, rows, log):
    made = rows(5000)
    served = made["b"].copy()
    served[[3, 70]] = [1e6, np.nan]
    verdict = skew(made, log(made, **{"feature.b": pa.array(served, from_pandas=True)}))
    (finding,) = _findings(verdict, "b")
    assert (verdict.status, finding.severity, finding.count) == ("warn", "warn", 2)
    assert finding.examples[0].startswith("r3: served 1000000, trained ")
    assert finding.examples[1].startswith("r70: served none, trained ")


def test_differences_within_the_tolerance_are_none(skew, rows, log):
    made = rows(500)
    assert skew(made, log(made, **{"feature.a": made["a"] * (1 + 1e-7)})).status == "ok"
    assert skew(made, log(made, **{"feature.a": made["a"] * (1 + 1e-5)})).status == "drift"


def test_missing_on_both_sides_and_infinite_on_both_sides_agree(skew, rows, log):
    odd = pa.array([None, np.inf, -np.inf, 0.0] * 100)
    made = rows(400, a=odd)
    assert skew(made, log(made)).status == "ok"
    other = pa.array([0.0, -np.inf, None, np.inf] * 100)
    assert _findings(skew(made, log(made, **{"feature.a": other})), "a")[0].count == 400


def test_categories_that_are_written_differently(skew, rows, log):
    made = rows(2000)
    served = [f" {name}" for name in made["c"]]
    verdict = skew(made, log(made, **{"feature.c": served}))
    assert any("only white space differs" in f.message for f in _findings(verdict, "c"))
    assert any("new categories" in f.message for f in _findings(verdict, "c"))


def test_rows_on_one_side_only_are_counted(skew, rows, log):
    made = rows(1000)
    logged = log(made, row_id=[*(f"r{i}" for i in range(900)), *(f"x{i}" for i in range(100))])
    verdict = skew(made, logged)
    assert verdict.facts["rows"] == 900
    assert (verdict.facts["only_served"], verdict.facts["only_trained"]) == (100, 100)
    assert {f.statistic: f.severity for f in _findings(verdict, "id")} == {
        "only served": "warn",
        "only trained": "info",
    }


def test_no_id_in_common_is_said_with_the_remedy(skew, rows, log):
    made = rows(3000)
    verdict = skew(made, log(made, row_id=[f"x{i}" for i in range(3000)]))
    assert verdict.status == "warn"
    assert "send the id column with every request" in _findings(verdict, "id")[0].message
    assert verdict.answer == "underpowered"
    assert {f.severity for f in verdict.findings if f.column != "id"} == {"info"}


def test_without_an_id_in_common_distributions_are_all_there_is(skew, rows, log):
    made = rows(3000)
    moved = rows(3000, seed=1)["a"] + 30
    logged = log(made, row_id=[f"x{i}" for i in range(3000)], **{"feature.a": moved})
    (finding,) = _findings(skew(made, logged), "a")
    assert (finding.statistic, finding.severity, finding.answer) == ("psi", "warn", "drift")
    assert finding.message.endswith("these may be other rows")


def _part(columns, keep):
    """Some rows of columns."""
    taken = {}
    for name, values in columns.items():
        if isinstance(values, pa.Array):
            taken[name] = values.take(pa.array(keep))
        else:
            taken[name] = [values[i] for i in keep]
    return taken


def _seasonal(rows):
    """A window whose values move with the time, as those of a month do."""
    made = rows(4000)
    return {**made, "a": made["a"] + np.arange(4000) / 50, "c": ["early"] * 2000 + ["late"] * 2000}


def test_an_incomplete_log_is_no_skew_when_every_value_agrees(skew, rows, log):
    made = _seasonal(rows)
    verdict = skew(made, _part(log(made), range(2000, 4000)))
    assert verdict.status == "ok"
    assert verdict.facts["skewed"] == []
    (finding,) = _findings(verdict, "id")
    assert (finding.severity, finding.count, finding.value) == ("info", 2000, 0.5)
    assert finding.message == (
        "the log is incomplete: 2,000 of 4,000 rows (50.0 %) of the window's data were not logged"
    )


def test_distributions_are_compared_on_the_rows_of_both_sides(skew, rows, log):
    made = _seasonal(rows)
    served = made["a"].copy()
    served[2500] += 1.0
    verdict = skew(made, _part(log(made, **{"feature.a": served}), range(2000, 4000)))
    (finding,) = _findings(verdict, "a")  # one other value, and no other distribution
    assert (finding.statistic, finding.severity, finding.count) == ("different values", "warn", 1)
    moved = made["a"] + 30
    verdict = skew(made, _part(log(made, **{"feature.a": moved}), range(2000, 4000)))
    assert {f.statistic for f in _findings(verdict, "a")} == {"different values", "psi"}


def test_what_other_releases_answered_is_left_out_and_counted(skew, rows, log):
    made = _seasonal(rows)
    half = np.arange(4000) < 1500
    # The release before the champion was not yet sent b, and was sent a in other units.
    logged = log(
        made,
        release=np.where(half, "v0", "v1").tolist(),
        **{
            "feature.a": np.where(half, made["a"] * 1000, made["a"]),
            "feature.b": pa.array(made["b"], mask=half),
        },
    )
    verdict = skew(made, logged)
    assert verdict.status == "ok"
    assert verdict.facts["rows"] == 2500
    assert verdict.facts["other_releases"] == 1500
    (finding,) = [f for f in verdict.findings if f.statistic == "other releases"]
    assert (finding.severity, finding.count) == ("info", 1500)
    assert finding.message.startswith("1,500 of 4,000 logged rows were answered by other releases")


def test_a_log_of_other_releases_alone_has_nothing_to_compare(skew, rows, log):
    made = rows(50)
    verdict = skew(made, log(made, release=["v0"] * 50, **{"feature.a": made["a"] + 9}))
    assert verdict.status == "warn"
    assert (
        "none of the 50 predictions logged in 2024-01-01..2024-02-01 is of v1" in verdict.headline
    )
    assert (verdict.facts["only_trained"], verdict.facts["other_releases"]) == (50, 50)


def test_nothing_logged_is_a_warning_and_not_a_pass(skew, rows, log):
    made = rows(5)
    nothing = pa.table(
        {name: values if isinstance(values, pa.Array) else pa.array(values)
         for name, values in log(made).items()}
    ).slice(0, 0)  # fmt: skip
    columns = {name: nothing.column(name).combine_chunks() for name in nothing.column_names}
    verdict = skew(made, columns)
    assert verdict.status == "warn"
    assert verdict.findings[0].severity == "warn"
    assert "no predictions were logged in 2024-01-01..2024-02-01" in verdict.headline


def test_a_feature_that_the_log_lacks_is_a_warning(skew, rows, log):
    made = rows(100)
    verdict = skew(made, log(made, **{"feature.b": None}))
    assert _findings(verdict, "b")[0].message == "b is not judged: the log does not have it"


def test_a_feature_of_another_type_is_a_finding(skew, rows, log):
    made = rows(1000)
    verdict = skew(made, log(made, **{"feature.a": pa.array(["many"] * 1000)}))
    assert verdict.facts["skewed"] == ["a"]


def test_columns_that_are_swapped_name_each_other(skew, rows, log):
    made = rows(3000)
    a, b = made["a"].copy(), made["b"].copy()
    a[:20], b[:20] = made["b"][:20], made["a"][:20]
    verdict = skew(made, log(made, **{"feature.a": a, "feature.b": b}))
    assert [cause["kind"] for cause in verdict.facts["causes"]["a"]] == ["swapped"]
    assert "swapped with b: each is served with the other's values" in (
        _findings(verdict, "a")[0].message
    )
    assert "swapped with a" in _findings(verdict, "b")[0].message


def test_a_stale_value_is_that_of_the_row_before(skew, rows, log):
    made = rows(500)
    stale = np.roll(made["a"], 1)
    verdict = skew(made, log(made, **{"feature.a": stale}))
    assert [cause["kind"] for cause in verdict.facts["causes"]["a"]] == ["stale"]


def test_several_causes_are_told_apart(skew, rows, log):
    made = rows(2000)
    served = made["a"].copy()
    served[:60] *= 1000
    served[60:100] = 0
    (finding,) = _findings(skew(made, log(made, **{"feature.a": served})), "a")[:1]
    assert "in 60 of 100: served is 1000 times trained" in finding.message
    assert "in 40 of 100: served is 0" in finding.message


def test_noise_is_counted_and_not_explained(skew, rows, log):
    made = rows(2000)
    served = made["a"].copy()
    served[:100] += np.random.default_rng(7).normal(0, 3, 100)
    verdict = skew(made, log(made, **{"feature.a": served}))
    assert _findings(verdict, "a")[0].count == 100
    assert verdict.facts["causes"] == {}


def test_findings_are_ranked_by_share_times_importance(write, spec, window, rows, log):
    made = rows(2000)
    a, b = made["a"].copy(), made["b"].copy()
    a[:400] += 5
    b[:100] += 5
    paths = write(made), write(log(made, **{"feature.a": a, "feature.b": b}), "log.parquet")
    plain = check_skew(*paths, spec, window, "v1")
    weighted = check_skew(*paths, spec, window, "v1", importances={"a": 0.1, "b": 0.7})
    assert plain.headline.startswith("a ")
    assert weighted.headline.startswith("b ")


def test_few_rows_that_agree_are_no_clean_bill(skew, rows, log):
    made = rows(100)
    verdict = skew(made, log(made))
    assert (verdict.status, verdict.answer) == ("ok", "underpowered")
    assert verdict.facts["underpowered"] == ["a", "b", "c"]
    assert "too few rows to tell for 3 columns" in verdict.headline
    finding = _findings(verdict, "a")[0]
    assert finding.minimum_effect == pytest.approx(0.0295, abs=1e-4)


def test_times_since_1970_are_not_all_alike(skew, rows, log):
    clock = 1.7e9 + np.arange(2000) * 60.0
    made = rows(2000, a=clock)
    served = clock.copy()
    served[:50] += 900
    verdict = skew(made, log(made, **{"feature.a": served}))
    assert _findings(verdict, "a")[0].count == 50
    assert "0.25 hours ahead" in verdict.headline


def test_rounding_of_the_last_bits_around_zero_is_no_difference(skew, rows, log):
    made = rows(2000)
    made["a"][:100] = 0.0
    served = made["a"] + np.where(np.arange(2000) < 100, 1e-17, 0)
    assert skew(made, log(made, **{"feature.a": served})).status == "ok"


def test_of_very_many_differences_an_even_sample_is_explained(monkeypatch, skew, rows, log):
    monkeypatch.setattr(differences, "SAMPLE_ROWS", 50)
    made = rows(3000)
    (finding, _) = _findings(skew(made, log(made, **{"feature.a": made["a"] * 60})), "a")
    assert (finding.count, finding.value) == (3000, 1.0)
    assert "served is 60 times trained" in finding.message


def test_numbers_at_the_end_of_their_range_still_differ(skew, rows, log):
    huge = np.array([1.7e308, -1.7e308] * 1000)
    made = rows(2000)
    assert _findings(skew(made, log(made, **{"feature.a": huge})), "a")[0].count == 2000
    turned = rows(2000, a=huge)
    assert _findings(skew(turned, log(turned, **{"feature.a": made["a"]})), "a")[0].count == 2000


@pytest.mark.parametrize("column", ["id", "row_id", "release"])
def test_a_file_without_its_ids_is_a_finding(skew, rows, log, column):
    made = rows(50)
    logged = log(made)
    (made if column == "id" else logged)[column] = None
    verdict = skew(made, logged)
    assert (verdict.status, verdict.answer) == ("warn", "underpowered")
    assert verdict.headline.startswith(f"no row can be matched: there is no {column} in the ")


def test_values_of_another_kind_on_both_sides_are_a_finding(skew, rows, log):
    made = rows(500, a=pa.array([["x"]] * 500))
    found = {f.statistic: f for f in _findings(skew(made, log(made)), "a")}
    assert found["unreadable"].count == 1000
    assert found["no values"].severity == "warn"


def test_numbers_served_as_text_are_explained_as_text(skew, rows, log):
    made = rows(500, a=np.arange(1000.0, 51000.0, 100.0))
    served = [f"{value:,.2f} EUR" for value in made["a"]]
    verdict = skew(made, log(made, **{"feature.a": served}))
    assert "different values" in {f.statistic for f in _findings(verdict, "a")}
    assert verdict.facts["causes"]["a"]


@pytest.mark.parametrize("title", WINDOWS)
def test_a_short_run_of_the_scoring(title, tmp_path, window):
    truth = write_window(tmp_path, 20_000, WINDOWS[title], seed=7)
    paths = tmp_path / "data.parquet", tmp_path / "log.parquet"
    lines = score(title, WINDOWS[title], truth, check_skew(*paths, parse_spec(SPEC), window, "v1"))
    assert [line.cells for line in lines if not line.explained or line.false] == []
    assert [line.found for line in lines] == [line.wrong for line in lines]


def test_the_scoring_sees_other_rows_and_causes_too_many(tmp_path, window):
    title = "units and formats"
    wrongs = WINDOWS[title]
    truth = write_window(tmp_path, 20_000, wrongs, seed=7)
    paths = tmp_path / "data.parquet", tmp_path / "log.parquet"
    verdict = check_skew(*paths, parse_spec(SPEC), window, "v1")
    moved = truth | {"mass": {f"other-{name}" for name in truth["mass"]}}
    found = {line.cells[1]: line for line in score(title, wrongs, moved, verdict)}
    assert (found["mass"].found, found["mass"].false) == (0, 5)
    assert found["price"].found == found["price"].wrong
    verdict.facts["causes"]["price"].append({"kind": "sign", "text": "more", "rows": 5})
    found = {line.cells[1]: line for line in score(title, wrongs, truth, verdict)}
    assert (found["price"].false, found["mass"].false) == (1, 0)


def test_files_that_cannot_be_read_are_named(tmp_path, spec, window, write, rows):
    with pytest.raises(DataError, match=r"gone\.parquet"):
        check_skew(write(rows(5)), tmp_path / "gone.parquet", spec, window, "v1")
