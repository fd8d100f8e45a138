import numpy as np
import pyarrow as pa
import pytest

from components.drift.causes import number_cause, text_cause

TRAINED = np.random.default_rng(4).normal(60, 15, 500)
NONE = np.full(500, np.nan)


@pytest.mark.parametrize(
    ("served", "cause"),
    [
        (TRAINED * 1000, "served is 1000 times trained"),
        (-TRAINED, "served is -1 times trained"),
        (TRAINED - 32, "served is trained minus 32"),
        ((TRAINED - 32) / 1.8, "served in degrees Celsius for Fahrenheit"),
        (TRAINED * 1.8 + 32, "served in degrees Fahrenheit for Celsius"),
        (TRAINED * 2 + 7, "served is 2 times trained + 7"),
        (np.rint(TRAINED), "served is rounded"),
        (np.trunc(TRAINED), "served is truncated"),
        (np.full(500, -999.0), "served is always -999"),
        (NONE, "served without a value where training has one"),
        (TRAINED[::-1], ""),
    ],
)
def test_a_pattern_is_named(served, cause):
    assert number_cause(served, TRAINED) == cause


def test_a_default_in_place_of_a_missing_value():
    assert number_cause(np.zeros(500), NONE) == "served with a value where training has none: 0"


def test_a_few_exceptions_do_not_hide_a_pattern():
    served = TRAINED * 10
    served[:5] = 3.25
    assert number_cause(served, TRAINED) == "served is 10 times trained"


@pytest.mark.parametrize("size", [0, 1, 4])
def test_few_differences_show_no_pattern(size):
    assert number_cause(TRAINED[:size] * 2, TRAINED[:size]) == ""


def test_constant_columns_are_compared_without_error():
    assert number_cause(np.full(9, 2.0), np.full(9, 1.0)) == "served is 2 times trained"
    assert number_cause(np.full(9, 2.0), np.zeros(9)) == "served is trained plus 2"


@pytest.mark.parametrize(
    ("served", "trained", "cause"),
    [
        ([" a", "b "], ["a", "b"], "only white space differs"),
        (["A", "b"], ["a", "B"], "only upper and lower case differ"),
        (["007", "01"], ["7", "1"], "only leading zeros differ"),
        (["7.0", "1.0"], ["7", "1"], "only a decimal point differs"),
        ([None, None], ["7", "1"], "served without a value where training has one"),
        (["unknown"], [None], "served with a value where training has none"),
        (["x", "y"], ["a", "b"], ""),
        ([], [], ""),
    ],
)
def test_texts(served, trained, cause):
    assert text_cause(pa.array(served, pa.string()), pa.array(trained, pa.string())) == cause
