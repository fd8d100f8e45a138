import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.model.calibration import calibrate, calibrated, groups_of
from components.model.score import Predictions


def binary(said):
    return Predictions((said > 0.5).astype(int), np.column_stack([1 - said, said]))


def test_overconfident_probabilities_are_put_right():
    random = np.random.default_rng(0)
    said = random.random(20_000)
    true = 0.25 + said / 2
    y = (random.random(20_000) < true).astype(int)

    known = calibrate(y, binary(said), regression=False)

    inside = (said > 0.02) & (said < 0.98)
    off = np.abs(calibrated(known, binary(said).probability)[:, 1] - true)[inside]
    assert off.mean() < 0.02
    assert len(known.knots) == 1
    assert len(known.model_dump_json()) < 3000


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 300), st.integers(2, 4), st.booleans())
def test_whatever_the_holdout_probabilities_come_out(seed, count, classes, tied):
    random = np.random.default_rng(seed)
    probability = random.dirichlet(np.ones(classes), count)
    if tied:
        probability = np.eye(classes)[probability.argmax(axis=1)]
    y = random.integers(0, classes, count)

    known = calibrate(y, Predictions(y, probability), regression=False)
    table = calibrated(known, random.dirichlet(np.ones(classes), 50))

    assert table.shape == (50, classes)
    assert (table >= 0).all()
    assert table.sum(axis=1) == pytest.approx(1)
    for knots in known.knots:
        assert (np.diff(knots.scores) >= 0).all()
        assert (np.diff(knots.shares) >= -1e-9).all()


def test_classes_are_calibrated_one_by_one():
    random = np.random.default_rng(1)
    probability = random.dirichlet([2, 2, 2], 10_000)
    y = (random.random(10_000)[:, None] >= np.cumsum(probability, axis=1)[:, :-1]).sum(axis=1)

    known = calibrate(y, Predictions(y, probability), regression=False)

    assert len(known.knots) == 3
    assert np.abs(calibrated(known, probability) - probability).mean() < 0.02


def test_without_probabilities_there_is_none():
    y = np.array([0, 1])

    assert calibrate(y, Predictions(y), regression=False) is None
    assert calibrate(y[:0], Predictions(y[:0]), regression=True) is None


def test_residuals_are_those_of_like_answers():
    random = np.random.default_rng(2)
    said = random.uniform(0, 100, 10_000)
    y = said + random.normal(0, 1 + said / 10)

    known = calibrate(y, Predictions(said), regression=True)

    assert len(known.edges) == 9
    assert [len(group) for group in known.residuals] == [50] * 10
    groups = groups_of(known, np.array([1.0, 99.0]))
    assert groups.tolist() == [0, 9]
    spread = [float(np.sqrt(np.mean(np.square(known.residuals[group])))) for group in groups]
    assert spread == pytest.approx([1.5, 10.5], rel=0.1)


@pytest.mark.parametrize("said", [np.zeros(200), np.repeat([0.0, 1.0], 100), np.zeros(1)])
def test_answers_that_hardly_vary_have_residuals_all_the_same(said):
    known = calibrate(said + 1.0, Predictions(said), regression=True)

    assert all(known.residuals)
    for group in groups_of(known, np.array([-5.0, 0.0, 0.5, 1.0, 5.0])):
        assert known.residuals[group]
