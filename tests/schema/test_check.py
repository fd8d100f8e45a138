import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.errors import DataError
from components.core.verdict import Verdict
from components.core.window import Window
from components.data.ingest import ingest_window
from components.data.report import METADATA_KEY, ColumnReport, IngestReport, read_report
from components.schema.check import check_schema
from components.schema.reading import count_due, read_profile
from components.schema.schema import Schema, learn_schema
from components.spec.load import parse_spec
from tests.data.conftest import make_spec

SPEC = """
model: toy
task: binary
source: {kind: files, path: nowhere.parquet}
columns: {id: id, time: time, target: y, numeric: [a, b], categorical: [c]}
label: {delay: 1d}
estimator: {class: sklearn.linear_model.LogisticRegression}
metric: roc_auc
"""
SPEC_TYPES = {"a": "double", "b": "int64", "c": "string", "y": "int64"}
WINDOW = Window.parse("2024-01")


@pytest.fixture
def spec():
    return parse_spec(SPEC)


def _learn(path, spec):
    """The schema of a window, and the profile that belongs to it."""
    report = read_report(path)
    profile = read_profile(path, report, spec, None)
    return learn_schema(report, profile, spec, count_due(path, spec, report)), profile


def _rows(count=3000, seed=0, **changed):
    draw = np.random.default_rng(seed)
    made = {
        "a": pa.array(np.where(draw.random(count) < 0.1, np.nan, draw.normal(50, 10, count)),
                      from_pandas=True),
        "b": pa.array(draw.poisson(5, count).astype("float64")),
        "c": pa.array(draw.choice(["x", "y", "z"], count)),
        "y": pa.array((draw.random(count) < 0.3).astype("int64")),
    }  # fmt: skip
    return {**made, **changed}


@pytest.fixture
def ingested(tmp_path):
    """Write columns the way ingest does, with its report."""
    written = []

    def write(columns, types=None, unparsable=None, **facts):
        count = len(columns["a"])
        kinds = {**SPEC_TYPES, **(types or {})}
        report = IngestReport(
            **{
                "window": str(WINDOW),
                "as_of": "2025-01-01",
                "source": "files nowhere.parquet",
                "rows_read": count,
                "rows_outside": 0,
                "rows_bad_time": 0,
                "rows_no_id": 0,
                "duplicates": 0,
                "rows": count,
                "labels": count - columns["y"].null_count,
                "labels_not_due": 0,
                "missing_columns": [],
                "extra_columns": ["note"],
                "columns": {
                    name: ColumnReport(
                        source_type=kind,
                        unparsable=(unparsable or {}).get(name, 0),
                        examples=["many"] if name in (unparsable or {}) else [],
                    )
                    for name, kind in kinds.items()
                },
                "fingerprint": "f",
                **facts,
            }
        )
        start = datetime(2024, 1, 1, tzinfo=UTC)
        table = pa.table(
            {
                "id": [f"r{i}" for i in range(count)],
                "time": pa.array([start] * count, pa.timestamp("us", tz="UTC")),
                **columns,
            }
        ).replace_schema_metadata({METADATA_KEY: report.model_dump_json()})
        path = tmp_path / f"window{len(written)}.parquet"
        pq.write_table(table, path, row_group_size=700)
        written.append(path)
        return path

    return write


@pytest.fixture
def check(ingested, spec):
    """Check rows against a clean reference, or against none."""
    reference = _learn(ingested(_rows(6000, seed=99)), spec)

    def verdict(columns, against=reference, **options):
        schema, profile = against or (None, None)
        found = check_schema(
            ingested(columns, **options),
            spec,
            WINDOW,
            schema,
            "v1" if against else "",
            reference=profile,
        )
        assert Verdict.model_validate_json(found.model_dump_json()) == found
        return found

    return verdict


def _found(verdict):
    return {(f.column, f.statistic): f for f in verdict.findings}


