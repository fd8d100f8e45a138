"""The profile as a document: written small, and read again by later versions."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.core.errors import ReleaseError
from components.drift.profile import FORMAT, Profile, merge, profile_arrays

FIXTURE = Path(__file__).parent / "data" / "profile-1.json"


def test_a_document_of_the_first_format_is_read():
    columns = Profile.model_validate_json(FIXTURE.read_text()).columns
    found = columns["continuous"]
    assert (found.rows, found.missing, found.positive_infinite) == (1107, 3, 1)
    assert found.beyond(-1e9, 100) == (0, 1)
    # The window's 200 is among the counts that the spread of an old document comes from.
    assert found.spread == pytest.approx(found.deviation)
    assert columns["constant"].spread == 0
    assert columns["nothing"].spread is None
    assert (columns["category"].known, columns["category"].others) == (["a", "b"], {"z": 1})
    window = profile_arrays({"continuous": pa.array([1.0])}, Profile(columns=columns))
    assert merge(window, Profile(columns={"continuous": found})).columns["continuous"].rows == 1108


def test_a_document_is_written_in_the_format_that_is_read_again():
    profile = profile_arrays({"n": pa.array([1.5, 2.5]), "t": pa.array(["x", None])})
    text = profile.model_dump_json()
    assert json.loads(text)["format"] == FORMAT
    assert Profile.model_validate_json(text) == profile


def test_a_later_format_is_refused_in_one_sentence():
    with pytest.raises(ReleaseError, match="format 3, and this driftline reads formats up to 2"):
        Profile.model_validate_json('{"format": 3, "columns": {}, "more": 1}')


def test_edges_have_few_digits_and_those_that_matter_have_all():
    values = np.random.default_rng(9).normal(0, 1e-3, 20_000)
    values[:4000] = values[0]
    reference = profile_arrays({"n": pa.array(values)})
    column = reference.columns["n"]
    assert len(column.model_dump_json()) < 40_000
    assert {values[0], values.min(), values.max()} <= set(column.edges)
    assert column.most_common == 4000
    moved = profile_arrays({"n": pa.array(np.nextafter(values, -1))}, reference).columns["n"]
    assert moved.counts[column.edges.index(values[0])] == 0
