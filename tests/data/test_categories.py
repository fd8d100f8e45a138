"""A category has the same text whichever way it comes: to training, or as JSON to the server."""

import csv
import json
import math
import tempfile
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from components.data.convert import to_categories
from components.data.frame import features_frame
from components.data.frame import rows_frame as to_frame
from components.data.ingest import ingest_window
from components.data.records import feature_rows
from components.data.spelling import category_text
from tests.data.conftest import JANUARY, LATER, make_spec

INTEGERS = st.integers(-(2**63), 2**63 - 1)
DOUBLES = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**18), 10**18).map(
    float
)
TEXTS = (
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
    | DOUBLES.map(repr)
    | st.sampled_from(["True", "FALSE", "1e+16", "1e999", "-0.0", "007", "1.10", "NA", " x", ""])
)
DECIMALS = st.decimals(-(10**30), 10**30, allow_nan=False)
SOME = {"min_size": 1, "max_size": 10}
KINDS = {
    "int64": (INTEGERS, pa.int64()),
    "double": (DOUBLES, pa.float64()),
    "bool": (st.booleans(), pa.bool_()),
    "string": (TEXTS, pa.string()),
}


def _trained(write, values):
    """What ingest makes of a categorical column."""
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), values)
        spec = make_spec({"kind": "files", "path": str(path)})
        ingest_window(spec, JANUARY, LATER, Path(folder) / "out.parquet")
        table = pq.read_table(Path(folder) / "out.parquet")
    order = {row: place for place, row in enumerate(table.column("id").to_pylist())}
    found = features_frame(table, spec.columns)["c"].tolist()
    return [found[order[str(row)]] for row in range(len(values))]


def _served(values):
    """What the server makes of the same values, sent as JSON."""
    sent = json.loads(json.dumps([{"x": 1.0, "c": value} for value in values]))
    columns = make_spec({"kind": "files", "path": "x"}).columns
    return to_frame(feature_rows(sent, columns), columns)["c"].tolist()


def _parquet(kind):
    def write(folder, values):
        count = len(values)
        table = {
            "id": [str(row) for row in range(count)],
            "t": ["2013-01-05"] * count,
            "x": [1.0] * count,
            "c": pa.array(values, kind),
            "y": [0] * count,
        }
        pq.write_table(pa.table(table), folder / "in.parquet")
        return folder / "in.parquet"

    return write


def _csv(folder, values):
    with (folder / "in.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, quoting=csv.QUOTE_ALL)
        rows.writerow(["id", "t", "x", "c", "y"])
        for row, value in enumerate(values):
            rows.writerow([row, "2013-01-05", 1.0, "" if value is None else value, 0])
    return folder / "in.csv"


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_parquet_and_json_give_one_text(kind, data):
    strategy, arrow = KINDS[kind]
    values = data.draw(st.lists(st.none() | strategy, **SOME))
    assert _trained(_parquet(arrow), values) == _served(values)


@given(st.lists(st.none() | st.booleans() | INTEGERS | DOUBLES | TEXTS, **SOME))
@example([7.0, True, None, "", "NA", 0.5, 1e16, -0.0, 1e300, 1e-7, "True", "7.0"])
@settings(max_examples=60, deadline=None)
def test_csv_and_json_give_one_text(values):
    trained = _trained(_csv, values)
    assert trained == _served(values)
    # A client that sends the file's own texts has the same categories too.
    assert trained == _served([value if value is None else str(value) for value in values])


def test_an_unquoted_na_is_no_value_as_null_is():
    def write(folder, values):
        lines = [f"{row},2013-01-05,1,{value},0\n" for row, value in enumerate(values)]
        (folder / "in.csv").write_text("id,t,x,c,y\n" + "".join(lines))
        return folder / "in.csv"

    assert _trained(write, ["NA", "", "7.0", "True"]) == _served([None, "", 7.0, True])
    assert _served([None, "", 7.0, True]) == [None, None, "7", "true"]


@given(st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | DECIMALS)
def test_spelling_twice_changes_nothing(value):
    once = category_text(value)
    assert category_text(once) == once


@given(st.lists(st.none() | DOUBLES | st.just(math.nan), **SOME), st.integers(0, 4))
def test_a_column_is_spelled_value_by_value(values, places):
    expected = [category_text(value) for value in values]
    assert to_categories(pa.array(values, pa.float64()))[0].to_pylist() == expected
    exact = [
        None if v is None or math.isnan(v) else round(Decimal(v % 1e6), places) for v in values
    ]
    array = pa.array(exact, pa.decimal128(20, 5))
    assert to_categories(array)[0].to_pylist() == [category_text(value) for value in exact]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("7.50"), "7.5"),
        (Decimal("12345678901234567890"), "12345678901234567890"),
        (Decimal("12345678901234567890.5"), "12345678901234567168"),
        (math.inf, None),
        ("1.10", "1.10"),
        ("007", "007"),
        ("1e5", "1e5"),
        ("9" * 400 + ".0", "9" * 400 + ".0"),
    ],
)
def test_spellings_at_the_edge(value, expected):
    assert category_text(value) == expected
