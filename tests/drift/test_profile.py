import functools
import itertools
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.errors import DataError
from components.drift import profile
from components.drift.columns import CategoryProfile
from components.drift.learn import KNOWN
from components.drift.profile import (
    Profile,
    merge,
    profile_arrays,
    profile_file,
    profile_labels,
)
from components.drift.tally import OTHERS

odd = [0.0, -0.0, math.nan, math.inf, -math.inf, 2.0**53, 5e-324, -1.7e308]
large = st.integers(10**16, 10**16 + 60)  # doubles hold every other one of these
number = st.one_of(
    st.none(),
    st.floats(width=64),
    st.integers(-3, 3).map(float),
    large.map(float),
    st.sampled_from(odd),
)
text = st.one_of(st.none(), st.sampled_from("abc"), st.text(max_size=3))
table = st.lists(st.tuples(number, text), max_size=40)
whole = st.one_of(
    st.none(), st.integers(-3, 3), large, st.integers(-(2**63), 2**63 - 1), st.just(2**53 + 1)
)


def _columns(rows):
    return {
        "n": pa.array([row[0] for row in rows], pa.float64()),
        "t": pa.array([row[1] for row in rows], pa.string()),
    }


def _split(rows, cuts, order):
    ends = sorted({min(cut, len(rows)) for cut in cuts} | {0, len(rows)})
    parts = [rows[a:b] for a, b in itertools.pairwise(ends)] or [rows]
    return sorted(parts, key=lambda part: order.random())


@settings(deadline=None)
@given(table, table, st.lists(st.integers(0, 40), max_size=5), st.randoms(), st.booleans())
def test_any_split_in_any_order_gives_the_same_bytes(base, rows, cuts, order, from_itself):
    reference = profile_arrays(_columns(rows if from_itself else base))
    whole = profile_arrays(_columns(rows), reference).model_dump_json()
    merged = None
    for part in _split(order.sample(rows, len(rows)), cuts, order):
        profile = profile_arrays(_columns(part), reference)
        merged = profile if merged is None else merge(profile, merged)
    assert merged.model_dump_json() == whole
    assert Profile.model_validate_json(whole).model_dump_json() == whole


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(whole, max_size=9), min_size=1, max_size=6), st.randoms(), st.data())
def test_parts_of_different_types_merge_exactly_too(parts, order, data):
    """The same numbers, each part as integers, doubles, decimals, texts or a dictionary."""
    kinds = [pa.int64(), pa.float64(), pa.decimal128(38, 0), pa.string(), None]
    reference = profile_arrays({"n": pa.array([1, 2, 2**60])})

    def profile(part, kind):
        array = pa.array(part, pa.int64())
        array = array.dictionary_encode() if kind is None else array.cast(kind, safe=False)
        return profile_arrays({"n": array}, reference)

    given_kinds = [data.draw(st.sampled_from(kinds)) for _ in parts]
    profiles = [profile(*pair) for pair in zip(parts, given_kinds, strict=True)]
    first = functools.reduce(merge, profiles)
    order.shuffle(profiles)
    assert functools.reduce(merge, profiles).model_dump_json() == first.model_dump_json()
    alike = [profile(part, pa.int64()) for part in parts]
    together = profile(list(itertools.chain(*parts)), pa.int64())
    assert functools.reduce(merge, alike) == together
    counted = first.columns["n"].model_copy(update={"types": ["int64"]})
    assert counted == together.columns["n"]


@settings(deadline=None)
@given(st.lists(st.sampled_from([f"k{i:03}" for i in range(3 * OTHERS)])), st.randoms())
def test_categories_beyond_the_limit_merge_exactly_too(names, order):
    reference = profile_arrays({"t": pa.array(["known"])})
    whole = profile_arrays({"t": pa.array(names, pa.string())}, reference)
    parts = [profile_arrays({"t": pa.array([name])}, reference) for name in names]
    order.shuffle(parts)
    merged = profile_arrays({"t": pa.array([], pa.string())}, reference)
    for part in parts:
        merged = merge(merged, part)
    column = merged.columns["t"]
    assert column.unknown == len(names)
    assert len(column.others) <= OTHERS
    assert merged.columns["t"].others == whole.columns["t"].others
    assert merged.columns["t"].rest == whole.columns["t"].rest


