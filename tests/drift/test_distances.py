import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from components.drift import distances
from components.drift.profile import profile_arrays

SEEDS = range(5)


def _samples(seed, kind="normal"):
    draw = np.random.default_rng(seed)
    if kind == "counts":
        return draw.poisson(4, 20_000).astype(float), draw.poisson(4.4, 15_000).astype(float)
    return draw.normal(0, 1, 20_000), draw.normal(0.1, 1.2, 15_000)


def _profiled(reference, current):
    before = profile_arrays({"x": pa.array(reference)})
    after = profile_arrays({"x": pa.array(current)}, before).columns["x"]
    return [np.array(p.counts, dtype=float) for p in (before.columns["x"], after)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["normal", "counts"])
def test_from_a_profile_as_from_the_rows(seed, kind):
    x, y = _samples(seed, kind)
    before, after = _profiled(x, y)
    exact = stats.ks_2samp(x, y).statistic
    assert distances.kolmogorov_smirnov(before, after) == pytest.approx(exact, abs=1e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_chi_square_test_is_that_of_scipy(seed):
    draw = np.random.default_rng(seed)
    a = draw.multinomial(1000, [0.1, 0.2, 0.3, 0.4]).astype(float)
    b = draw.multinomial(3000, [0.12, 0.18, 0.3, 0.4]).astype(float)
    assert distances.chi_square_p(a, b) == pytest.approx(stats.chi2_contingency([a, b]).pvalue)


def test_jensen_shannon_is_that_of_scipy():
    a, b = np.array([10.0, 20, 0]), np.array([5.0, 5, 5])
    assert distances.jensen_shannon(a, b) == pytest.approx(jensenshannon(a, b, base=2))


def test_psi_is_zero_for_equal_shares_symmetric_and_finite_for_empty_cells():
    a, b = np.array([100.0, 300, 600]), np.array([0.0, 500, 500])
    assert distances.psi(a, a * 1.0) == 0
    assert distances.psi(a, b) == pytest.approx(distances.psi(b, a))
    assert np.isfinite(distances.psi(a, b))


def test_the_bias_is_what_psi_is_on_average_without_drift():
    draw = np.random.default_rng(7)
    shares = np.full(11, 1 / 11)
    found = [
        distances.psi(
            draw.multinomial(2000, shares).astype(float),
            draw.multinomial(1000, shares).astype(float),
        )
        for _ in range(2000)
    ]
    assert np.mean(found) == pytest.approx(distances.psi_bias(11, 2000, 1000), rel=0.05)


def test_the_standard_error_is_the_spread_over_repetitions():
    draw = np.random.default_rng(8)
    p, q = np.array([0.3, 0.3, 0.4]), np.array([0.2, 0.3, 0.5])
    pairs = [
        (draw.multinomial(2000, p).astype(float), draw.multinomial(2000, q).astype(float))
        for _ in range(1000)
    ]
    spread = np.std([distances.psi(a, b) for a, b in pairs])
    assert np.mean([distances.psi_deviation(a, b) for a, b in pairs]) == pytest.approx(
        spread, rel=0.1
    )


def test_the_smallest_detectable_effect_is_detected_in_four_cases_of_five():
    draw = np.random.default_rng(9)
    n, level, cells = 2000, 0.0005, 10
    wanted = distances.minimum_effect(cells, n, n, level, power=0.8)
    p, tilt = np.full(cells, 1 / cells), np.linspace(-1, 1, cells)
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        q = p * np.exp(middle * tilt)
        q /= q.sum()
        low, high = (middle, high) if np.sum((q - p) * np.log(q / p)) < wanted else (low, middle)
    found = [
        distances.chi_square_p(
            draw.multinomial(n, p).astype(float), draw.multinomial(n, q).astype(float)
        )
        < level
        for _ in range(1000)
    ]
    assert np.mean(found) == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize("sizes", [(40, 40), (400, 25)])
def test_the_score_test_is_the_permutation_test(sizes):
    draw = np.random.default_rng(10)
    n, m = sizes
    scores = np.array([0.0, 1.0, 8.0])
    rows = draw.choice(3, n + m, p=[0.6, 0.3, 0.1])
    sums = np.array([scores[draw.permutation(rows)[:m]].sum() for _ in range(4000)])
    for counts in draw.multinomial(m, [0.45, 0.35, 0.2], 8):
        current = np.minimum(counts, np.bincount(rows, minlength=3)).astype(float)
        if current.sum() < m:
            continue
        reference = np.bincount(rows, minlength=3) - current
        value = current @ scores
        exact = 2 * min(np.mean(sums >= value - 1e-9), np.mean(sums <= value + 1e-9))
        found = distances.score_p(reference, current, scores)
        assert found == pytest.approx(min(exact, 1.0), abs=0.06)


def test_the_tail_of_the_score_test_is_right_where_the_window_is_small():
    """At a level of one in 10,000, and with 0.5 % of the rows missing, 5 of 1,000."""
    draw = np.random.default_rng(11)
    empty = np.unique(draw.binomial(1000, 0.005, 400_000), return_counts=True)
    alarms = sum(
        times
        for found, times in zip(*empty, strict=True)
        if distances.score_p(
            np.array([99_500.0, 500.0]), np.array([1000.0 - found, found]), np.array([0.0, 1.0])
        )
        < 1e-4
    )
    # 40 are expected; a normal distribution's tail lets through about 280.
    assert alarms < 120


def test_a_score_that_all_rows_share_differs_by_chance_alone():
    a, b = np.array([5.0, 5.0]), np.array([9.0, 1.0])
    assert distances.score_p(a, b, np.array([2.0, 2.0])) == 1.0
    assert distances.score_p(a, b * 0, np.array([0.0, 1.0])) == 1.0


@pytest.mark.parametrize("sizes", [(1000, 1000), (5000, 800)])
@pytest.mark.parametrize("shift", [0.0, 0.1, 0.5])
def test_the_interval_holds_the_true_index_in_19_cases_of_20(sizes, shift):
    draw = np.random.default_rng([12, *sizes])
    p = np.array([0.15, 0.25, 0.3, 0.2, 0.1])
    q = p * np.exp(shift * np.array([1, -1, 0, 1, -1]))
    q /= q.sum()
    true = np.sum((q - p) * np.log(q / p))
    found = [
        distances.psi_interval(
            draw.multinomial(sizes[0], p).astype(float), draw.multinomial(sizes[1], q).astype(float)
        )
        for _ in range(400)
    ]
    held = np.mean([low <= true <= high for low, high in found])
    assert held > 0.92


def test_the_interval_of_a_large_index_and_of_millions_of_rows():
    low, high = distances.psi_interval(np.array([0.0, 1e6]), np.array([1e6, 0.0]))
    assert low < distances.psi(np.array([0.0, 1e6]), np.array([1e6, 0.0])) < high
    a, b = np.array([4e6, 6e6]), np.array([4.3e6, 5.7e6])
    low, high = distances.psi_interval(a, b)
    assert 0.0036 < low < distances.psi(a, b) < high < 0.0039


def test_one_cell_cannot_differ():
    one = np.array([5.0])
    assert distances.chi_square_p(one, one) == 1.0
    assert distances.psi_bias(1, 5, 5) == 0.0
