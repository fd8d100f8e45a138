"""HistGradientBoosting, to the last bits: losses, missing values, sets of categories."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from components.core.errors import ModelError
from components.data.feature_rows import FeatureRows
from tests.model.portable.conftest import (
    converted,
    fitted,
    fitted_as,
    gap,
    labels_of,
    rows_of,
    spec_of,
)

KIND = "sklearn.ensemble.HistGradientBoosting"
EXACT = 1e-12
LITTLE = {"max_iter": 6, "min_samples_leaf": 3, "early_stopping": False}


@pytest.mark.parametrize(
    ("task", "given"),
    [
        ("binary", {}),
        ("multiclass", {}),
        ("binary", {"class_weight": "balanced", "max_leaf_nodes": 4}),
        ("multiclass", {"max_bins": 20, "l2_regularization": 1.0}),
        ("binary", {"early_stopping": True, "validation_fraction": 0.3}),
        ("regression", {}),
        ("regression", {"loss": "absolute_error"}),
        ("regression", {"loss": "quantile", "quantile": 0.9}),
        ("regression", {"loss": "poisson"}),
        ("regression", {"loss": "gamma"}),
        ("regression", {"monotonic_cst": [1, -1, 0, 0, 0]}),
    ],
    ids=str,
)
def test_every_loss_is_exact(task, given):
    spec, rows = spec_of(f"{KIND}{_suffix(task)}", task, **LITTLE | given), rows_of()
    model = fitted(spec, rows, labels_of(rows, task))

    assert gap(model, rows_of(seed=1)) <= EXACT


@pytest.mark.parametrize("categorical", [[3], [3, 4], [0, 3], [2], [0, 1, 2, 3, 4], None], ids=str)
def test_any_columns_may_be_declared_categorical(categorical):
    """A number too: what training saw of it is a category, all else is as if missing."""
    given = {} if categorical is None else {"categorical_features": categorical}
    rows = FeatureRows(np.round(rows_of().numeric), rows_of().categorical)
    spec = spec_of(f"{KIND}Classifier", **LITTLE | given)
    model = fitted(spec, rows, labels_of(rows))
    later = FeatureRows(np.round(2 * rows_of(seed=1).numeric) / 2, rows_of(seed=1).categorical)

    assert gap(model, later) <= EXACT


def test_more_categories_than_may_be_declared():
    """They are codes then, compared as numbers, beside others that are declared."""
    rows = rows_of(600, categories=40, categorical=["k"])
    many = [f"m{position % 300}" for position in range(len(rows))]
    rows = FeatureRows(rows.numeric, [many, *rows.categorical])
    spec = spec_of(f"{KIND}Classifier", **LITTLE)
    model = fitted(spec, rows, np.array([int(text[1:]) % 7 > 2 for text in many]))

    assert model.pipeline[-1].is_categorical_.tolist() == [False, False, False, False, True]
    assert gap(model, rows) <= EXACT


def test_a_model_that_learned_nothing_is_one_leaf_a_tree():
    spec, rows = spec_of(f"{KIND}Regressor", "regression", max_iter=3), rows_of(20)
    model = fitted(spec, rows, np.full(20, 7.0))

    assert gap(model, rows) == 0


def test_many_rows_are_answered_as_one_by_one():
    model = fitted_as(f"{KIND}Classifier", "multiclass", **LITTLE)
    rows, (_, runtime) = rows_of(700, seed=3), converted(model)

    together = runtime.answer(rows).probability
    alone = [runtime.answer(rows.part(row, row + 1)).probability for row in range(0, 700, 50)]

    assert together[::50] == pytest.approx(np.concatenate(alone), abs=EXACT)
    assert runtime.answer(rows.part(0, 0)).probability.shape == (0, 3)


TEXT = st.one_of(st.none(), st.sampled_from(["x", "0:x", "1:x", ":", "ü", "\x00", "x\x00y", " x"]))
NUMBER = st.one_of(st.just(np.nan), st.floats(-1e6, 1e6), st.sampled_from([0.0, -0.0, 1.5, 1e300]))


@st.composite
def worlds(draw):
    """Columns, rows to fit on and rows to ask, a task, classes of some type."""
    numeric = draw(st.integers(0, 3))
    texts = draw(st.integers(0 if numeric else 1, 2))
    count = draw(st.integers(24, 40))

    def rows():
        numbers = [[draw(NUMBER) for _ in range(numeric)] for _ in range(count)]
        table = np.array(numbers, dtype=float).reshape(count, numeric)
        return FeatureRows(table, [[draw(TEXT) for _ in range(count)] for _ in range(texts)])

    classes = draw(
        st.sampled_from([[0, 1], [False, True], ["no", "ja"], [3, 5, 9], ["a", "b", "c"], []])
    )
    task = {0: "regression", 2: "binary", 3: "multiclass"}[len(classes)]
    labels = [position % (len(classes) or 7) for position in range(count)]
    return rows(), rows(), task, classes, draw(st.permutations(labels))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(world=worlds(), leaf=st.integers(1, 4))
def test_whatever_the_columns_hold(world, leaf):
    rows, asked, task, classes, codes = world
    numeric = [f"n{place}" for place in range(rows.numeric.shape[1])]
    texts = [f"t{place}" for place in range(len(rows.categorical))]
    spec = spec_of(
        f"{KIND}{_suffix(task)}", task, numeric, texts, max_iter=3, min_samples_leaf=leaf
    )
    labels = np.array(codes, dtype=float) if task == "regression" else _named(classes, codes)
    try:
        model = fitted(spec, rows, labels)
    except ModelError:  # scikit-learn cannot bin a column without any number
        reject()

    assert gap(model, asked) <= EXACT


def _named(classes, codes):
    return np.array([classes[code] for code in codes], dtype=object)


def _suffix(task):
    return "Regressor" if task == "regression" else "Classifier"
