import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.drift.cells import LEAST_EXPECTED, Cells, category_cells, cuts, numeric_cells, pool
from components.drift.profile import profile_arrays

counts = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=20)


def _cells(reference, current, missing=True):
    before = profile_arrays({"x": pa.array(reference)})
    after = profile_arrays({"x": pa.array(current)}, before).columns["x"]
    make = numeric_cells if before.columns["x"].kind == "numeric" else category_cells
    return make(before.columns["x"], after, missing)


@given(counts, st.data())
def test_pooling_keeps_every_row_and_leaves_no_cell_nearly_empty(pairs, data):
    cells = Cells(*(np.array(side, dtype=float) for side in zip(*pairs, strict=True)))
    rare = data.draw(st.lists(st.integers(0, len(pairs) - 1), max_size=2, unique=True))
    pooled = pool(cells, rare)
    assert pooled.sizes == cells.sizes
    n, m = pooled.sizes
    if len(pooled.reference) > 1:
        expected = (pooled.reference + pooled.current) * min(n, m) / (n + m)
        assert expected.min() >= LEAST_EXPECTED - 1e-9


def test_the_shares_and_what_is_heavy_can_be_told():
    values = np.random.default_rng(1).permutation(np.append(np.arange(0.5, 900), [7.2] * 60))
    column = profile_arrays({"x": pa.array(np.append(values, [np.inf] * 40))}).columns["x"]
    counts = np.array(column.counts, dtype=float)

    def edges(*told):
        return np.array(column.edges)[cuts(column, counts, *told)]

    halves = edges(np.array([0.5]), 0.2)
    assert halves.size == 3  # with the ends of the finite values
    assert (values <= halves[1]).sum() == 500
    assert set(edges(np.array([0.5]), 0.05)) == {*halves, np.nextafter(7.2, 0), 7.2}
    assert edges().size > 10  # the tenths, if not told


def test_tenths_of_the_reference_finer_tails_and_a_cell_for_missing_values():
    draw = np.random.default_rng(0)
    x = draw.normal(size=10_000)
    cells = _cells(np.where(draw.random(10_000) < 0.1, np.nan, x), draw.normal(size=10_000))
    assert cells.sizes == (10_000, 10_000)
    # Eight inner tenths; below and above them 0.1, 1, 2.5 and 5 %.
    assert cells.ordered == 18
    assert cells.reference[5:13] == pytest.approx(900, rel=0.1)
    assert cells.reference[:5] == pytest.approx([9, 81, 135, 225, 450], rel=0.1)
    # The column was full in the window.
    assert cells.current[-1] == 0
    assert cells.empty.tolist() == [cells.reference[-1], 0]


@pytest.mark.parametrize(("rows", "ordered"), [(100, 10), (1000, 16), (100_000, 20)])
def test_the_tails_are_cut_as_fine_as_the_rows_allow(rows, ordered):
    x = np.random.default_rng(2).normal(size=rows)
    cells = _cells(x, np.random.default_rng(3).normal(size=rows))
    assert abs(cells.ordered - ordered) <= 1
    assert len(cells.reference) == cells.ordered
    assert cells.empty is None


@pytest.mark.parametrize(
    ("n", "m", "least"), [(1000, 1000, 5), (1000, 100_000, 49), (100_000, 1000, 14), (50, 5000, 9)]
)
def test_cells_hold_more_rows_where_one_sample_is_far_smaller(n, m, least):
    draw = np.random.default_rng(5)
    cells = _cells(draw.normal(size=n), draw.normal(size=m))
    expected = (cells.reference + cells.current) * min(n, m) / (n + m)
    assert expected.min() >= least
    assert len(expected) >= 4
    names = np.array([f"k{i:02}" for i in range(60)])
    cells = _cells(draw.choice(names, n), draw.choice(names, m))
    expected = (cells.reference + cells.current) * min(n, m) / (n + m)
    assert expected.min() >= min(least, 14)


def test_too_few_missing_values_are_not_tested_alone():
    assert _cells([1.0, 2.0] * 500, [1.0, 2.0] * 498 + [None] * 4).empty is None
    assert _cells([1.0, 2.0] * 500, [1.0, 2.0] * 490 + [None] * 20).empty.tolist() == [0, 20]


def test_what_lies_outside_of_the_reference_has_cells_of_its_own():
    cells = _cells(np.linspace(0, 1, 1000), np.linspace(-1, 2, 999))
    # Of the reference itself there may be the outermost row, its own cell being too small.
    assert cells.reference[0] == 0
    assert cells.current[0] == 333
    assert cells.reference[-1] <= 1
    assert cells.current[-1] == 333


def test_infinite_values_have_cells_of_their_own():
    x = np.random.default_rng(4).normal(size=900)
    odd = np.append(x, np.repeat([-np.inf, np.inf], [40, 60]))
    cells = _cells(odd, x)
    assert cells.reference[[0, -1]].tolist() == [40, 60]
    assert cells.current[[0, -1]].tolist() == [0, 0]
    assert _cells(x, odd).current[[0, -1]].tolist() == [40, 60]
    assert _cells(np.full(100, np.inf), x[:100]).reference.tolist() == [0, 100]


def test_a_frequent_value_has_a_cell_of_its_own():
    draw = np.random.default_rng(1)
    x = np.where(draw.random(10_000) < 0.5, 0.0, draw.normal(size=10_000))
    cells = _cells(x, x)
    assert 0.49 < cells.reference.max() / 10_000 < 0.51


def test_unknown_and_rare_categories_share_the_last_cell():
    cells = _cells(["a"] * 500 + ["b"] * 500 + ["rare"], ["a"] * 500 + ["b"] * 400 + ["new"] * 100)
    assert cells.reference.tolist() == [500, 500, 1]
    assert cells.current.tolist() == [500, 400, 100]


def test_the_share_of_rows_in_rare_categories_is_known():
    names = [f"k{i}" for i in range(900)]
    cells = _cells(names + ["a"] * 100, names + ["a"] * 100)
    assert cells.lumped == pytest.approx(0.9)


def test_missing_values_can_be_left_out():
    cells = _cells([1.0, 2.0, None] * 100, [1.0, 2.0, None] * 100, missing=False)
    assert cells.sizes == (200, 200)


@pytest.mark.parametrize("current", [[], [None] * 50, [1.0] * 50])
@pytest.mark.parametrize("reference", [[], [None] * 50, [1.0] * 50])
def test_columns_that_say_nothing_still_have_cells(reference, current):
    before = profile_arrays({"x": pa.array(reference, pa.float64())})
    after = profile_arrays({"x": pa.array(current, pa.float64())}, before).columns["x"]
    cells = numeric_cells(before.columns["x"], after, missing=True)
    assert cells.sizes == (len(reference), len(current))