def test_a_schema_survives_being_written(ingested, spec):
    schema, _ = _learn(ingested(_rows()), spec)
    assert Schema.model_validate_json(schema.model_dump_json()) == schema
    assert list(schema.columns) == ["a", "b", "c", "y"]
    assert schema.columns["b"].whole
    assert schema.columns["y"].categories == ["0", "1"]
    assert schema.keys == {}
    assert schema.extra_columns == ["note"]


def test_the_order_of_the_rows_does_not_show(ingested, spec):
    made = _rows()
    order = pa.array(np.random.default_rng(1).permutation(3000))
    shuffled = {name: column.take(order) for name, column in made.items()}
    assert _learn(ingested(made), spec) == _learn(ingested(shuffled), spec)


def test_fresh_clean_windows_raise_no_alarm(check):
    for seed in range(40):
        verdict = check(_rows((50, 500, 3000)[seed % 3], seed=seed))
        assert verdict.status == "ok", verdict.headline


def test_the_headline_of_a_clean_window(check):
    verdict = check(_rows(seed=1))
    assert verdict.headline == "3,000 rows fit the reference"
    assert verdict.facts["rows"] == 3000
    assert verdict.facts["reference_rows"] == 6000


def _some(column, value, count):
    """The first rows changed to a value."""
    values = column.to_pylist()
    return pa.array([value] * count + values[count:], column.type)


BASE = _rows(seed=5)
ANOMALIES = {
    "missing feature": (
        {"a": pa.nulls(3000, pa.float64())},
        {"missing_columns": ["a"], "types": {"a": "missing"}},
        ("a", "missing column", "blocked"),
    ),
    "missing target": (
        {"y": pa.nulls(3000, pa.int64())},
        {"missing_columns": ["y"], "types": {"y": "missing"}},
        ("y", "missing column", "blocked"),
    ),
    "empty feature": (
        {"a": pa.nulls(3000, pa.float64())},
        {},
        ("a", "missing values", "blocked"),
    ),
    "empty target": (
        {"y": pa.nulls(3000, pa.int64())},
        {},
        ("y", "missing values", "blocked"),
    ),
    "other type": ({}, {"types": {"a": "string"}}, ("a", "type", "blocked")),
    "other type in some files": (
        {},
        {"types": {"a": "double, string"}},
        ("a", "type", "blocked"),
    ),
    "wider number": ({}, {"types": {"b": "double"}}, ("b", "type", "info")),
    "truth as number": ({}, {"types": {"b": "bool"}}, ("b", "type", "info")),
    "mostly unreadable": (
        {"a": pa.array([None] * 2000 + [50.0] * 1000)},
        {"unparsable": {"a": 2000}},
        ("a", "unparsable", "blocked"),
    ),
    "many unreadable": (
        {"a": _some(BASE["a"], None, 600)},
        {"unparsable": {"a": 600}},
        ("a", "unparsable", "drift"),
    ),
    "few unreadable": (
        {"a": _some(BASE["a"], None, 3)},
        {"unparsable": {"a": 3}},
        ("a", "unparsable", "warn"),
    ),
    "many missing": ({"a": _some(BASE["a"], None, 600)}, {}, ("a", "missing values", "drift")),
    "more missing": ({"b": _some(BASE["b"], None, 60)}, {}, ("b", "missing values", "warn")),
    "hardly any missing": ({"b": _some(BASE["b"], None, 2)}, {}, ("b", "missing values", "info")),
    "new category": ({"c": _some(BASE["c"], "new", 90)}, {}, ("c", "new categories", "drift")),
    "rarely a new category": (
        {"c": _some(BASE["c"], "new", 25)},
        {},
        ("c", "new categories", "warn"),
    ),
    "one new category": ({"c": _some(BASE["c"], "new", 1)}, {}, ("c", "new categories", "info")),
    "new class": ({"y": _some(BASE["y"], 2, 1)}, {}, ("y", "new categories", "warn")),
    "three classes": ({"y": _some(BASE["y"], 2, 1)}, {}, ("y", "classes", "blocked")),
    "out of range": ({"a": _some(BASE["a"], 5000.0, 100)}, {}, ("a", "range", "drift")),
    "some out of range": ({"a": _some(BASE["a"], -900.0, 25)}, {}, ("a", "range", "warn")),
    "one out of range": ({"a": _some(BASE["a"], 5000.0, 1)}, {}, ("a", "range", "info")),
    "negative amount": ({"b": _some(BASE["b"], -1.0, 90)}, {}, ("b", "range", "drift")),
    "fractions": ({"b": _some(BASE["b"], 2.5, 90)}, {}, ("b", "whole numbers", "warn")),
    "constant number": ({"b": pa.array([4.0] * 3000)}, {}, ("b", "constant", "warn")),
    "constant category": ({"c": pa.array(["x"] * 3000)}, {}, ("c", "constant", "warn")),
    "new column": ({}, {"extra_columns": ["note", "more"]}, ("more", "new column", "info")),
    "bad times": ({}, {"rows_bad_time": 40}, ("", "rows bad time", "warn")),
    "no ids": ({}, {"rows_no_id": 40}, ("", "rows no id", "warn")),
    "duplicates": ({}, {"duplicates": 40}, ("", "duplicates", "warn")),
    "hardly a duplicate": ({}, {"duplicates": 1}, ("", "duplicates", "info")),
    "malformed": (
        {},
        {"rows_malformed": 90, "malformed": ["a;b"]},
        ("", "rows malformed", "warn"),
    ),
}


