from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from components.core.window import Window
from components.drift.effects import _profile, corrected_psi, learn_effects, prediction_bound
from components.drift.profile import merge, profile_arrays
from components.drift.rule import Threshold, judge
from components.drift.variation import VariationTally

DAY = 86_400_000_000
LEVEL = 0.01 / 20


def made_of(columns, days):
    """The profile and the variation of columns whose rows lie on these days."""
    arrays = {name: pa.array(values) for name, values in columns.items()}
    reference = profile_arrays(arrays)
    tally = VariationTally(reference, 0, int(days.max()) * DAY + DAY - 1)
    tally.add(days * DAY, arrays)
    return reference, tally.variation()


def window(days):
    start = datetime(2024, 1, 1, tzinfo=UTC)
    return Window(start, start + timedelta(days=days))


@pytest.fixture(scope="module")
def steady():
    draw = np.random.default_rng(1)
    days = np.repeat(np.arange(90), 500)
    return made_of({"a": draw.normal(size=45_000), "c": draw.choice(list("xyz"), 45_000)}, days)


def test_short_references_without_variation_keep_the_specs_effect():
    """Blocks of few rows differ by chance; that must not hide what a window shows."""
    draw = np.random.default_rng(7)
    days = np.repeat(np.arange(60), 100)
    columns = {f"a{i}": draw.gamma(2, 800, 6000) for i in range(10)}
    learned = learn_effects(made_of(columns, days)[1], list(columns), window(31), LEVEL)
    assert sorted(found.effect for found in learned.values())[-2] == 0.0
    # Days that move are learned from as before.
    moving = draw.normal(size=6000) + np.repeat(draw.normal(0, 0.3, 60), 100)
    found = learn_effects(made_of({"m": moving}, days)[1], ["m"], window(1), LEVEL)["m"]
    assert found.effect > 0.1


@pytest.mark.parametrize(("length", "blocks", "days"), [(1, 90, 1), (3, 30, 3), (30, 12, 7)])
def test_without_variation_nothing_is_learned_but_noise(steady, length, blocks, days):
    learned = learn_effects(steady[1], ["a", "c"], window(length), LEVEL)
    for found in learned.values():
        assert found.effect < 100 / (500 * days)  # as much as the index does by chance
        assert (found.blocks, found.length) == (blocks, timedelta(days=days))


def test_a_window_shorter_than_a_stretch_is_held_against_stretches(steady):
    found = learn_effects(steady[1], ["a"], window(0.04), LEVEL)["a"]
    assert (found.blocks, found.length) == (90, timedelta(days=1))


def test_weekends_are_learned_by_daily_windows_and_even_out_in_weeks():
    draw = np.random.default_rng(2)
    days = np.repeat(np.arange(90), 500)
    weekend = np.isin(days % 7, [5, 6])
    _, variation = made_of({"a": draw.normal(size=45_000) + 1.0 * weekend}, days)
    daily, weekly = (learn_effects(variation, ["a"], window(n), LEVEL)["a"] for n in (1, 7))
    assert daily.effect > 0.5  # a weekend's day is about one deviation away: an index of one half
    assert weekly.effect < 0.05


def test_a_season_of_the_reference_is_learned():
    draw = np.random.default_rng(3)
    days = np.repeat(np.arange(365), 200)
    values = draw.normal(size=days.size) + np.sin(2 * np.pi * days / 365)
    found = learn_effects(made_of({"a": values}, days)[1], ["a"], window(30), LEVEL)["a"]
    assert found.effect > 0.6  # the largest block's own: a month at the season's peak


def test_the_index_is_the_rules_own(steady):
    reference, _ = steady
    draw = np.random.default_rng(5)
    moved = {"a": draw.normal(0.4, 1, 2000), "c": draw.choice(list("xyz"), 2000, p=[0.5, 0.3, 0.2])}
    current = profile_arrays({name: pa.array(values) for name, values in moved.items()}, reference)
    for name, column in current.columns.items():
        for missing in (True, False):
            rule = judge(reference.columns[name], column, Threshold(0.05, LEVEL), missing).psi
            assert corrected_psi(reference.columns[name], column, missing) == rule


def test_coarse_cells_give_nearly_the_same_index(steady):
    reference, variation = steady
    moved = {"a": pa.array(np.random.default_rng(5).normal(0.4, 1, 2000))}
    tally = VariationTally(reference, 0, 0)
    tally.add(np.zeros(2000, dtype=np.int64), moved)
    column = variation.columns["a"]
    sides = np.sum(column.counts, axis=0), np.sum(tally.variation().columns["a"].counts, axis=0)
    coarse = corrected_psi(*(_profile(column, side) for side in sides), missing=True)
    fine = profile_arrays(moved, reference).columns["a"]
    exact = corrected_psi(reference.columns["a"], fine, missing=True)
    assert coarse == pytest.approx(exact, rel=0.03)


def test_too_few_blocks_say_nothing():
    values = np.random.default_rng(4).normal(size=1200)
    _, variation = made_of({"a": values}, np.repeat(np.arange(3), 400))
    column = variation.columns["a"]
    three = column.model_copy(update={"counts": [row for row in column.counts if sum(row)]})
    assert len(three.counts) == 3
    found = variation.model_copy(update={"columns": {"a": three}})
    assert learn_effects(found, ["a", "gone"], window(1), LEVEL) == {}


def test_gaps_and_columns_without_rows_are_no_blocks():
    draw = np.random.default_rng(6)
    days = np.repeat(np.r_[0:20, 60:90], 300)
    values = draw.normal(size=days.size)
    reference, _ = made_of({"a": values}, days)
    none = profile_arrays({"n": pa.nulls(0, pa.float64())})
    tally = VariationTally(merge(reference, none), 0, 90 * DAY)
    tally.add(days * DAY, {"a": pa.array(values)})
    learned = learn_effects(tally.variation(), ["a", "n"], window(1), LEVEL)
    assert set(learned) == {"a"}
    assert learned["a"].blocks == 50
    assert learned["a"].effect < 100 / 300


def test_the_bound_holds_one_more_of_the_same_kind():
    draw = np.random.default_rng(7)
    for degrees in (1, 3, 10):
        above = 0
        for _ in range(2000):
            *seen, more = draw.chisquare(degrees, 13)
            above += more > prediction_bound(np.array(seen), 0.01)
        assert above <= 2000 * 0.015  # three standard errors above the level


def test_where_nothing_varies_the_bound_is_zero():
    assert prediction_bound(np.zeros(5), 0.01) == 0.0


def test_many_columns_have_fewer_blocks_each(steady, monkeypatch):
    monkeypatch.setattr("components.drift.effects._COMPARISONS", 60)
    found = learn_effects(steady[1], ["a", "c"], window(1), LEVEL)
    assert found["a"].blocks == 30
