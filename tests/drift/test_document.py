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


@pytest.mark.parametrize(
    ("values", "whole"),
    [([1.0, 2.0, 2.0, 9.0], True), ([1.0, 2.5], False), (np.arange(3000.0), False)],
)
def test_fractions_are_counted_against_a_document_of_the_first_format(values, whole):
    """Whether all values were whole is known where each has a cell of its own."""
    document = json.loads(profile_arrays({"n": pa.array(values)}).model_dump_json())
    for later in ("whole", "spread", "fractional", "excess"):
        del document["columns"]["n"][later]
    document["columns"]["n"] |= {"total": "0", "squares": "0"}
    reference = Profile.model_validate({**document, "format": 1})
    assert reference.columns["n"].whole == whole
    window = profile_arrays({"n": pa.array([1.0, 1.25, 7.5])}, reference)
    assert window.columns["n"].fractional == (2 if whole else 0)
    assert merge(window, reference).columns["n"].rows == len(values) + 3


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
