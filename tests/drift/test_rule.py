"""The rule's error rates, on a small scale and with seeds that it was not tuned on."""

import numpy as np
import pyarrow as pa
import pytest

from components.drift.distances import chi_square_p
from components.drift.profile import profile_arrays
from components.drift.rule import Evidence, Threshold, judge, unseen_excess

# One of twenty columns, with one false alarm in a hundred windows.
THRESHOLD = Threshold(effect=0.05, level=0.01 / 20)


def _judge(reference, current, threshold=THRESHOLD, missing=True):
    before = profile_arrays({"x": pa.array(reference, from_pandas=True)})
    after = profile_arrays({"x": pa.array(current, from_pandas=True)}, before)
    return judge(before.columns["x"], after.columns["x"], threshold, missing)


def _zipf(draw, n, categories):
    weights = 1 / np.arange(1, categories + 1)
    names = np.array([f"k{i}" for i in range(categories)])
    return draw.choice(names, n, p=weights / weights.sum())


CLEAN = {
    "normal": lambda draw, n: draw.normal(size=n),
    "heavy tail": lambda draw, n: draw.standard_cauchy(n),
    "many zeros": lambda draw, n: np.where(draw.random(n) < 0.9, 0.0, draw.exponential(size=n)),
    "some missing": lambda draw, n: np.where(draw.random(n) < 0.03, np.nan, draw.gamma(2, size=n)),
    "few values": lambda draw, n: draw.poisson(2, n).astype(float),
    "5 categories": lambda draw, n: _zipf(draw, n, 5),
    "200 categories": lambda draw, n: _zipf(draw, n, 200),
    "5000 categories": lambda draw, n: _zipf(draw, n, 5000),
}


@pytest.mark.parametrize(("n", "m"), [(1000, 1000), (5000, 1000), (1000, 5000)])
def test_false_alarms_are_as_rare_as_the_level_promises(n, m):
    draw = np.random.default_rng([20240607, n, m])
    found = [_judge(make(draw, n), make(draw, m)) for make in CLEAN.values() for _ in range(40)]
    alarms = [evidence for evidence in found if evidence.answer == "drift"]
    # 320 columns at 0.0005 each: more than two would be an accident of one in 1,500.
    assert len(alarms) <= 2
    # The correction removes the bias: on average there is no effect.
    assert np.mean([evidence.psi for evidence in found]) < 0.005


def _missing(draw, n, share):
    return np.where(draw.random(n) < share, np.nan, draw.normal(size=n))


DRIFTED = {  # each of a true PSI of about 0.1, as pairs: before, after
    "mean": (lambda draw, n: draw.normal(size=n), lambda draw, n: draw.normal(0.32, 1, n)),
    "scale": (lambda draw, n: draw.normal(size=n), lambda draw, n: draw.normal(0, 1.29, n)),
    "missing values": (
        lambda draw, n: _missing(draw, n, 0.03),
        lambda draw, n: _missing(draw, n, 0.105),
    ),
    "rare label": (
        lambda draw, n: (draw.random(n) < 0.1).astype(float),
        lambda draw, n: (draw.random(n) < 0.2).astype(float),
    ),
    "new category": (
        lambda draw, n: _zipf(draw, n, 20),
        lambda draw, n: np.where(draw.random(n) < 0.02, "new", _zipf(draw, n, 20)),
    ),
    "category mix": (
        lambda draw, n: draw.choice(list("abcde"), n),
        lambda draw, n: draw.choice(list("abcde"), n, p=[0.28, 0.26, 0.17, 0.16, 0.13]),
    ),
}


@pytest.mark.parametrize("name", DRIFTED)
def test_drift_of_the_size_that_matters_is_found(name):
    draw = np.random.default_rng(20240608)
    before, after = DRIFTED[name]
    found = [_judge(before(draw, 5000), after(draw, 5000)).answer for _ in range(20)]
    assert found.count("drift") == 20


def test_at_any_number_of_rows_a_trivial_shift_is_no_drift():
    draw = np.random.default_rng(20240609)
    evidence = _judge(draw.normal(size=300_000), draw.normal(0.03, 1, 300_000))
    assert evidence.p_value < THRESHOLD.level
    assert evidence.answer == "no drift"


def test_too_few_rows_say_so_with_what_they_could_have_shown():
    draw = np.random.default_rng(20240610)
    evidence = _judge(draw.normal(size=5000), draw.normal(size=100))
    assert evidence.answer == "underpowered"
    assert evidence.minimum_effect > THRESHOLD.effect
    assert _judge(draw.normal(size=5000), draw.normal(size=5000)).answer == "no drift"


def test_almost_no_rows_say_nothing_else():
    assert _judge(np.arange(100.0), np.arange(3.0)) == Evidence("underpowered")


def test_categories_too_rare_to_compare_are_not_called_without_drift():
    names = np.array([f"k{i}" for i in range(3000)])
    draw = np.random.default_rng(20240611)
    assert _judge(draw.choice(names, 1000), draw.choice(names, 1000)).answer == "underpowered"


def test_the_interval_holds_the_effect():
    evidence = _judge(*(np.random.default_rng(s).normal(s, 1, 5000) for s in (0, 1)))
    low, high = evidence.interval
    assert low < evidence.psi < high
    assert low > THRESHOLD.effect