@pytest.mark.parametrize("name", ANOMALIES)
def test_every_anomaly_is_found_and_named(check, name):
    changed, options, (column, statistic, severity) = ANOMALIES[name]
    verdict = check({**BASE, **changed}, **options)
    finding = _found(verdict)[column, statistic]
    assert finding.severity == severity
    assert verdict.status == ("ok" if severity == "info" else verdict.status)
    if severity == "blocked":
        assert verdict.status == "blocked"
    if column:
        assert column in finding.message


def test_all_anomalies_are_listed_not_the_first(check):
    made = {**BASE, "b": _some(BASE["b"], -5.0, 500), "c": _some(BASE["c"], "new", 500)}
    verdict = check(made, types={"a": "string"})
    assert {f.column for f in verdict.at_least("drift")} == {"a", "b", "c"}


def test_a_cause_stands_without_what_follows_from_it(check):
    made = {**BASE, "a": pa.nulls(3000, pa.float64())}
    verdict = check(made, missing_columns=["a"], types={"a": "missing"})
    assert [f.statistic for f in verdict.findings if f.column == "a"] == ["missing column"]


def test_findings_have_counts_shares_and_examples(check):
    made = {**BASE, "c": pa.array(["q", "q", "w", *BASE["c"].to_pylist()[3:]])}
    finding = _found(check(made))["c", "new categories"]
    assert (finding.count, finding.examples) == (3, ["q", "w"])
    assert finding.value == pytest.approx(0.001)
    made = {**BASE, "a": _some(BASE["a"], 5000.0, 100)}
    finding = _found(check(made))["a", "range"]
    assert (finding.count, finding.examples) == (100, ["5000"])


def test_labels_that_are_late_are_no_missing_labels(check):
    late = {**BASE, "y": pa.nulls(3000, pa.int64())}
    verdict = check(late, as_of="2024-02-01T12:00:00Z")
    assert verdict.status == "ok"
    assert "0 of 3,000 rows have a label" in _found(verdict)["y", "labels"].message
    assert check(late, as_of="2024-02-02").status == "blocked"
    assert check(late, as_of="2025-01-01", labels_not_due=3000).status == "ok"


def test_the_first_training_is_judged_against_the_spec_alone(check):
    assert check(BASE, against=None).headline == "3,000 rows fit the spec"
    empty = {**BASE, "a": pa.nulls(3000, pa.float64())}
    assert check(empty, against=None).status == "blocked"
    assert check({**BASE, "y": pa.array([1] * 3000)}, against=None).status == "blocked"
    assert check(BASE, against=None, missing_columns=["c"]).status == "blocked"
    assert check(BASE, against=None, duplicates=9).status == "warn"


def test_a_column_that_was_empty_before_may_stay_empty(check, ingested, spec):
    nothing = {**BASE, "a": pa.nulls(3000, pa.float64())}
    reference = _learn(ingested(nothing), spec)
    assert check(nothing, against=reference).status == "ok"
    assert check(BASE, against=reference).status == "ok"


