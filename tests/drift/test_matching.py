import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.verdict import Verdict
from components.drift import matching
from components.drift.matching import match_rows
from components.drift.skew import check_skew
from tests.drift.test_rows import VIEWS, file_of

IDS = st.lists(st.none() | st.text("ab0", max_size=3), max_size=30)


def _matched(data_ids, log_ids, releases=None, kind=None):
    releases = ["v1"] * len(log_ids) if releases is None else releases
    data = file_of({"id": pa.array(data_ids, kind or pa.string())})
    log = file_of(
        {"row_id": pa.array(log_ids, pa.string()), "release": pa.array(releases, "string")}
    )
    return match_rows(data, log, "id", "v1")


@settings(max_examples=60, deadline=None)
@given(data_ids=IDS, log_ids=IDS, seed=st.integers(0, 99))
def test_rows_are_matched_as_a_dictionary_would(data_ids, log_ids, seed):
    draw = np.random.default_rng(seed)
    releases = draw.choice(["v1", "v0"], len(log_ids), p=[0.8, 0.2]).tolist()
    first = {}
    for row, name in enumerate(data_ids):
        if name is not None:
            first.setdefault(name, row)
    pairs = [
        (row, first[name])
        for row, (name, release) in enumerate(zip(log_ids, releases, strict=True))
        if release == "v1" and name in first
    ]
    found = _matched(data_ids, log_ids, releases)
    assert np.flatnonzero(found.kept).tolist() == [row for row, _ in pairs]
    assert found.trained.tolist() == [row for _, row in pairs]
    assert found.rows == len(pairs)
    assert found.logged == releases.count("v1")
    assert found.other_releases == releases.count("v0")
    assert found.only_trained == len(data_ids) - len({row for _, row in pairs})
    slots = draw.permutation(len(pairs))
    assert found.log_rows(slots).tolist() == [pairs[slot][0] for slot in slots]
    assert found.window_rows(slots).tolist() == [pairs[slot][1] for slot in slots]


def test_sorting_in_parts_and_batches_changes_nothing(monkeypatch):
    draw = np.random.default_rng(0)
    data_ids = [f"r{i}" for i in draw.permutation(3000)]
    log_ids = [f"r{i}" for i in draw.permutation(4000)]
    whole = _matched(data_ids, log_ids)
    monkeypatch.setattr(matching, "_PART_ROWS", 100)
    monkeypatch.setattr(matching, "BATCH_ROWS", 64)
    parts = _matched(data_ids, log_ids)
    assert whole.trained.tolist() == parts.trained.tolist()
    assert whole.kept.tolist() == parts.kept.tolist()
    slots = draw.permutation(whole.rows)
    assert whole.log_rows(slots).tolist() == parts.log_rows(slots).tolist()


def test_ids_are_compared_as_texts():
    assert _matched([7, 8, None], ["8", "7", "9"], kind=pa.int64()).trained.tolist() == [1, 0]


@pytest.mark.parametrize("ids", [[[1], [2]], [{"a": 1}, {"a": 2}]])
def test_ids_that_are_no_texts_match_nothing(ids):
    data = file_of({"id": pa.array(ids)})
    log = file_of({"row_id": ["1", "2"], "release": ["v1", "v1"]})
    found = match_rows(data, log, "id", "v1")
    assert (found.rows, found.only_served, found.only_trained) == (0, 2, 2)


@pytest.mark.parametrize(
    ("drop", "named"),
    [("row_id", "row_id in the log"), ("release", "release in the log"), ("id", "id in the win")],
)
def test_a_file_without_its_ids_matches_nothing_and_is_named(drop, named, spec):
    data = {"id": ["a"], "x": [1]}
    log = {"row_id": ["a"], "release": ["v1"], "x": [1]}
    data.pop(drop, None)
    log.pop(drop, None)
    found = match_rows(file_of(data), file_of(log), "id", "v1")
    assert (found.rows, found.only_trained) == (0, 1)
    first, *_ = matching.row_findings(found, spec)
    assert named in first.message
    assert (first.severity, first.answer) == ("warn", "underpowered")


@pytest.mark.parametrize(("kind", "value"), VIEWS)
@pytest.mark.parametrize("column", ["a", "c", "id"])
def test_no_window_of_views_is_an_error(kind, value, column, write, spec, window, rows, log):
    made = rows(60)
    views = pa.array([value] * 60, kind)
    served, changed = log(made), dict(made) | {column: views}
    for data, logged in ((changed, served), (made, log(changed)), (changed, log(changed))):
        verdict = check_skew(write(data), write(logged, "log.parquet"), spec, window, "v1")
        assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
