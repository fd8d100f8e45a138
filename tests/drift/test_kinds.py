"""How columns of every kind are profiled: as numbers, and as categories."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.drift import profile
from components.drift.learn import KNOWN
from components.drift.profile import profile_arrays, profile_file
from components.drift.tally import OTHERS
from components.drift.values import read_numbers, read_texts

DAY = 86_400


def _numeric(array, reference=None):
    return profile_arrays({"x": array}, reference).columns["x"]


@pytest.mark.parametrize(
    ("array", "value"),
    [
        (pa.array([date(1970, 1, 3)]), 2 * DAY),
        (pa.array([date(1970, 1, 3)], pa.date64()), 2 * DAY),
        (pa.array([datetime(1970, 1, 2, tzinfo=UTC)]), DAY),
        (pa.array([datetime(1970, 1, 2)], pa.timestamp("s")), DAY),
        (pa.array([datetime(1970, 1, 2)], pa.timestamp("ns")), DAY),
        (pa.array([DAY], pa.timestamp("s", "Pacific/Auckland")), DAY),
        (pa.array([time(0, 1, 0, 500_000)], pa.time32("ms")), 60.5),
        (pa.array([time(0, 1, 0, 500_000)]), 60.5),
        (pa.array([timedelta(minutes=1)]), 60),
        (pa.array([Decimal("1.25")]), 1.25),
        (pa.array([2**63 + 1], pa.uint64()), float(2**63)),
        (pa.array([2**53 + 1]), float(2**53)),
        (pa.array([1.5], pa.float16()), 1.5),
        (pa.array([0.1], pa.float32()), float(np.float32(0.1))),
        (pa.array(["2.5"], pa.large_string()), 2.5),
        (pa.array(["2.5"]).dictionary_encode(), 2.5),
    ],
    ids=lambda value: str(getattr(value, "type", value)),
)
def test_as_numbers(array, value):
    column = _numeric(pa.concat_arrays([array, pa.nulls(2, array.type)]).slice(0, 2))
    if not hasattr(column, "minimum"):  # texts and dictionaries are categories if nobody says
        column = profile_arrays({"x": array}, profile_arrays({"x": pa.array([0.0])})).columns["x"]
    assert (column.minimum, column.maximum, column.unreadable) == (value, value, 0)


def test_times_in_other_units_and_zones_are_the_same_numbers():
    reference = profile_arrays({"x": pa.array([datetime(2024, 1, 1, tzinfo=UTC)])})
    found = [
        _numeric(pa.array([datetime(2024, 1, 1)]).cast(kind), reference).counts
        for kind in (pa.timestamp("s"), pa.timestamp("ns"), pa.date32())
    ]
    assert found == [reference.columns["x"].counts] * 3


@pytest.mark.parametrize(
    "array",
    [
        pa.array([[1.0], None]),
        pa.array([{"a": 1}, None]),
        pa.array([{"a": {"b": [1]}}, None]),
        pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
        pa.array([(1, 2, 3), None], pa.month_day_nano_interval()),
    ],
    ids=lambda array: str(array.type),
)
def test_what_is_neither_a_number_nor_a_text_is_unreadable(array, tmp_path):
    for kind in ("numeric", "categorical"):
        columns = {"categorical": (), "numeric": ()} | {kind: ["x"]}
        column = profile_arrays({"x": array}, categorical=columns["categorical"]).columns["x"]
        assert (column.rows, column.unreadable, column.missing) == (2, 1, 1)
        if not pa.types.is_interval(array.type):
            pq.write_table(pa.table({"x": array}), tmp_path / "w.parquet")
            column = profile_file(tmp_path / "w.parquet", **columns).columns["x"]
            assert (column.rows, column.unreadable, column.missing) == (2, 1, 1)


def test_as_categories():
    for array, names in (
        (pa.array([date(2024, 1, 3)]), ["2024-01-03"]),
        (pa.array([True, False, None]), ["true", "false"]),
        (pa.array([1.0, 2.5]), ["1", "2.5"]),
        (pa.array([Decimal("1.00")]), ["1"]),
        (pa.array([DAY], pa.timestamp("s", "UTC")), ["1970-01-02 00:00:00Z"]),
    ):
        assert read_texts(array).names.to_pylist() == names


def test_a_time_zone_that_nobody_knows_is_no_error():
    array = pa.array([DAY], pa.timestamp("s", "Middle/Earth"))
    assert read_numbers(array).values.tolist() == [DAY]
    texts = read_texts(array)
    assert texts.counts.sum() + texts.unreadable == 1


def test_nearly_unique_texts_are_counted_and_not_kept(tmp_path):
    names = pa.array([f"{number * 2654435761 % (1 << 64):016x}" for number in range(40_000)])
    pq.write_table(pa.table({"id": names}), tmp_path / "w.parquet", row_group_size=20_000)
    reference = profile_file(tmp_path / "w.parquet", [], ["id"])
    column = reference.columns["id"]
    assert (column.known, column.complete, column.unknown) == ([], False, 40_000)
    assert list(column.others) == sorted(names.to_pylist())[:OTHERS]
    assert len(reference.model_dump_json()) < 5_000


def test_many_categories_keep_the_frequent_ones(tmp_path):
    draw = np.random.default_rng(8)
    names = [f"k{number}" for number in np.minimum(draw.zipf(1.3, 20_000), 5_000)]
    pq.write_table(pa.table({"t": names}), tmp_path / "w.parquet")
    column = profile_file(tmp_path / "w.parquet", [], ["t"]).columns["t"]
    assert not column.complete
    assert len(column.known) <= KNOWN
    assert column.most_common == names.count("k1")


def test_categories_beside_the_rows_learned_from_are_not_known(tmp_path, monkeypatch):
    monkeypatch.setattr(profile, "_LEARN_ROWS", 2)
    path = tmp_path / "w.parquet"
    pq.write_table(pa.table({"t": ["a", "b", "c", "a"]}), path, row_group_size=1)
    column = profile_file(path, [], ["t"]).columns["t"]
    assert (column.known, column.others, column.complete) == (["a", "c"], {"b": 1}, False)


def test_a_dictionary_may_have_indices_of_any_type():
    for kind in (pa.int8(), pa.uint64()):
        array = pa.DictionaryArray.from_arrays(pa.array([0, 1, 1, None], kind), ["x", "y"])
        column = profile_arrays({"t": array}).columns["t"]
        assert (column.counts, column.missing) == ([1, 2], 1)


def test_columns_of_the_same_name_are_no_error(tmp_path):
    table = pa.Table.from_arrays([pa.array([1.0]), pa.array([2.0])], names=["x", "x"])
    pq.write_table(table, tmp_path / "w.parquet")
    assert profile_file(tmp_path / "w.parquet", ["x"], []).columns["x"].rows == 1


def test_one_column_read_both_ways_is_a_category(tmp_path):
    pq.write_table(pa.table({"x": ["1"]}), tmp_path / "w.parquet")
    assert profile_file(tmp_path / "w.parquet", ["x"], ["x"]).columns["x"].kind == "category"
