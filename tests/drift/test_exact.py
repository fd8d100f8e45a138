import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.drift import exact

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(finite))
def test_the_sum_has_no_rounding(values):
    total = exact.exact_sum(np.array(values, dtype=np.float64))
    assert Fraction(total, 2**1074) == sum(map(Fraction, values))


@given(st.lists(finite))
def test_text_gives_the_sum_back(values):
    total = exact.exact_sum(np.array(values, dtype=np.float64))
    assert exact.decode(exact.encode(total)) == total


def test_blocks_add_up():
    values = np.random.default_rng(3).lognormal(0, 20, 300_001)
    assert exact.as_float(exact.exact_sum(values)) == math.fsum(values.tolist())


def test_a_sum_beyond_a_double_is_infinite_but_not_lost():
    largest = np.array([1.7e308, 1.7e308])
    total = exact.exact_sum(largest)
    assert exact.as_float(total) == math.inf
    assert exact.as_float(-total) == -math.inf
    assert exact.as_float(total, 2) == 1.7e308


@pytest.mark.parametrize("text", ["", "3", "0x3", "0x3p-2000", "zp0"])
def test_other_text_is_refused(text):
    with pytest.raises(ValueError, match=r"exact sum|invalid literal"):
        exact.decode(text)
