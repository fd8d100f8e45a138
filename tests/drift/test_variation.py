from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.errors import DataError
from components.drift.profile import profile_arrays, profile_file
from components.drift.variation import Variation, VariationTally, file_variation

DAY = 86_400_000_000
START = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1e6)


def times(days):
    micro = START + (np.asarray(days) * DAY).astype("int64")
    return pa.array(micro, pa.timestamp("us", "UTC"))


@pytest.fixture
def ninety_days(tmp_path):
    """Ninety days of a number, a category and a label, in one file, in no order."""
    draw = np.random.default_rng(3)
    rows = 9000
    table = pa.table(
        {
            "time": times(draw.uniform(0, 90, rows)),
            "a": pa.array(draw.normal(40, 10, rows), mask=draw.random(rows) < 0.1),
            "c": draw.choice(["north", "south", "east"], rows),
            "y": pa.array(draw.integers(0, 2, rows), mask=draw.random(rows) < 0.3),
        }
    )
    path = tmp_path / "window.parquet"
    pq.write_table(table, path, row_group_size=2000)
    reference = profile_file(path, ["a"], ["c"])
    label = profile_arrays({"label": table["y"].cast(pa.string()).combine_chunks()})
    columns = {**reference.columns, **label.columns}
    return path, table, reference.model_copy(update={"columns": columns})


def test_three_months_are_cut_into_days_and_no_row_is_lost(ninety_days):
    path, table, reference = ninety_days
    found = file_variation(path, reference, "time", "y")
    assert found.start == datetime(2024, 1, 1, tzinfo=UTC)
    assert found.seconds == 86400
    assert set(found.columns) == {"a", "c", "label"}
    days = np.bincount((table["time"].cast(pa.int64()).to_numpy() - START) // DAY, minlength=90)
    for column in found.columns.values():
        assert np.array(column.counts).sum(axis=1).tolist() == days.tolist()


def test_the_coarse_cells_hold_what_the_profile_holds(ninety_days):
    path, table, reference = ninety_days
    columns = file_variation(path, reference, "time", "y").columns
    a = reference.columns["a"]
    *cells, empty = np.sum(columns["a"].counts, axis=0).tolist()
    assert empty == a.missing
    assert set(columns["a"].edges) <= set(a.edges)
    below = dict(zip(a.edges, np.cumsum(a.counts), strict=False))
    assert np.cumsum(cells)[:-1].tolist() == [below[edge] for edge in columns["a"].edges]
    # Twentieths, finer cells in both tails, and one beyond each end of the range.
    assert len(cells) >= 28
    assert cells[0] == cells[-1] == 0
    assert columns["c"].known == reference.columns["c"].known
    assert np.sum(columns["c"].counts, axis=0)[:3].tolist() == reference.columns["c"].counts
    assert np.sum(columns["label"].counts, axis=0)[-1] == table["y"].null_count


def test_it_is_small_and_reads_back(ninety_days):
    path, _, reference = ninety_days
    found = file_variation(path, reference, "time", "y")
    text = found.model_dump_json()
    assert Variation.model_validate_json(text) == found
    assert len(text) < 15_000
    assert "1," in text  # counts, and no rows


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 999), parts=st.integers(1, 5))
def test_any_split_of_the_rows_in_any_order_gives_the_same_counts(seed, parts):
    draw = np.random.default_rng(seed)
    when = START + draw.integers(0, 70 * DAY, 300)
    arrays = {"a": draw.normal(size=300), "c": draw.choice(["x", "y", None], 300)}
    arrays = {name: pa.array(values, from_pandas=True) for name, values in arrays.items()}
    reference = profile_arrays(arrays)
    whole, split = (VariationTally(reference, int(when.min()), int(when.max())) for _ in "ab")
    whole.add(when, arrays)
    for rows in np.array_split(draw.permutation(300), parts):
        split.add(when[rows], {name: array.take(pa.array(rows)) for name, array in arrays.items()})
    assert split.variation().model_dump_json() == whole.variation().model_dump_json()


@pytest.mark.parametrize(
    ("days", "seconds"),
    [(400, 86400), (90, 86400), (30, 21600), (7, 3600), (430, 7 * 86400), (0.01, 10), (0, 1)],
)
def test_the_longest_stretch_of_which_there_are_sixty_is_taken(days, seconds):
    tally = VariationTally(profile_arrays({}), START, START + int(days * DAY))
    assert tally.seconds == seconds
    assert tally.stretches <= 421


def test_many_columns_over_a_year_stay_small_and_no_row_is_lost():
    draw = np.random.default_rng(8)
    when = START + draw.integers(0, 400 * DAY, 5000)
    names = pa.array([f"v{code:03}" for code in draw.integers(0, 300, 5000)])
    few, many = ({f"c{i}": names for i in range(count)} for count in (3, 100))
    texts = []
    for arrays in (few, many):
        tally = VariationTally(profile_arrays(arrays), START, START + 400 * DAY - 1)
        tally.add(when, arrays)
        found = tally.variation()
        assert all(len(column.known) == 24 for column in found.columns.values())
        assert all(np.sum(column.counts) == 5000 for column in found.columns.values())
        texts.append((found.seconds, tally.stretches, len(found.model_dump_json()) < 900_000))
    # With few columns, a year keeps its days.
    assert texts[0] == (86400, 400, True)
    assert texts[1][0] == 4 * 86400
    assert texts[1][1:] in [(100, True), (101, True)]


def test_predictions_are_counted_where_there_are_some(ninety_days):
    path, _, reference = ninety_days
    values = pa.array([0.1, 0.9, 0.9])
    answers = profile_arrays({"prediction": values}).columns
    both = reference.model_copy(update={"columns": {**reference.columns, **answers}})
    when = START + np.array([80, 81, 89]) * DAY
    found = file_variation(path, both, "time", "y", (when, values))
    days = np.sum(found.columns["prediction"].counts, axis=1)
    assert np.flatnonzero(days).tolist() == [80, 81, 89]


def test_bad_values_have_a_cell(tmp_path):
    path = tmp_path / "odd.parquet"
    odd = pa.table(
        {
            "time": times([0, 1, 2, 3]),
            "a": ["1.5", "many", None, "inf"],
            "c": pa.nulls(4, pa.string()),
        }
    )
    pq.write_table(odd, path)
    reference = profile_file(path, ["a", "gone"], ["c"])
    found = file_variation(path, reference, "time", "y").columns
    assert np.sum(found["a"].counts) == 4
    assert np.sum(found["a"].counts, axis=0)[-1] == 3
    assert np.sum(found["c"].counts, axis=0).tolist() == [0, 4]
    assert np.sum(found["gone"].counts) == 0


def test_categories_beyond_the_most_frequent_are_counted_together(monkeypatch):
    monkeypatch.setattr("components.drift.variation._CATEGORIES", 2)
    array = pa.array(["a", "b", "b", "c", "c", "c", None])
    tally = VariationTally(profile_arrays({"c": array}), START, START)
    tally.add(np.full(7, START), {"c": array})
    column = tally.variation().columns["c"]
    assert (column.known, column.counts) == (["b", "c"], [[2, 3, 1, 1]])


def test_a_window_without_rows_has_none(tmp_path):
    path = tmp_path / "empty.parquet"
    pq.write_table(pa.table({"time": times([])}), path)
    assert file_variation(path, profile_arrays({}), "time", "y") is None


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.parquet"):
        file_variation(tmp_path / "gone.parquet", profile_arrays({}), "time", "y")
