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


def test_no_id_in_common_is_said_with_the_remedy_and_distributions_still_count(skew, rows, log):
    made = rows(3000)
    strange = log(made, row_id=[f"x{i}" for i in range(3000)], **{"feature.a": made["a"] + 50})
    verdict = skew(made, strange)
    assert "send the id column with every request" in _findings(verdict, "id")[0].message
    (finding,) = _findings(verdict, "a")
    assert finding.statistic == "psi"
    assert finding.message.startswith("as served, a moved up: median ")


def test_nothing_logged_is_ok_and_says_so(skew, rows, log):
    made = rows(5)
    nothing = pa.table(
        {name: values if isinstance(values, pa.Array) else pa.array(values)
         for name, values in log(made).items()}
    ).slice(0, 0)  # fmt: skip
    columns = {name: nothing.column(name).combine_chunks() for name in nothing.column_names}
    verdict = skew(made, columns)
    assert verdict.status == "ok"
    assert verdict.findings[0].severity == "info"
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
