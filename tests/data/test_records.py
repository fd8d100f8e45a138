import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.errors import DataError
from components.data.frame import rows_frame as to_frame
from components.data.records import categories, feature_rows, numbers, texts
from components.data.spelling import category_text
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


@pytest.mark.parametrize("value", [{"x": 1}, [1], math.inf, -math.inf, "\ud800"])
def test_a_value_that_is_no_category_is_named(value):
    with pytest.raises(DataError, match="row 1: b "):
        categories(["x", value], "b")


@pytest.mark.parametrize("value", [1.5, {"x": 1}, [1], math.inf, "\ud800"])
def test_a_value_that_is_no_id_is_named(value):
    with pytest.raises(DataError, match="row 1: b "):
        texts(["x", value], "b")


def test_ids_keep_their_text():
    given = ["7.0", "True", "", 7.0, True, math.nan, None]
    assert texts(given, "i") == ["7.0", "True", "", "7", "true", None, None]


def test_a_column_that_is_not_there_is_named_with_its_row():
    with pytest.raises(DataError, match="row 1: column b is missing; send null"):
        feature_rows([{"a": 1, "b": "x"}, {"a": 1}], COLUMNS)


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
    frame = to_frame(feature_rows(records, COLUMNS), COLUMNS)

    for record, number, text in zip(records, frame["a"], frame["b"], strict=True):
        given = record["a"]
        assert np.isnan(number) if given is None or math.isnan(given) else number == given
        given = record["b"]
        assert text == category_text(given)
        if type(given) is int:
            assert text == str(given)


def test_numpy_values_from_python_callers_are_numbers_too():
    rows = feature_rows([{"a": np.float64(1.5), "b": np.float64(0.5)}], COLUMNS)

    assert (rows.numeric.tolist(), rows.categorical) == ([[1.5]], [["0.5"]])


def test_keys_that_are_no_feature_are_passed_over():
    records = [{"a": 1, "b": 7.0, "other": 3}, {"a": None, "b": None}]
    frame = to_frame(feature_rows(records, COLUMNS), COLUMNS)

    assert list(frame.columns) == ["a", "b"]
    assert frame["b"].tolist() == ["7", None]