def test_a_file_gives_the_same_profile_whatever_its_row_groups_and_order(tmp_path):
    draw = np.random.default_rng(1)
    rows = pa.table({"n": draw.normal(size=5000), "t": draw.choice(list("abcd"), 5000)})
    found = set()
    for size in (64, 5000):
        for order in (np.arange(5000), draw.permutation(5000)):
            pq.write_table(rows.take(pa.array(order)), tmp_path / "w.parquet", row_group_size=size)
            found.add(profile_file(tmp_path / "w.parquet", ["n"], ["t"]).model_dump_json())
    assert len(found) == 1


def test_counts_are_exact_at_the_edges():
    values = np.random.default_rng(2).standard_cauchy(20_000)
    column = profile_arrays({"n": pa.array(values)}).columns["n"]
    below = np.cumsum(column.counts)[:-1]
    assert below.tolist() == [int((values <= edge).sum()) for edge in column.edges]
    assert (column.minimum, column.maximum) == (values.min(), values.max())
    for share in (0.05, 0.5, 0.9):
        rank = (values <= column.quantile(share)).mean()
        assert rank == pytest.approx(share, abs=0.001)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e200, 1e-300])
def test_the_mean_and_the_deviation_are_close(scale):
    draw = np.random.default_rng(4)
    for values in (
        draw.normal(50, 3, 20_000),
        draw.lognormal(0, 1, 20_000),
        draw.standard_t(3, 20_000),
        draw.poisson(3, 20_000).astype(float),
        1e6 + draw.uniform(-1, 1, 20_000),
        np.full(50, 7.0),
    ):
        column = profile_arrays({"n": pa.array([*(values * scale), math.inf])}).columns["n"]
        deviation = values.std() * scale
        assert column.mean == pytest.approx(values.mean() * scale, abs=0.01 * deviation)
        assert column.deviation == pytest.approx(deviation, rel=0.02)
        assert column.spread == pytest.approx(deviation, rel=1e-6)


@settings(deadline=None)
@given(st.lists(number), st.lists(number), st.floats(0, 1))
def test_quantiles_are_of_the_finite_values_and_among_them(base, values, share):
    reference = profile_arrays({"n": pa.array(base, pa.float64())})
    column = profile_arrays({"n": pa.array(values, pa.float64())}, reference).columns["n"]
    finite = [value for value in values if value is not None and math.isfinite(value)]
    found = column.quantile(share)
    assert (found is None) == (not finite)
    if found is not None:
        assert min(finite) <= found <= max(finite)


def test_quantiles_are_those_without_the_infinite_values():
    values = np.random.default_rng(13).normal(100, 10, 5000)
    reference = profile_arrays({"n": pa.array(values)})
    for ends in ([math.inf] * 7500, [-math.inf] * 1000, [math.inf] * 50 + [-math.inf] * 900):
        window = pa.array(np.append(values, ends))
        column = profile_arrays({"n": window}, reference).columns["n"]
        for share in (0.0, 0.1, 0.5, 0.9, 1.0):
            assert column.quantile(share) == reference.columns["n"].quantile(share)
            assert column.quantile(share) == pytest.approx(np.quantile(values, share), abs=1)


def test_a_discrete_column_has_a_cell_for_each_value():
    column = profile_arrays({"n": pa.array([1.0, 1.0, 5.0, 9.0])}).columns["n"]
    assert column.discrete
    assert column.quantile(0.5) == 1.0
    assert column.quantile(0.75) == 5.0
    assert column.quantile(1.0) == 9.0


@settings(deadline=None)
@given(st.lists(number.filter(lambda n: n is not None and math.isfinite(n)), min_size=1))
def test_every_value_of_a_discrete_column_has_its_count(values):
    column = profile_arrays({"n": pa.array(values)}).columns["n"]
    assert column.discrete
    for value in values:
        assert column.counts[column.edges.index(value)] == values.count(value)


@pytest.mark.parametrize("base", [10**16, -(10**16), 2**53 - 50, 2**53 - 1100, 2**62])
def test_whole_numbers_that_doubles_do_not_all_hold_have_their_cells(base):
    step = max(2, int(np.spacing(float(abs(base)))))
    values = base + np.random.default_rng(12).integers(0, 50, 3000) * step
    column = profile_arrays({"n": pa.array(values)}).columns["n"]
    assert column.discrete
    doubles, times = np.unique(values.astype(float), return_counts=True)
    assert [column.counts[column.edges.index(value)] for value in doubles] == times.tolist()


