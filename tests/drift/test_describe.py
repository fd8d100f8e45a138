import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.drift.describe import change, notes, pair, sentence
from components.drift.profile import profile_arrays
from components.drift.rule import Threshold, judge

THRESHOLD = Threshold(effect=0.1, level=0.0005)
DRAW = np.random.default_rng(11)
NORMAL = DRAW.normal(50, 10, 3000)
PLACES = DRAW.choice(["here", "there"], 3000)


def _profiles(reference, current):
    before = profile_arrays({"x": pa.array(reference, from_pandas=True)})
    after = profile_arrays({"x": pa.array(current, from_pandas=True)}, before)
    return before.columns["x"], after.columns["x"]


def _sentence(reference, current):
    before, after = _profiles(reference, current)
    return sentence("x", before, after, judge(before, after, THRESHOLD), THRESHOLD)


@pytest.mark.parametrize(
    ("reference", "current", "expected"),
    [
        (NORMAL, NORMAL + 40, r"x moved up: median 50\.\d+ -> 90"),
        (NORMAL, NORMAL - 9, "x moved down: median "),
        (NORMAL, (NORMAL - 50) * 2 + 50, "x spread out: width of the middle half 13"),
        (NORMAL, (NORMAL - 50) / 2 + 50, "x narrowed: "),
        (NORMAL, np.full(3000, 7.0), "x is constant now: every value is 7 "),
        (
            NORMAL,
            np.where(np.arange(3000) % 3, NORMAL, np.nan),
            r"x lost values: .* 0 % -> 33\.3 %",
        ),
        (
            np.where(np.arange(3000) % 3, NORMAL, np.nan),
            NORMAL,
            r"x gained values: rows without one 33\.3 % -> 0 %",
        ),
        (
            NORMAL,
            np.full(3000, np.nan),
            "x has no values any more; 0 % of the rows had none before",
        ),
        (NORMAL, np.full(3000, np.inf), "x has only infinite values now"),
        (np.full(3000, np.inf), NORMAL, "x had no finite values before"),
        (
            NORMAL,
            np.where(np.arange(3000) % 5, NORMAL, np.inf),
            r"x has infinite values: 0 % -> 20\.0 % of the values",
        ),
        (
            NORMAL,
            np.where(np.arange(3000) % 66, NORMAL + 30, np.inf),
            r"x moved up: median 50\.\d+ -> 80",
        ),
        (np.full(3000, 7.0), NORMAL, "x is not constant any more: every value was 7 "),
        (
            NORMAL,
            np.where(np.arange(3000) % 5, NORMAL, -999.0),
            r"x has values far below its range: 20\.0 % of them, down to -999; the lowest was 1\d",
        ),
        (
            NORMAL,
            np.where(np.arange(3000) % 5, NORMAL, 9000.0),
            r"x has values far above its range: 20\.0 % of them, up to 9,000; the highest was 8\d",
        ),
        (
            NORMAL,
            np.where(NORMAL > 60, 60 + (NORMAL - 60) * 0.4, NORMAL),
            r"x changed its shape: values from 6\d\.\d+ to 7\d\.\d+ 1\.\d % -> 0\.\d+ %",
        ),
        (
            np.repeat([1.0, 2.0, 3.0, 4.0, 9.0], [1000, 800, 600, 500, 100]),
            np.repeat([1.0, 2.0, 3.0, 4.0, 9.0], [1000, 800, 600, 100, 500]),
            r"x changed its shape: .*values of [49] ",
        ),
        (PLACES, np.full(3000, "there"), r"x changed its mix: 'here' \d+\.\d % -> 0 %"),
        (
            PLACES,
            np.where(np.arange(3000) % 5, PLACES, "new"),
            r"x has new categories, 20\.0 % of the values: 'new'",
        ),
        (NORMAL, DRAW.normal(50, 10, 3000), "x did not drift "),
        (NORMAL, NORMAL[:40], r"x: 40 rows are too few to tell; a PSI below 0\.\d+ can be chance"),
        (NORMAL, NORMAL[:1], "x cannot be compared: 1 row against 3,000 rows"),
        (NORMAL, NORMAL + 1.5, "x changed too little to matter"),
        ([f"k{i}" for i in range(3000)], [f"k{i}" for i in range(3000)], "too rare to compare"),
    ],
)
def test_what_changed_is_said_in_words(reference, current, expected):
    assert re.search(expected, _sentence(reference, current))


