"""Whatever a column holds, no check fails: it is a finding, and the verdict can be read back."""

import dataclasses
from decimal import Decimal
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.storage import Store
from components.core.verdict import Verdict
from components.core.window import Window
from components.drift.check import check_drift, profile_window
from components.drift.profile import Profile
from components.drift.report import write_report
from components.drift.skew import check_skew
from components.model.concept_state import ConceptMemory
from components.model.files import MODEL, PROFILE, SAMPLE, SCHEMA
from components.model.performance import check_performance
from components.model.persist import load_model
from components.schema.check import check_schema
from components.schema.schema import Schema
from tests.model.conftest import changed, make_trained

MARCH = Window.parse("2024-03")
ROWS = 240
TIME = pa.timestamp("us", "UTC")


def _kinds(rows):
    """A column of each kind of bad data; None is no column at all."""
    numbers = np.random.default_rng(1).normal(40, 9, rows)
    texts = [f"text {i}" for i in range(rows)]
    return {
        "missing": None,
        "all null": pa.nulls(rows, pa.float64()),
        "null type": pa.nulls(rows),
        "constant number": pa.array([1.0] * rows),
        "constant text": pa.array(["x"] * rows),
        "text": pa.array(texts),
        "number": pa.array(numbers),
        "whole number": pa.array(np.arange(rows)),
        "list": pa.array([[1.0]] * rows),
        "struct": pa.array([{"a": 1, "b": "x"}] * rows),
        "timestamp": pa.array(np.arange(rows), TIME),
        "decimal": pa.array([Decimal("1.5")] * rows),
        "bool": pa.array([True, False] * (rows // 2)),
        "infinite": pa.array([np.inf, -np.inf] * (rows // 2)),
        "not a number": pa.array([np.nan] * rows),
        "huge": pa.array([1.7e308, -1.7e308] * (rows // 2)),
        "bytes": pa.array([b"\xff\xfe"] * rows),
        "dictionary": pa.array(texts).dictionary_encode(),
        "empty text": pa.array([""] * rows),
    }


KINDS = list(_kinds(0))
# What no model can use as a number, and what none can use as a category.
NO_NUMBERS = {"missing", "all null", "null type", "text", "list", "struct", "not a number"}
NO_TEXTS = {"missing", "all null", "null type", "list", "struct", "not a number"}


@dataclasses.dataclass
class Bench:
    """A champion, a window with its log, and copies of these that are bad in one column."""

    trained: object
    folder: object
    data: pa.Table
    log: pa.Table

    def __post_init__(self):
        self.spec = changed(
            self.trained.spec,
            checks__performance={"min_labels": 50, "resamples": 100},
        )
        self.profile = Profile.model_validate_json((self.trained.folder / PROFILE).read_text())
        self.schema = Schema.model_validate_json((self.trained.folder / SCHEMA).read_text())
        self.model = load_model(self.trained.folder / MODEL, self.trained.record.model_sha256)
        self.good = self._write(self.data, "data"), self._write(self.log, "log")

    def bad(self, column, kind):
        """The window and the log, one of them with a bad column or without rows."""
        logged = column in self.log.column_names
        table, name = (self.log, "log") if logged else (self.data, "data")
        path = self.folder / f"{name}-{column}-{kind}.parquet".replace(" ", "-")
        if not path.exists():
            self._write(_with(table, column, kind), path.stem)
        return (self.good[0], path) if logged else (path, self.good[1])

    def empty(self, side):
        """The window or the log without rows."""
        table = self.data if side == "data" else self.log
        path = self._write(table.slice(0, 0), f"{side}-empty")
        return (path, self.good[1]) if side == "data" else (self.good[0], path)

    def check(self, name, paths):
        """Run a check by its public function."""
        return getattr(self, f"check_{name}")(*paths)

    def check_schema(self, data, log):
        return check_schema(data, self.spec, MARCH, self.schema, "v1")

    def check_drift(self, data, log):
        current = profile_window(data, log, self.spec, self.profile, release="v1")
        return check_drift(current, self.profile, self.spec, MARCH, "v1",
                           samples=(self.trained.folder / SAMPLE, data))  # fmt: skip

    def check_skew(self, data, log):
        return check_skew(data, log, self.spec, MARCH, "v1", importances={"price": 1.0})

    def check_performance(self, data, log):
        memory = ConceptMemory(Store(str(self.folder / "store")), "orders")
        return check_performance(
            self.spec, data, log, self.trained.record, MARCH, "v1", self.model, memory
        )

    def _write(self, table, name):
        path = self.folder / f"{name}.parquet"
        pq.write_table(table, path)
        return path


def _with(table, column, kind):
    """The table with a bad column in place of a good one, and with ingest's report still."""
    array = _kinds(len(table))[kind]
    place = table.schema.get_field_index(column)
    if array is None:
        return table.remove_column(place)
    return table.set_column(place, column, array)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    trained = make_trained(tmp_path_factory.mktemp("bad") / "world")
    data = pq.read_table(trained.window(str(MARCH))).slice(0, ROWS)
    positive = np.random.default_rng(0).beta(2, 2, ROWS)
    log = pa.table(
        {
            "row_id": data["order"],
            "event_time": data["placed"],
            "served_at": data["placed"],
            "release": ["v1"] * ROWS,
            "request_id": ["r"] * ROWS,
            "prediction": (positive > 0.5).astype("int64"),
            "probability": pa.array([[1 - p, p] for p in positive], pa.list_(pa.float64())),
            **{f"feature.{name}": data[name] for name in trained.spec.columns.features},
        }
    )
    return Bench(trained, tmp_path_factory.mktemp("files"), data, log)


def _read_back(verdict):
    """The findings by column, of a verdict that survives being written."""
    text = verdict.model_dump_json()
    assert Verdict.model_validate_json(text).model_dump_json() == text
    assert verdict.headline
    found = {}
    for finding in verdict.findings:
        assert "\n" not in finding.message
        found.setdefault(finding.column, []).append(finding)
    return found


def _each_kind(look):
    """Look at every kind of bad column; all that go wrong are told together."""
    failures = {}
    for kind in KINDS:
        try:
            look(kind)
        except Exception as error:  # a check may raise anything, and must not
            failures[kind] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    assert not failures, "\n" + "\n".join(f"{kind}: {why}" for kind, why in failures.items())


# The columns that each check reads, of the window and of the log.
CHECKS = ["schema", "drift", "skew", "performance"]
OF_WINDOW = {
    "schema": ["price", "shop", "returned"],
    "drift": ["price", "shop", "returned"],
    "skew": ["price", "shop", "order"],
    "performance": ["price", "shop", "returned", "order", "placed"],
}
OF_LOG = {
    "drift": ["release", "prediction", "probability"],
    "skew": ["row_id", "release", "feature.price", "feature.shop"],
    "performance": ["row_id", "release", "prediction", "probability", "event_time"],
}


def _pairs(columns):
    return [(check, column) for check, names in columns.items() for column in names]


@pytest.mark.parametrize(("check", "column"), _pairs(OF_WINDOW))
def test_no_column_of_a_window_makes_a_check_fail(bench, check, column):
    def look(kind):
        found = _read_back(bench.check(check, bench.bad(column, kind)))
        if column not in bench.spec.columns.features:
            return
        unusable = kind in (NO_NUMBERS if column == "price" else NO_TEXTS)
        if check in ("drift", "skew"):
            assert column in found
        if unusable and check in ("schema", "drift", "skew"):
            assert any(finding.severity != "info" for finding in found[column])

    _each_kind(look)


@pytest.mark.parametrize(("check", "column"), _pairs(OF_LOG))
def test_no_column_of_the_log_makes_a_check_fail(bench, check, column):
    name = column.removeprefix("feature.")

    def look(kind):
        found = _read_back(bench.check(check, bench.bad(column, kind)))
        if check == "skew" and name != column:
            assert any(finding.severity != "info" for finding in found[name])

    _each_kind(look)


@pytest.mark.parametrize("side", ["data", "log"])
@pytest.mark.parametrize("check", CHECKS)
def test_a_window_or_a_log_without_rows_cannot_be_judged(bench, check, side):
    verdict = bench.check(check, bench.empty(side))
    _read_back(verdict)
    if side == "data" or check == "skew":
        assert verdict.answer != "no drift"


@pytest.mark.parametrize("kind", ["missing", "all null", "list", "text", "infinite"])
@pytest.mark.parametrize("column", ["price", "shop", "probability"])
def test_the_report_is_drawn_of_bad_columns_too(bench, column, kind, monkeypatch, tmp_path):
    # Evidently takes seconds; what is ours is what it is given.
    monkeypatch.setattr(
        "components.drift.report._evidently", lambda *_: "<html><body></body></html>"
    )
    data, log = bench.bad(column, kind)
    verdict = bench.check_drift(data, log)
    write = partial(write_report, bench.trained.folder / SAMPLE)
    write(data, log, verdict, bench.spec, tmp_path / "drift.html")
    assert verdict.headline.split(":")[0] in (tmp_path / "drift.html").read_text()
