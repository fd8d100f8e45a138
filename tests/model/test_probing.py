import numpy as np

from components.data.feature_rows import FeatureRows
from components.model.probing import UNSEEN, probes
from components.spec.model import Columns

COLUMNS = Columns(id="i", time="t", target="y", numeric=["a", "b"], categorical=["k"])


def made(numeric, texts, columns=COLUMNS):
    parts = list(probes(FeatureRows(np.array(numeric, dtype=float), texts), columns))
    notes = [note for part in parts for note in part.notes]
    numbers = np.concatenate([part.rows.numeric for part in parts])
    return notes, numbers, [text for part in parts for text in part.rows.categorical[0]]


def test_every_column_is_missing_once_and_extreme():
    notes, numbers, texts = made([[1, 10], [2, 20], [3, 30], [4, 40]], [["x", "y", "x", None]])

    assert np.isnan(numbers[:3, 0]).all()
    assert numbers[:3, 1].tolist() == [10, 20, 40]  # the first, a middle and the last row
    assert notes[0] == "a row with a missing"
    assert {-29.0, 34.0, -4e9, 4e9} <= set(numbers[:, 0])
    assert {-1e300, 1e300} <= set(numbers[:, 0]) & set(numbers[:, 1])
    assert notes.count("a row with k never seen") == texts.count(UNSEEN) - 3 == 3
    everything = notes.index("a row with every column missing")
    assert np.isnan(numbers[everything]).all()
    assert texts[everything] is None
    assert len(notes) == len(numbers) == len(texts)


def test_a_column_without_numbers_or_range_is_probed_too():
    notes, numbers, _ = made([[np.nan, 5]], [["x"]])

    assert np.isfinite(numbers[:, 0]).any()
    assert {-45.0, 55.0} <= set(numbers[:, 1])
    assert len(set(notes)) == len(notes)


def test_the_rows_that_they_are_made_from_stay_as_they_are():
    rows = FeatureRows(np.ones((2, 2)), [["x", "y"]])

    list(probes(rows, COLUMNS))

    assert rows.numeric.tolist() == [[1, 1], [1, 1]]
    assert rows.categorical == [["x", "y"]]


def test_many_columns_come_in_parts():
    names = [f"n{place}" for place in range(200)]
    columns = COLUMNS.model_copy(update={"numeric": names})
    parts = list(probes(FeatureRows(np.zeros((5, 200)), [["x"] * 5]), columns))

    assert max(len(part.notes) for part in parts) <= 64 * 3
    assert sum(len(part.notes) for part in parts) == 3 * (200 * 5 + 2 + 2) + 40
