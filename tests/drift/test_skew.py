import numpy as np
import pyarrow as pa
import pytest

from components.core.errors import DataError
from components.core.verdict import Verdict
from components.drift.skew import check_skew


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
    assert {f.column for f in verdict.findings} == {"id"}


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


def test_files_that_cannot_be_read_are_named(tmp_path, spec, window, write, rows):
    with pytest.raises(DataError, match=r"gone\.parquet"):
        check_skew(write(rows(5)), tmp_path / "gone.parquet", spec, window, "v1")