def test_what_the_reference_had_as_well_is_not_new(check, ingested, spec):
    reference = _learn(ingested(_rows(seed=1), duplicates=40, rows_no_id=3), spec)
    assert check(BASE, against=reference, duplicates=45).status == "ok"
    assert check(BASE, against=reference, duplicates=400).status == "warn"


def test_a_constant_column_that_varies_now_is_out_of_range(check, ingested, spec):
    constant = {**BASE, "b": pa.array([3.0] * 3000)}
    reference = _learn(ingested(constant), spec)
    finding = _found(check(BASE, against=reference))["b", "range"]
    assert finding.severity == "drift"


def test_texts_of_untyped_sources_change_no_type(check, ingested, spec):
    untyped = dict.fromkeys(SPEC_TYPES, "text")
    reference = _learn(ingested(_rows(seed=1), types=untyped), spec)
    assert check(BASE, against=reference, types=untyped).status == "ok"
    assert check(BASE, against=reference).status == "ok"


def test_text_of_which_nearly_all_is_new_is_no_set_of_categories(check, ingested, spec):
    unique = {**BASE, "c": pa.array([f"u{i}" for i in range(3000)])}
    reference = _learn(ingested(unique), spec)
    others = {**BASE, "c": pa.array([f"v{i}" for i in range(3000)])}
    assert check(others, against=reference).status == "ok"


def test_a_regression_target_is_a_number(ingested):
    spec = parse_spec(SPEC.replace("binary", "regression").replace("roc_auc", "mae"))
    made = {**BASE, "y": pa.array(np.random.default_rng(3).normal(0, 10, 3000))}
    reference, profile = _learn(ingested(made, types={"y": "double"}), spec)
    assert reference.columns["y"].kind == "number"
    far = {**made, "y": _some(made["y"], 1e6, 300)}
    verdict = check_schema(
        ingested(far, types={"y": "double"}), spec, WINDOW, reference, "v1", reference=profile
    )
    assert _found(verdict)["y", "range"].severity == "drift"


def test_a_window_without_rows_is_judged_without_error(check):
    empty = {name: column.slice(0, 0) for name, column in BASE.items()}
    verdict = check(empty)
    assert verdict.answer == "underpowered"
    assert verdict.headline.startswith("the window has no rows")


def test_a_file_that_ingest_did_not_write_is_refused(tmp_path, spec):
    path = tmp_path / "plain.parquet"
    pq.write_table(pa.table(BASE), path)
    with pytest.raises(DataError, match="run ingest again"):
        _learn(path, spec)
    with pytest.raises(DataError, match=r"gone\.parquet"):
        check_schema(tmp_path / "gone.parquet", spec, WINDOW, None, "")


def test_a_heavy_tail_is_not_out_of_range(check, ingested, spec):
    draw = np.random.default_rng(8)
    tail = {**BASE, "a": pa.array(draw.standard_cauchy(3000))}
    reference = _learn(ingested(tail), spec)
    for _ in range(20):
        fresh = {**BASE, "a": pa.array(draw.standard_cauchy(3000))}
        assert check(fresh, against=reference).status == "ok"


def test_infinite_numbers_are_unreadable_ones(check):
    verdict = check({**BASE, "b": _some(BASE["b"], math.inf, 10)})
    assert _found(verdict)["b", "unparsable"].count == 10


def test_a_reference_with_unreadable_values_is_clean_against_itself(check, ingested, spec):
    for share in (3, 300, 2000):
        made = {**BASE, "b": _some(BASE["b"], None, share)}
        reference = _learn(ingested(made, unparsable={"b": share}), spec)
        learned = reference[0].columns["b"]
        assert (learned.unparsable, learned.missing) == (share, 0)
        verdict = check(made, against=reference, unparsable={"b": share})
        assert verdict.status == "ok", verdict.headline
        assert _found(verdict)["b", "unparsable"].severity == "info"


