import numpy as np
import pytest
from sklearn.metrics import auc, confusion_matrix, roc_curve

from components.model import measure
from components.model.bootstrap import interval
from components.model.fit import fit_model
from components.model.metrics import METRICS
from components.model.rows import Slice
from components.model.score import Predictions
from components.spec.model import Gate
from tests.model.conftest import small_frame, small_spec, small_target


def answers(rows=3000, seed=0):
    random = np.random.default_rng(seed)
    y = (random.random(rows) < 0.3).astype(int)
    positive = 1 / (1 + np.exp(-y - random.normal(size=rows)))
    return y, Predictions((positive > 0.5).astype(int), np.column_stack([1 - positive, positive]))


def test_the_roc_curve_is_short_finite_and_encloses_the_same_area():
    y, found = answers()

    curve = measure.roc_curve(y, found)

    assert len(curve.fpr) == len(curve.tpr) == len(curve.thresholds) <= 200
    assert np.isfinite(curve.thresholds).all()
    assert (curve.fpr[0], curve.tpr[0], curve.fpr[-1], curve.tpr[-1]) == (0, 0, 1, 1)
    assert auc(curve.fpr, curve.tpr) == pytest.approx(METRICS["roc_auc"].score(y, found), abs=2e-3)
    assert list(curve.thresholds) == sorted(curve.thresholds, reverse=True)


def test_a_short_roc_curve_is_scikit_learns():
    y, found = answers(40)
    fpr, tpr, thresholds = roc_curve(y, found.probability[:, 1], drop_intermediate=False)

    curve = measure.roc_curve(y, found)

    assert curve.fpr == pytest.approx(fpr.tolist())
    assert curve.tpr == pytest.approx(tpr.tolist())
    assert curve.thresholds[1:] == pytest.approx(thresholds[1:].tolist())


def test_no_roc_curve_of_one_class_or_without_probabilities():
    y, found = answers(40)

    assert measure.roc_curve(np.zeros(40, dtype=int), found) is None
    assert measure.roc_curve(y, Predictions(found.prediction)) is None


def test_the_confusion_matrix_is_scikit_learns():
    random = np.random.default_rng(0)
    y, prediction = random.integers(0, 4, (2, 200))

    ours = measure.confusion_matrix(y, Predictions(prediction), 4)

    assert ours == confusion_matrix(y, prediction).tolist()


def test_regression_and_too_many_classes_have_no_confusion_matrix():
    found = Predictions(np.array([0]))

    assert measure.confusion_matrix(np.array([0]), found, 0) is None
    assert measure.confusion_matrix(np.array([0]), found, 51) is None


def test_slices_too_small_or_without_both_classes_have_no_score():
    y, found = answers(600)
    y[400:] = 0
    slices = [
        Slice("k", "large", np.arange(400)),
        Slice("k", "constant", np.arange(400, 600)),
        Slice("k", "small", np.arange(100)),
    ]

    large, constant, small = measure.slice_scores(
        METRICS["roc_auc"], y, found, slices, Gate(min_slice_rows=150), 0, np.arange(600) // 20
    )

    assert large.interval[0] < large.score < large.interval[1]
    assert (constant.rows, constant.score, constant.interval) == (200, None, None)
    assert (small.rows, small.score, small.interval) == (100, None, None)


def test_a_slices_interval_is_that_of_its_blocks_of_time():
    y, found = answers(600)
    part, blocks = Slice("k", "odd", np.arange(1, 600, 2)), np.arange(600) // 25
    gate = Gate(min_slice_rows=150)

    (score,) = measure.slice_scores(METRICS["roc_auc"], y, found, [part], gate, 4, blocks)

    own = found.rows(part.positions)
    assert score.interval == interval(
        METRICS["roc_auc"], y[1::2], own, gate.resamples, 0.95, 4, blocks[1::2]
    )


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_importances_find_the_columns_that_matter(task):
    kind = "Regressor" if task == "regression" else "Classifier"
    path = f"sklearn.ensemble.HistGradientBoosting{kind}"
    spec, frame = small_spec(path, task, max_iter=10), small_frame(2500)
    target = small_target(frame, task)
    model, _ = fit_model(spec, frame, target)

    found = measure.importances(spec, model, frame, target)

    assert list(found) == spec.columns.features
    assert sum(found.values()) == pytest.approx(1)
    assert found["a"] + found["b"] > 0.9
    assert found == measure.importances(spec, model, frame, target)


def test_a_model_that_uses_nothing_has_importances_of_zero():
    spec, frame = small_spec("sklearn.dummy.DummyClassifier"), small_frame()
    target = small_target(frame)
    model, _ = fit_model(spec, frame, target)

    assert set(measure.importances(spec, model, frame, target).values()) == {0.0}
