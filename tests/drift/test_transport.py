import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from components.drift.profile import profile_arrays
from components.drift.transport import wasserstein

BEFORE = np.random.default_rng(11).gamma(2.0, 3.0, 20_000)


def _distance(before, after):
    reference = profile_arrays({"x": pa.array(before)})
    window = profile_arrays({"x": pa.array(after)}, reference)
    return wasserstein(reference.columns["x"], window.columns["x"])


@pytest.mark.parametrize(
    "after",
    [
        BEFORE[:5000],
        BEFORE[::-1] * 1.7 - 4,
        BEFORE + 500,
        BEFORE - 1e4,
        np.full(100, 5.003),
        np.full(100, BEFORE.min()),
        np.full(100, BEFORE.max()),
        np.full(100, -3.0),
        np.where(np.arange(20_000) % 2, BEFORE, 0.0),
    ],
    ids=["part", "moved", "above", "below", "still", "lowest", "highest", "outside", "zeros"],
)
def test_the_distance_is_that_of_the_rows(after):
    exact = stats.wasserstein_distance(BEFORE, after) / BEFORE.std()
    assert _distance(BEFORE, after) == pytest.approx(exact, abs=1e-3)


def test_infinite_values_are_left_out():
    after = np.append(BEFORE, [np.inf, -np.inf])
    assert _distance(BEFORE, after) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("before", [[], [np.inf], [3.0, 3.0]])
def test_there_is_no_distance_without_a_spread(before):
    assert _distance(np.array(before, dtype=float), BEFORE) is None
    assert _distance(BEFORE, np.array([], dtype=float)) is None


def test_an_extreme_range_is_no_error():
    before = np.array([-1.7e308, 0.0, 1.7e308])
    assert _distance(before, before) == 0
