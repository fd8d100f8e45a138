import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.errors import DataError
from components.core.window import parse_time
from components.model.records import MISSING
from components.model.rows import after, read_labelled, split_by_time
from tests.model.conftest import changed, small_spec

SPEC = changed(small_spec("sklearn.tree.DecisionTreeClassifier"), slices=["k"])
TIMES = pa.timestamp("us", "UTC")


def write(path, target, ids=None, hours=None, k=None):
    """A window of so many rows; hour after hour unless said otherwise."""
    count = len(target)
    hours = hours if hours is not None else list(range(count))
    table = pa.table(
        {
            "i": ids or [f"r{index}" for index in range(count)],
            "t": pa.array([hour * 3_600_000_000 for hour in hours], pa.int64()).cast(TIMES),
            **{name: np.arange(float(count)) for name in "abc"},
            "k": pa.array(k or ["x"] * count, pa.string()),
            "l": pa.array([None] * count, pa.string()),
            "y": target,
        }
    )
    pq.write_table(table, path)
    return path


def test_rows_come_by_time_then_id(tmp_path):
    path = write(tmp_path / "w", [0, 1, 0, 1], ids=["d", "b", "c", "a"], hours=[2, 1, 1, 1])

    rows = read_labelled(path, SPEC)

    assert rows.ids.to_pylist() == ["a", "b", "c", "d"]
    assert rows.labels.tolist() == [1, 1, 0, 0]


def test_rows_without_a_label_are_counted_and_left_out(tmp_path):
    rows = read_labelled(write(tmp_path / "w", [0, None, 1, None]), SPEC)

    assert (len(rows), rows.unlabelled) == (2, 2)
    assert rows.labels.dtype == np.int64


def test_a_number_that_is_none_is_no_label(tmp_path):
    spec = small_spec("sklearn.linear_model.Ridge", "regression")
    path = write(tmp_path / "w", [1.0, float("nan"), float("inf"), None, 2.0])

    rows = read_labelled(path, spec)

    assert (rows.labels.tolist(), rows.unlabelled) == ([1.0, 2.0], 3)


def test_whole_numbers_are_numbers_for_regression(tmp_path):
    spec = small_spec("sklearn.linear_model.Ridge", "regression")

    assert read_labelled(write(tmp_path / "w", [1, 2]), spec).labels.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("target", "classes"),
    [([1, 0], [0, 1]), ([True, False], [False, True]), (["b", "a"], ["a", "b"])],
)
def test_classes_are_the_targets_own_values_sorted(tmp_path, target, classes):
    found = read_labelled(write(tmp_path / "w", target), SPEC).classes

    assert [(type(c), c) for c in found] == [(type(c), c) for c in classes]


def test_fractions_are_no_classes(tmp_path):
    with pytest.raises(DataError, match=r"'y' holds values such as 0.5.*use task regression"):
        read_labelled(write(tmp_path / "w", [0.5, 1.0]), SPEC)


def test_texts_are_no_numbers(tmp_path):
    spec = small_spec("sklearn.linear_model.Ridge", "regression")

    with pytest.raises(DataError, match=r"'y' is of type string, and task regression needs"):
        read_labelled(write(tmp_path / "w", ["a", "b"]), spec)


def test_a_missing_column_is_named(tmp_path):
    path = write(tmp_path / "w", [0, 1])
    pq.write_table(pq.read_table(path).drop(["b"]), path)

    with pytest.raises(DataError, match=r"no column 'b'; ingest the window again"):
        read_labelled(path, SPEC)


@pytest.mark.parametrize("kind", [pa.null(), pa.int64()])
def test_no_labels_at_all_are_no_rows(tmp_path, kind):
    rows = read_labelled(write(tmp_path / "w", pa.nulls(3, kind)), SPEC)

    assert (len(rows), rows.unlabelled, rows.slices()) == (0, 3, [])


def test_slices_are_the_largest_first_and_missing_values_are_one(tmp_path):
    k = ["b", None, "a", "c", "a", None]
    rows = read_labelled(write(tmp_path / "w", [0, 1] * 3, k=k), SPEC)

    found = [(s.column, s.value, s.positions.tolist()) for s in rows.slices()]

    assert found == [
        ("k", MISSING, [1, 5]),
        ("k", "a", [2, 4]),
        ("k", "b", [0]),
        ("k", "c", [3]),
    ]


def test_what_lies_at_the_moment_counts_as_after(tmp_path):
    rows = read_labelled(write(tmp_path / "w", [0, 1, 0]), SPEC)

    mask = after(rows.times, parse_time("1970-01-01T01:00Z"))

    assert mask.tolist() == [False, True, True]
    assert rows.where(mask).ids.to_pylist() == ["r1", "r2"]


@given(st.lists(st.integers(0, 20), min_size=2, max_size=60), st.floats(0.05, 0.85))
def test_rows_of_one_instant_stay_together(hours, share):
    times = np.array(sorted(hours), dtype="datetime64[h]")

    cut = split_by_time(times, share)

    if cut == 0:
        assert len(set(hours)) == 1
    else:
        assert times[cut - 1] < times[cut]


@given(st.integers(2, 500), st.floats(0.05, 0.85))
def test_the_holdout_has_the_share_where_every_time_is_another(count, share):
    times = np.arange(count).astype("datetime64[h]")

    held_out = count - split_by_time(times, share)

    assert 1 <= held_out < count
    assert abs(held_out - count * share) <= 1
