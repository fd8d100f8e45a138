"""Every metric against scikit-learn's, with the weights as explicit repetitions of rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from components.core.errors import ModelError
from components.model.metrics import METRICS, all_scores, check_probability, metric_named
from components.model.score import Predictions
from components.spec.model import _METRICS

BINARY = {
    "roc_auc": lambda y, p, q: reference.roc_auc_score(y, q[:, 1]),
    "average_precision": lambda y, p, q: reference.average_precision_score(y, q[:, 1]),
    "log_loss": lambda y, p, q: reference.log_loss(y, q, labels=[0, 1]),
    "brier": lambda y, p, q: reference.brier_score_loss(y, q[:, 1]),
    "accuracy": lambda y, p, q: reference.accuracy_score(y, p),
    "balanced_accuracy": lambda y, p, q: reference.recall_score(
        y, p, average="macro", labels=np.unique(y), zero_division=0
    ),
    "f1_macro": lambda y, p, q: reference.f1_score(y, p, average="macro", zero_division=0),
}
MULTICLASS = {
    "roc_auc": lambda y, p, q: reference.roc_auc_score(y, q, multi_class="ovr"),
    "log_loss": lambda y, p, q: reference.log_loss(y, q, labels=[0, 1, 2]),
    **{name: BINARY[name] for name in ("accuracy", "balanced_accuracy", "f1_macro")},
}
REGRESSION = {
    "mae": lambda y, p, q: reference.mean_absolute_error(y, p),
    "rmse": lambda y, p, q: reference.root_mean_squared_error(y, p),
    "r2": lambda y, p, q: reference.r2_score(y, p),
}
CASES = [
    *(("binary", name) for name in BINARY),
    *(("multiclass", name) for name in MULTICLASS),
    *(("regression", name) for name in REGRESSION),
]
REFERENCES = {"binary": BINARY, "multiclass": MULTICLASS, "regression": REGRESSION}


def problem(task, rows, seed, levels):
    """Labels and answers; few levels of probability make many ties."""
    random = np.random.default_rng(seed)
    if task == "regression":
        y = random.normal(5, 2, rows)
        return y, Predictions(y + random.normal(0, 1, rows))
    classes = 2 if task == "binary" else 3
    y = random.permutation(np.arange(rows) % classes)
    raw = random.integers(1, levels, (rows, classes)) + 0.3 * levels * np.eye(classes)[y]
    probability = raw / raw.sum(axis=1, keepdims=True)
    if levels < 5:
        probability = np.round(probability, 1)
        probability /= probability.sum(axis=1, keepdims=True)
    return y, Predictions(probability.argmax(axis=1), probability)


@pytest.mark.parametrize(("task", "name"), CASES)
@settings(max_examples=25, deadline=None)
@given(rows=st.integers(6, 80), seed=st.integers(0, 10**6), levels=st.sampled_from([2, 4, 1000]))
def test_weights_count_as_repeated_rows_do_for_scikit_learn(task, name, rows, seed, levels):
    y, answers = problem(task, rows, seed, levels)
    random = np.random.default_rng(seed + 1)
    weights = np.bincount(random.integers(0, rows, rows), minlength=rows)
    chosen = np.repeat(np.arange(rows), weights)
    if task != "regression" and len(np.unique(y[chosen])) < len(np.unique(y)):
        return  # not defined for scikit-learn
    drawn = answers.rows(chosen)

    ours = METRICS[name].prepare(y, answers)(weights)

    theirs = REFERENCES[task][name](y[chosen], drawn.prediction, drawn.probability)
    assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("task", "name"), CASES)
def test_equal_weights_are_the_plain_metric(task, name):
    y, answers = problem(task, 500, 0, 1000)

    ours = METRICS[name].score(y, answers)

    assert ours == pytest.approx(REFERENCES[task][name](y, answers.prediction, answers.probability))


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_what_is_not_defined_on_one_class_is_no_number(name):
    y, answers = problem("binary", 50, 0, 1000)
    negative = answers.rows(np.flatnonzero(y == 0))

    assert np.isnan(METRICS[name].score(np.zeros(25, dtype=int), negative))


def test_a_target_that_does_not_vary_has_no_r2():
    assert np.isnan(METRICS["r2"].score(np.ones(5), Predictions(np.arange(5.0))))


@pytest.mark.parametrize(("task", "name"), CASES)
def test_no_rows_have_no_metric(task, name):
    y, answers = problem(task, 20, 0, 1000)

    assert np.isnan(METRICS[name].score(y[:0], answers.rows(np.arange(0))))
    assert np.isnan(METRICS[name].prepare(y, answers)(np.zeros(20, dtype=int)))


def test_a_certain_mistake_costs_a_lot_and_not_everything():
    answers = Predictions(np.array([0]), np.array([[1.0, 0.0]]))

    assert 30 < METRICS["log_loss"].score(np.array([1]), answers) < 40


def test_r2_keeps_its_digits_far_from_zero():
    y, answers = problem("regression", 200, 0, 1000)

    far = METRICS["r2"].score(y + 1e9, Predictions(answers.prediction + 1e9))

    assert far == pytest.approx(METRICS["r2"].score(y, answers), rel=1e-6)


@pytest.mark.parametrize("name", METRICS)
def test_a_better_answer_is_better_in_the_metrics_own_direction(name):
    task = "regression" if name in REGRESSION else "binary"
    y, answers = problem(task, 300, 1, 1000)
    sure = None if task == "regression" else np.eye(2)[y] * 0.98 + 0.01
    best = Predictions(y, sure)
    metric = METRICS[name]

    assert metric.sign * (metric.score(y, best) - metric.score(y, answers)) > 0


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_every_metric_that_the_spec_allows_is_computed(task):
    y, answers = problem(task, 60, 0, 1000)

    assert set(all_scores(task, y, answers)) == set(_METRICS[task])


def test_metrics_without_probabilities_leave_out_those_that_need_them():
    y, answers = problem("binary", 60, 0, 1000)

    found = all_scores("binary", y, Predictions(answers.prediction))

    assert set(found) == {"accuracy", "balanced_accuracy", "f1_macro"}


def test_an_estimator_without_probabilities_cannot_be_judged_by_them():
    with pytest.raises(ModelError, match=r"roc_auc needs probabilities, and X estimates none"):
        check_probability(METRICS["roc_auc"], Predictions(np.array([1])), "X")
    check_probability(METRICS["accuracy"], Predictions(np.array([1])), "X")


def test_an_unknown_metric_is_named():
    with pytest.raises(ModelError, match=r"no 'auc'; choose of roc_auc"):
        metric_named("auc")
