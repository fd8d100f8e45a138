from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.drift import locate
from components.drift.locate import Locator

finite = st.floats(allow_nan=False, allow_infinity=False)
near = st.integers(-4, 4).map(lambda number: 1e6 + number / 4)
number = st.one_of(finite, near, st.integers(-9, 9).map(float))


def _searched(edges, values):
    cells = np.searchsorted(edges, values, side="left")
    return np.bincount(cells, minlength=edges.size + 1).tolist()


@settings(deadline=None)
@given(
    st.lists(number, unique=True, min_size=1, max_size=60),
    st.lists(st.one_of(number, st.sampled_from([np.inf, -np.inf, -0.0])), max_size=60),
    st.data(),
)
def test_the_counts_are_those_of_a_search(edges, values, data):
    edges = np.unique(np.array(edges) + 0.0)
    low, high = sorted(data.draw(st.tuples(*[st.sampled_from(edges.tolist())] * 2)))
    with np.errstate(over="ignore"):
        beside = [np.nextafter(edges, -np.inf), edges, np.nextafter(edges, np.inf)]
    values = np.concatenate([np.array(values, dtype=np.float64), *beside])
    with mock.patch.object(locate, "_FEW", 0):
        assert Locator(edges, (low, high)).count(values).tolist() == _searched(edges, values)


@pytest.mark.parametrize("shift", [0.0, 2.0, 50.0, 1e300])
@pytest.mark.parametrize("kind", ["normal", "cauchy", "lognormal", "far", "lattice"])
def test_many_values_of_every_shape_are_counted_as_a_search_would(kind, shift):
    draw = np.random.default_rng(6)
    values = {
        "normal": draw.normal(size=50_000),
        "cauchy": draw.standard_cauchy(50_000),
        "lognormal": draw.lognormal(0, 3, 50_000),
        "far": 1e6 + draw.uniform(-1, 1, 50_000),
        "lattice": draw.integers(0, 30, 50_000).astype(float),
    }[kind]
    edges = np.unique(np.quantile(values, np.linspace(0, 1, 1000)))
    found = Locator(edges, (edges[0], edges[-1])).count(values + shift)
    assert found.tolist() == _searched(edges, values + shift)


def test_few_numbers_are_searched_for_and_more_are_not():
    edges = np.linspace(0, 1, 50)
    values = np.random.default_rng(7).random(20_000)
    locator = Locator(edges, (0.0, 1.0))
    for _ in range(3):
        assert locator.count(values).tolist() == _searched(edges, values)


def test_without_edges_there_is_one_cell():
    assert Locator(np.array([]), None).count(np.array([1.0, np.inf])).tolist() == [2]