def test_new_values_in_a_gap_of_the_reference_are_located():
    reference = profile_arrays({"n": pa.array([*np.arange(0.0, 20.0), 60.0])})
    column = profile_arrays({"n": pa.array([31.0, 32.0, 33.0])}, reference).columns["n"]
    assert column.discrete
    assert column.quantile(0.5) == pytest.approx(32, abs=1)


def test_values_outside_of_the_reference_are_located():
    reference = profile_arrays({"n": pa.array(np.linspace(0, 100, 5000))})
    moved = np.linspace(180, 260, 5000)
    column = profile_arrays({"n": pa.array(moved)}, reference).columns["n"]
    assert column.quantile(0.5) == pytest.approx(220, abs=5)


def test_missing_and_infinite_values_are_counted_apart():
    column = profile_arrays({"n": pa.array([1.0, None, math.nan, math.inf, -math.inf])})
    found = column.columns["n"]
    assert (found.missing, found.negative_infinite, found.positive_infinite) == (2, 1, 1)
    assert (found.present, found.finite, found.mean) == (3, 1, 1.0)
    assert found.counts[0] == found.counts[-1] == 1


@pytest.mark.parametrize(
    "array",
    [
        pa.array([], pa.float64()),
        pa.nulls(5),
        pa.array([math.inf, math.inf]),
        pa.array([[1.0]]),
        pa.array([7.0] * 9),
    ],
    ids=["empty", "null", "infinite", "nested", "constant"],
)
def test_a_column_that_says_nothing_is_profiled_all_the_same(array):
    profile = profile_arrays({"n": array})
    column = profile.columns["n"]
    assert column.rows == len(array)
    assert column.quantile(0.5) == (7.0 if len(array) == 9 else None)
    assert Profile.model_validate_json(profile.model_dump_json()) == profile
    other = profile_arrays({"n": pa.array([1.0, 2.0])}, profile)
    assert sum(other.columns["n"].counts) == 2


def test_columns_that_a_file_lacks_or_has_as_another_type(tmp_path):
    path = tmp_path / "w.parquet"
    pq.write_table(pa.table({"n": ["1", "x"], "t": [[1], [2]]}), path)
    columns = profile_file(path, ["n", "gone"], ["t", "missing"]).columns
    assert (columns["n"].unreadable, columns["n"].present) == (1, 1)
    assert columns["n"].types == ["string"]
    assert columns["t"].unreadable == 2
    assert columns["gone"].absent == columns["missing"].absent == 2


def test_a_file_without_rows_or_without_any_wanted_column(tmp_path):
    path = tmp_path / "w.parquet"
    pq.write_table(pa.table({"n": pa.array([], pa.float64())}), path)
    assert profile_file(path, ["n"], ["t"]).columns["n"].rows == 0
    pq.write_table(pa.table({"other": [1, 2]}), path)
    assert profile_file(path, ["n"], ["t"]).columns["t"].absent == 2


def test_no_file_and_no_parquet(tmp_path):
    with pytest.raises(DataError, match=r"gone\.parquet"):
        profile_file(tmp_path / "gone.parquet", ["n"], [])
    (tmp_path / "text.parquet").write_text("no parquet")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        profile_file(tmp_path / "text.parquet", ["n"], [])


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("labels", [[1.5, None, 2.5, math.nan, None], ["a", None, "b", "a", "a"]])
def test_labels_are_read_batch_by_batch_and_null_is_none(tmp_path, monkeypatch, labels, known):
    monkeypatch.setattr(profile, "_BATCH_ROWS", 2)
    path, array = tmp_path / "w.parquet", pa.array(labels)
    pq.write_table(pa.table({"y": array, "x": [1] * 5}), path)
    expected = profile_arrays({"label": array.drop_null()})
    found = profile_labels(path, "y", expected if known else None)
    assert found == expected
    assert merge(found, found).columns["label"].rows == 2 * (5 - array.null_count)
    monkeypatch.setattr(pq, "read_table", None)  # never the whole column at once
    monkeypatch.setattr(profile, "_read_column", None)
    assert profile_labels(path, "y", expected) == expected