def test_a_few_more_unreadable_values_than_before_are_held_against_the_tolerance(
    check, ingested, spec
):
    before = {**BASE, "b": _some(BASE["b"], None, 300)}
    reference = _learn(ingested(before, unparsable={"b": 300}), spec)

    def severity(count):
        made = {**BASE, "b": _some(BASE["b"], None, count)}
        verdict = check(made, against=reference, unparsable={"b": count})
        return _found(verdict)["b", "unparsable"].severity

    # 10 % before, and 5 % more are tolerated.
    assert [severity(count) for count in (330, 440, 480, 1600)] == [
        "info",
        "warn",
        "drift",
        "blocked",
    ]


def test_unreadable_values_of_the_reference_excuse_no_missing_ones(check, ingested, spec):
    before = {**BASE, "b": _some(BASE["b"], None, 300)}
    reference = _learn(ingested(before, unparsable={"b": 300}), spec)
    finding = _found(check({**BASE, "b": _some(BASE["b"], None, 270)}, against=reference))
    missing = finding["b", "missing values"]
    assert (missing.severity, missing.count) == ("drift", 270)


def test_unreadable_values_are_not_missing_too(check):
    made = {**BASE, "b": _some(BASE["b"], None, 600)}
    found = _found(check(made, unparsable={"b": 600}))
    assert found["b", "unparsable"].count == 600
    assert ("b", "missing values") not in found
    some = _found(check(made, unparsable={"b": 200}))
    assert (some["b", "unparsable"].count, some["b", "missing values"].count) == (200, 400)


@pytest.mark.parametrize("source_has_them", [True, False])
def test_labels_that_are_not_due_are_not_missing_in_the_reference(tmp_path, source_has_them):
    """Training at a window's end: the labels of its last ten days are not known then."""
    start, count = datetime(2024, 1, 1, tzinfo=UTC), 3000
    times = [start + timedelta(minutes=14 * i) for i in range(count)]
    as_of, later = datetime(2024, 2, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
    draw = np.random.default_rng(4)
    due = np.array([t <= as_of - timedelta(days=10) for t in times])
    spec = make_spec({"kind": "files", "path": str(tmp_path / "*.pq")}, delay="10d")

    def ingested(name, as_of, without):
        table = pa.table(
            {
                "id": [f"r{i}" for i in range(count)],
                "t": times,
                "x": draw.normal(size=count),
                "c": ["k"] * count,
                "y": pa.array(draw.integers(0, 2, count), mask=without),
            }
        )
        pq.write_table(table, tmp_path / "source.pq")
        report = ingest_window(spec, WINDOW, as_of, tmp_path / name)
        return tmp_path / name, report

    nothing = np.zeros(count, dtype=bool)
    path, report = ingested("reference.parquet", as_of, nothing if source_has_them else ~due)
    assert report.labels_not_due == (np.count_nonzero(~due) if source_has_them else 0)
    reference, profile = _learn(path, spec)
    target = reference.columns["y"]
    assert (target.rows, target.missing) == (np.count_nonzero(due), 0)
    assert reference.columns["x"].rows == count
    lost = draw.random(count) < 0.25
    held = {"schema": reference, "champion": "v1", "reference": profile}
    current = ingested("current.parquet", later, lost)[0]
    verdict = check_schema(current, spec, WINDOW, **held)
    assert _found(verdict)["y", "missing values"].severity == "drift"
    assert check_schema(path, spec, WINDOW, **held).status == "ok"


def test_a_label_that_is_not_due_is_not_counted_as_unreadable(tmp_path):
    spec = make_spec({"kind": "files", "path": str(tmp_path / "a.csv")}, task="regression",
                     delay="10d")  # fmt: skip
    (tmp_path / "a.csv").write_text(
        "id,t,x,c,y\n1,2024-01-02,1,k,many\n2,2024-01-30,1,k,many\n3,2024-01-30,1,k,5\n"
    )
    report = ingest_window(spec, WINDOW, datetime(2024, 2, 1, tzinfo=UTC), tmp_path / "w.parquet")
    assert (report.columns["y"].unparsable, report.labels_not_due, report.labels) == (1, 1, 0)