def test_new_categories_are_held_against_what_the_reference_lets_expect():
    draw = np.random.default_rng(20240612)
    rare = [f"once{i}" for i in range(200)]
    reference = np.array([*rare, *draw.choice(list("ab"), 800)])
    # As many rows in categories never seen as there were categories seen once: no surprise.
    expected = np.array([*(f"new{i}" for i in range(200)), *draw.choice(list("ab"), 800)])
    assert _judge(reference, expected).answer != "drift"
    surprise = np.array([*(f"new{i}" for i in range(600)), *draw.choice(list("ab"), 400)])
    assert _judge(reference, surprise).answer == "drift"


@pytest.mark.parametrize(
    ("reference", "current", "answer"),
    [
        ([5.0] * 500, [5.0] * 500, "no drift"),
        ([5.0] * 2000, [6.0] * 2000, "drift"),
        ([None] * 2000, [None] * 2000, "no drift"),
        ([None] * 2000, [1.0, 2.0] * 1000, "drift"),
        ([1.0, 2.0] * 1000, [None] * 2000, "drift"),
        ([1.0, 2.0] * 1000, [float("inf")] * 2000, "drift"),
        ([1.0, 2.0] * 1000, [], "underpowered"),
        (["a", "b"] * 1000, [None] * 2000, "drift"),
        (["a", "b"] * 1000, ["c"] * 2000, "drift"),
    ],
)
def test_columns_at_the_edge(reference, current, answer):
    kind = pa.string() if "a" in reference else pa.float64()
    threshold = Threshold(effect=0.2, level=0.001)
    before = profile_arrays({"x": pa.array(reference, kind)})
    after = profile_arrays({"x": pa.array(current, kind)}, before)
    assert judge(before.columns["x"], after.columns["x"], threshold).answer == answer


def test_columns_of_two_kinds_cannot_be_compared():
    a = profile_arrays({"x": pa.array([1.0])}).columns["x"]
    b = profile_arrays({"x": pa.array(["a"])}).columns["x"]
    assert judge(a, b, THRESHOLD).answer == "underpowered"


def test_a_large_index_that_chance_explains_is_no_drift():
    reference = np.repeat([0.0, 1.0], [60, 60])
    current = np.repeat([0.0, 1.0], [36, 64])
    evidence = _judge(reference, current, Threshold(effect=0.05, level=0.001))
    assert evidence.psi >= 0.05
    assert evidence.p_value > 0.001
    assert evidence.answer != "drift"
    assert _judge(reference, current, Threshold(effect=0.05, level=0.05)).answer == "drift"


@pytest.mark.parametrize("kind", ["normal", "5 categories", "200 categories"])
def test_where_any_effect_matters_the_test_alone_keeps_the_level(kind):
    draw = np.random.default_rng(20240613)
    make, threshold = CLEAN[kind], Threshold(effect=0.002, level=0.01)
    found = [_judge(make(draw, 400), make(draw, 400), threshold) for _ in range(400)]
    # Chance alone exceeds such an effect all the time.
    assert sum(evidence.psi >= threshold.effect for evidence in found) > 100
    # Of 400 columns at 0.01 each more than twelve alarm once in 700 times.
    assert sum(evidence.answer == "drift" for evidence in found) <= 12


@pytest.mark.parametrize(
    ("kind", "share"), [(str, 6 / 8), (float, 2 / 5)], ids=["categories", "numbers"]
)
def test_the_chi_square_test_has_its_part_of_the_level(kind, share):
    """A change that no other test sees: every second value more, every second less."""
    before, after = (np.repeat(np.arange(6), counts) for counts in ([300] * 6, [325, 275] * 3))
    evidence = _judge(before.astype(kind), after.astype(kind))
    alone = chi_square_p(evidence.cells.reference, evidence.cells.current)
    assert alone < 0.3
    assert evidence.p_value == pytest.approx(min(alone / share, 1.0))


@pytest.mark.parametrize("name", ["mean", "scale", "tail", "missing values"])
def test_the_commonest_changes_are_found_where_the_chi_square_test_misses_them(name):
    draw = np.random.default_rng(20240616)
    x = draw.normal(size=1000)
    y = {
        "mean": x + 0.2,
        "scale": x * 1.16,
        "tail": np.where(np.abs(x) > 1, np.sign(x) * (1 + (np.abs(x) - 1) * 1.4), x),
        "missing values": np.where(draw.random(1000) < 0.028, np.nan, x),
    }[name]
    evidence = _judge(x, draw.permutation(y))
    assert evidence.p_value < THRESHOLD.level
    assert chi_square_p(evidence.cells.reference, evidence.cells.current) > THRESHOLD.level


def test_the_mass_of_unseen_categories_is_an_estimate_too():
    """A small reference: its own share of categories seen once is uncertain by a tenth and more."""
    draw = np.random.default_rng(20240615)
    alarms = 0
    for _ in range(200):
        before = profile_arrays({"x": pa.array(_zipf(draw, 300, 2000))})
        after = profile_arrays({"x": pa.array(_zipf(draw, 20_000, 2000))}, before)
        alarms += unseen_excess(before.columns["x"], after.columns["x"]) < 0.01
    # Two are expected at most: more than eight are one in 4,000.
    assert alarms <= 8