def test_a_few_new_categories_beside_a_changed_mix_are_not_the_news():
    after = np.where(np.arange(3000) % 5, "there", PLACES)
    after[:40] = "new"
    assert "x changed its mix: 'here' 50" in _sentence(PLACES, after)


def test_a_drift_that_the_standard_error_decided_shows_it():
    before, after = _profiles(NORMAL, NORMAL + 2.8)
    found = judge(before, after, Threshold(effect=0.08, level=0.0005))
    assert (found.answer, found.psi < 0.08) == ("drift", True)
    text = sentence("x", before, after, found, Threshold(effect=0.08, level=0.0005))
    assert re.search(r"x moved up: .* \(PSI 0\.07\d ± 0\.01\d, threshold 0\.08\)", text)


def test_a_drift_says_how_large_it_is_and_what_it_is_held_against():
    assert _sentence(NORMAL, NORMAL + 40).endswith(", threshold 0.10)")


def test_the_shape_of_a_column_of_zeros():
    wet = np.where(DRAW.random(3000) < 0.05, 1.0, 0.0)
    wetter = np.where(DRAW.random(3000) < 0.2, 1.5, 0.0)
    assert "changed its shape: mean 0.0" in _sentence(wet, wetter)


def test_a_second_reason_is_given_where_it_counts():
    before = np.where(np.arange(3000) % 20, NORMAL, np.nan)
    after = np.where(np.arange(3000) % 8, NORMAL + 5, np.nan)
    assert "moved up" in _sentence(before, after)
    assert "; rows without a value 5.0 % -> 12.5 %" in _sentence(before, after)


def test_a_column_that_is_gone(write):
    from components.drift.profile import profile_file

    before = profile_arrays({"x": pa.array(NORMAL)})
    after = profile_file(write({"other": [1, 2]}), ["x"], [], before)
    assert change(before.columns["x"], after.columns["x"], 9.0) == "is missing from the window"


def test_values_that_a_model_cannot_use_are_noted():
    strange = profile_arrays({"x": pa.array([np.inf, 1.0]), "y": pa.array([[1]])}).columns
    assert notes(strange["x"]) == [("infinite", 1, "are infinite")]
    assert notes(strange["y"])[0][:2] == ("unreadable", 1)


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (0.0, 0.0, "0 -> 0"),
        (1e-9, 3e-9, "1e-09 -> 3e-09"),
        (1e12, 2e12, "1e+12 -> 2e+12"),
        (0.0123, 0.0145, "0.0123 -> 0.0145"),
        (-5.0, 5.0, "-5 -> 5"),
        (99.99, 100.01, "99.99 -> 100.01"),
        (1704067200.0, 1704153600.0, "1.7041e+09 -> 1.7042e+09"),
        (1704067200.0, 1704067201.0, "1,704,067,200 -> 1,704,067,201"),
        (1704067200.0, 1704067200.0, "1.7e+09 -> 1.7e+09"),
        (1e16, 1e16 + 2, "10,000,000,000,000,000 -> 10,000,000,000,000,002"),
        (5e-7, 5.0001e-7, "5e-07 -> 5.0001e-07"),
        (1000.0, 1000.0 + 2**-41, "1,000 -> 1,000.0000000000005"),
    ],
)
def test_numbers_have_as_many_digits_as_they_need(before, after, text):
    assert pair(before, after) == text


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1e-6))
def test_numbers_that_differ_never_read_alike(before, change):
    after = before * (1 - change)
    left, right = pair(before, after).split(" -> ")
    assert (left == right) <= (before == after)
