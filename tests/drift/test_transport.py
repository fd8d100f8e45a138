import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from components.drift.profile import Profile, merge, profile_arrays
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


def test_the_distance_of_many_values_far_away_is_that_of_one():
    """Whole columns in one array, which labels and predictions may be; sums are beyond 64 bits."""
    rows = 2**23 + 10
    reference = profile_arrays({"x": pa.array(BEFORE)})
    far = pa.array(np.full(rows, 1e12))
    whole = profile_arrays({"x": far}, reference)
    assert whole.columns["x"].excess == (0, rows * 2**40)
    parts = [profile_arrays({"x": part}, reference) for part in (far[:100], far[100:])]
    assert merge(*parts) == whole
    assert Profile.model_validate_json(whole.model_dump_json()) == whole
    assert wasserstein(reference.columns["x"], whole.columns["x"]) == pytest.approx(2**24, abs=10)


@pytest.mark.parametrize("offset", [0.0, 1.7e9, 1e16])
def test_the_distance_does_not_depend_on_where_the_values_lie(offset):
    draw = np.random.default_rng(14)
    before, after = draw.integers(0, 50, 5000) * 2.0, draw.integers(20, 30, 5000) * 2.0
    exact = stats.wasserstein_distance(before, after) / before.std()
    assert _distance(before + offset, after + offset) == pytest.approx(exact, abs=1e-3)


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