def test_a_file_without_labels(tmp_path):
    path = tmp_path / "w.parquet"
    pq.write_table(pa.table({"y": pa.nulls(3, pa.int64()), "x": [1, 2, 3]}), path)
    assert profile_labels(path, "y") == profile_labels(path, "gone") == Profile()
    numbers = profile_labels(path, "x", categorical=True).columns["label"]
    assert isinstance(numbers, CategoryProfile)
    with pytest.raises(DataError, match=r"gone\.parquet"):
        profile_labels(tmp_path / "gone.parquet", "y")


def test_the_reference_decides_how_a_column_is_read():
    reference = profile_arrays({"y": pa.array([0, 1, 1])}, categorical=["y"])
    column = profile_arrays({"y": pa.array([1, 2])}, reference).columns["y"]
    assert isinstance(column, CategoryProfile)
    assert (column.counts, column.others) == ([0, 1], {"2": 1})


def test_kinds_without_a_reference():
    columns = profile_arrays({"s": pa.array(["x"]), "b": pa.array([True]), "i": pa.array([1])})
    kinds = [columns.columns[name].kind for name in ("s", "b", "i")]
    assert kinds == ["category", "category", "numeric"]


def test_too_many_categories_leave_a_remainder():
    names = [f"k{i:05}" for i in range(KNOWN + 500)]
    column = profile_arrays({"t": pa.array(names)}).columns["t"]
    assert not column.complete
    assert (len(column.known), len(column.others), column.rest) == (0, OTHERS, KNOWN + 400)
    column = profile_arrays({"t": pa.array([*names, *names[5:]])}).columns["t"]
    assert (column.known[0], len(column.known), len(column.others)) == ("k00005", KNOWN, OTHERS)


def test_profiles_in_other_cells_do_not_merge():
    a = profile_arrays({"n": pa.array([1.0, 2.0])})
    b = profile_arrays({"n": pa.array([1.0, 3.0])})
    with pytest.raises(DataError, match="'n' do not merge"):
        merge(a, b)


def test_values_beyond_limits_are_counted_and_never_too_many():
    draw = np.random.default_rng(3)
    for values in (draw.normal(size=4000), draw.integers(0, 9, 4000).astype(float)):
        reference = profile_arrays({"n": pa.array(values)})
        window = np.append(draw.normal(0, 5, 3000), [math.inf, -math.inf, math.nan])
        column = profile_arrays({"n": pa.array(window)}, reference).columns["n"]
        finite = window[np.isfinite(window)]
        low, high = values.min(), values.max()
        assert column.beyond(low, high) == ((finite < low).sum(), (finite > high).sum())
        for low, high in ((-3.3, 4.7), (0.5, 0.5), (-1e9, 1e9), (20.0, 30.0), (-30.0, -20.0)):
            below, above = column.beyond(low, high)
            assert int((finite < low).any()) <= below <= (finite < low).sum()
            assert int((finite > high).any()) <= above <= (finite > high).sum()


def test_limits_of_a_column_without_values():
    column = profile_arrays({"n": pa.nulls(3)}).columns["n"]
    assert column.beyond(0, 1) == (0, 0)
    column = profile_arrays({"n": pa.array([5.0, 7.0])}, Profile(columns={"n": column}))
    assert column.columns["n"].beyond(0, 1) == (0, 2)
    assert column.columns["n"].beyond(6, 9) == (1, 0)


def test_fractions_are_counted_where_the_reference_had_none():
    reference = profile_arrays({"n": pa.array([1, 2, 2**60]), "f": pa.array([1.0, 1.5])})
    window = {"n": pa.array([1.0, 1.5, 2.5, math.inf, None]), "f": pa.array([0.25])}
    columns = profile_arrays(window, reference).columns
    assert (reference.columns["n"].whole, reference.columns["f"].whole) == (True, False)
    assert (columns["n"].fractional, columns["f"].fractional) == (2, 0)


def test_how_often_the_most_frequent_value_occurs():
    columns = profile_arrays(
        {"n": pa.array([1, 2, 2, 2]), "t": pa.array(["a", "b", "b", None]), "e": pa.nulls(2)}
    ).columns
    assert [columns[name].most_common for name in ("n", "t", "e")] == [3, 2, 0]
