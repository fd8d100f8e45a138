"""A judged window: few columns are held, and the features come from the file when asked for."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.errors import DataError
from components.data.frame import features_frame, read_rows
from components.model import window_rows
from components.model.rows import in_order, labelled_rows
from components.model.window_rows import read_window
from tests.model.conftest import changed, small_spec

SPEC = changed(small_spec("sklearn.tree.DecisionTreeClassifier"), slices=["k"])
TIMES = pa.timestamp("us", "UTC")
COUNT = 500


@pytest.fixture
def window(tmp_path):
    """Rows in no order, in several row groups, some of one time, some without, some labelled."""
    random = np.random.default_rng(0)
    times = [None if hour == 0 else hour * 3_600_000_000 for hour in random.integers(0, 20, COUNT)]
    table = pa.table(
        {
            "i": [f"r{index}" for index in random.permutation(COUNT)],
            "t": pa.array(times, pa.int64()).cast(TIMES),
            **{name: random.normal(size=COUNT) for name in "abc"},
            "k": random.choice(["x", "y"], COUNT),
            "l": random.choice(["u", "v"], COUNT),
            "y": pa.array([None if y == 2 else int(y) for y in random.integers(0, 3, COUNT)]),
        }
    )
    pq.write_table(table, tmp_path / "w", row_group_size=70)
    return tmp_path / "w"


@pytest.fixture
def asked(monkeypatch):
    """The columns that are read."""
    names = []

    def reading(path, columns):
        names.extend(columns)
        return read_rows(path, columns)

    monkeypatch.setattr(window_rows, "read_rows", reading)
    return names


def test_the_rows_are_those_of_the_whole_file_in_order(window):
    whole = read_rows(window)
    timed = whole.filter(whole.column("t").is_valid())
    kept = np.random.default_rng(1).random(COUNT) < 0.3

    everything, labelled, findings = read_window(window, SPEC)

    assert findings == []
    for found, table in (
        (everything, in_order(timed, SPEC)),
        (labelled, labelled_rows(timed, SPEC).table),
    ):
        mask = kept[: len(found)]
        for rows, expected in (
            (found, table),
            (found.where(mask), table.filter(pa.array(mask))),
            (found.part(10, 200), table.slice(10, 190)),
            (found.where(mask).part(10, 50), table.filter(pa.array(mask)).slice(10, 40)),
        ):
            assert rows.ids.to_pylist() == expected.column("i").to_pylist()
            assert rows.features().equals(features_frame(expected, SPEC.columns))
            times = expected.column("t").to_numpy().astype("datetime64[us]")
            assert rows.times.tolist() == times.tolist()


def test_features_are_read_only_when_they_are_asked_for(window, asked):
    everything, _, _ = read_window(window, SPEC)

    assert sorted(asked) == ["i", "k", "t", "y"]
    assert sorted(everything.table.column_names) == ["i", "k", "t", "y"]
    asked.clear()
    everything.features(SPEC.columns.model_copy(update={"numeric": ["b"], "categorical": ["l"]}))
    assert asked == ["b", "l"]


def test_a_feature_of_another_type_is_looked_at_for_the_finding_and_not_kept(window, asked):
    table = pq.read_table(window)
    texts = pa.array(["much"] * 5 + ["1.5"] * (COUNT - 5))
    pq.write_table(table.set_column(2, "a", texts).drop_columns(["b"]), window)

    everything, _, findings = read_window(window, SPEC)

    assert [finding.column for finding in findings] == ["a", "b"]
    assert "5 of 500 values are no numbers" in findings[0].message
    assert "a" in asked
    assert "a" not in everything.table.column_names
    features = everything.features()
    assert features["a"].isna().sum() <= 5
    assert features["a"].max() == 1.5
    assert features["b"].isna().all()


def test_a_file_that_is_no_parquet_is_said(tmp_path):
    (tmp_path / "w").write_bytes(b"nothing")

    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_window(tmp_path / "w", SPEC)
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_window(tmp_path / "absent", SPEC)
