import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.errors import DataError
from components.data.frame import features_frame, features_from_records
from components.data.records import features_table, numbers, texts
from components.spec.model import Columns

COLUMNS = Columns(id="i", time="t", target="y", numeric=["a"], categorical=["b"])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("1", "row 1: a must be a number, not '1'"),
        ({"x": 1}, "row 1: a must be a number, not an object"),
        ([1], "row 1: a must be a number, not a list"),
        (math.inf, "row 1: a must be a finite number, not infinity"),
        (-math.inf, "row 1: a must be a finite number"),
        (2**53 + 1, "row 1: a is an integer that a double would round"),
        (10**400, "row 1: a is an integer that a double would round, 1000"),
    ],
)
def test_a_value_that_is_no_number_is_named(value, message):
    with pytest.raises(DataError, match=message):
        numbers([1.0, value], "a")


@pytest.mark.parametrize("value", [1.5, {"x": 1}, [1], math.inf, "\ud800"])
def test_a_value_that_is_no_category_is_named(value):
    with pytest.raises(DataError, match="row 1: b "):
        texts(["x", value], "b")


def test_a_column_that_is_not_there_is_named_with_its_row():
    with pytest.raises(DataError, match="row 1: column b is missing; send null"):
        features_table([{"a": 1, "b": "x"}, {"a": 1}], COLUMNS)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "a": st.none()
                | st.booleans()
                | st.integers(-(2**53), 2**53)
                | st.floats(allow_infinity=False),
                "b": st.none()
                | st.booleans()
                | st.integers(-(2**60), 2**60)
                | st.text(st.characters(exclude_categories=["Cs"])),
            }
        )
    )
)
def test_the_frame_holds_what_the_records_say(records):
    frame = features_from_records(records, COLUMNS)

    for record, number, text in zip(records, frame["a"], frame["b"], strict=True):
        given = record["a"]
        assert np.isnan(number) if given is None or math.isnan(given) else number == given
        given = record["b"]
        if isinstance(given, bool):
            assert text == ("true" if given else "false")
        else:
            assert text == (None if given is None else str(given))


def test_numpy_values_from_python_callers_are_numbers_too():
    records = [{"a": np.float64(1.5), "b": "x"}]

    assert features_from_records(records, COLUMNS)["a"].tolist() == [1.5]


def test_both_halves_make_the_one_translation():
    records = [{"a": 1, "b": 7.0, "other": 3}, {"a": None, "b": None}]
    frame = features_from_records(records, COLUMNS)

    assert frame.equals(features_frame(features_table(records, COLUMNS), COLUMNS))
    assert list(frame.columns) == ["a", "b"]
