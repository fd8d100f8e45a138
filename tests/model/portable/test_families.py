"""Every family of estimators: what ONNX answers exactly, what nearly, and what it cannot."""

import hashlib
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.data.feature_rows import FeatureRows
from components.model.portable.answers import Unsupported
from components.model.portable.convert import ways_of
from tests.model.portable.conftest import (
    converted,
    fitted,
    fitted_as,
    gap,
    labels_of,
    rows_of,
    spec_of,
)

ENSEMBLE, LINEAR, TREE = "sklearn.ensemble.", "sklearn.linear_model.", "sklearn.tree."
FEW = {"n_estimators": 4}
FOREST = {"class": f"{ENSEMBLE}RandomForestClassifier", "parameters": FEW}
OURS = [
    (f"{LINEAR}LogisticRegression", {"C": 10}),
    (f"{LINEAR}RidgeClassifier", {}),
    ("sklearn.svm.LinearSVC", {}),
    ("sklearn.discriminant_analysis.LinearDiscriminantAnalysis", {}),
    (f"{TREE}DecisionTreeClassifier", {}),
    (f"{ENSEMBLE}RandomForestClassifier", {**FEW, "criterion": "entropy"}),
    (f"{ENSEMBLE}ExtraTreesClassifier", FEW),
    (f"{ENSEMBLE}GradientBoostingClassifier", FEW),
]
VALUES = [
    (f"{LINEAR}LinearRegression", {}),
    (f"{LINEAR}Ridge", {}),
    (f"{LINEAR}Lasso", {"alpha": 0.01}),
    (f"{LINEAR}SGDRegressor", {}),
    (f"{LINEAR}HuberRegressor", {}),
    (f"{LINEAR}PoissonRegressor", {}),
    (f"{LINEAR}TweedieRegressor", {"power": 0}),
    (f"{TREE}DecisionTreeRegressor", {}),
    (f"{ENSEMBLE}RandomForestRegressor", FEW),
    (f"{ENSEMBLE}ExtraTreesRegressor", FEW),
    (f"{ENSEMBLE}GradientBoostingRegressor", {**FEW, "loss": "huber"}),
]


def name_of(value):
    return str(value).rpartition(".")[2]


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize(("path", "given"), OURS, ids=name_of)
def test_a_classifier_of_ours_is_exact(path, given, task):
    assert gap(fitted_as(path, task, **given), rows_of(seed=1)) <= 1e-12


@pytest.mark.parametrize(("path", "given"), VALUES, ids=name_of)
def test_a_regressor_of_ours_is_exact(path, given):
    assert gap(fitted_as(path, "regression", **given), rows_of(seed=1)) <= 1e-12


def test_other_losses_of_gradient_boosting():
    boosting = f"{ENSEMBLE}GradientBoosting"

    exponential = fitted_as(f"{boosting}Classifier", loss="exponential", **FEW)
    quantile = fitted_as(f"{boosting}Regressor", "regression", loss="quantile", **FEW)
    zero = fitted_as(f"{boosting}Classifier", "multiclass", init="zero", **FEW)

    for model in (exponential, quantile, zero):
        assert gap(model, rows_of(seed=1)) <= 1e-12


@pytest.mark.parametrize(
    ("path", "given"),
    [
        (f"{LINEAR}SGDClassifier", {"loss": "log_loss"}),
        ("sklearn.naive_bayes.GaussianNB", {}),
        ("sklearn.neural_network.MLPClassifier", {"max_iter": 3, "hidden_layer_sizes": [4]}),
        (f"{ENSEMBLE}AdaBoostClassifier", FEW),
        (f"{ENSEMBLE}BaggingClassifier", FEW),
        ("sklearn.calibration.CalibratedClassifierCV", {"estimator": FOREST, "cv": 2}),
    ],
    ids=name_of,
)
def test_what_skl2onnx_converts_is_near(path, given):
    assert gap(fitted_as(path, **given), rows_of(seed=1), limit=1e-5) <= 1e-5


@pytest.mark.parametrize(
    ("path", "task", "given", "reason"),
    [
        ("sklearn.neighbors.KNeighborsClassifier", "binary", {}, "operator Scan"),
        ("sklearn.svm.SVC", "binary", {}, "operator SVMClassifier"),
        ("sklearn.dummy.DummyClassifier", "binary", {}, "skl2onnx cannot convert DummyClassifier"),
        ("sklearn.kernel_ridge.KernelRidge", "regression", {}, "skl2onnx cannot convert"),
    ],
)
def test_what_cannot_be_converted_says_why(path, task, given, reason):
    with pytest.raises(Unsupported, match=reason):
        ways_of(fitted_as(path, task, **given))[-1]()


@pytest.mark.parametrize("classes", [[False, True], ["nein", "ja"], [-3, 7], ["a", "b", "c"]])
@pytest.mark.parametrize("path", [f"{LINEAR}LogisticRegression", "sklearn.svm.LinearSVC"])
def test_classes_come_back_as_what_they_are(path, classes):
    task = "binary" if len(classes) == 2 else "multiclass"
    model = fitted_as(path, task, classes)
    _, runtime = converted(model)

    answers = runtime.answer(rows_of(seed=1))

    assert runtime.classes == sorted(classes)
    assert set(answers.prediction.tolist()) <= set(classes)
    assert {type(value) for value in answers.prediction.tolist()} == {type(classes[0])}
    assert runtime.estimates == (answers.probability is not None) == ("Logistic" in path)


@pytest.mark.parametrize(("numeric", "categorical"), [(["a"], []), ([], ["k"]), (["a"], ["k"])])
def test_a_model_of_few_columns(numeric, categorical):
    for path in (f"{LINEAR}LogisticRegression", f"{ENSEMBLE}HistGradientBoostingClassifier"):
        rows = rows_of(numeric=numeric, categorical=categorical)
        model = fitted(spec_of(path, "binary", numeric, categorical), rows, labels_of(rows))

        later = rows_of(seed=1, numeric=numeric, categorical=categorical)
        assert gap(model, later) <= 1e-12


def test_rare_categories_are_pooled_and_unseen_ones_with_them():
    """More than a hundred categories in one column; the other has no pool."""
    names = [f"k{position * position % 331}" for position in range(400)]
    plain = rows_of(400, categories=4)
    rows = FeatureRows(plain.numeric, [names, plain.categorical[1]])
    spec = spec_of(f"{LINEAR}LogisticRegression")
    model = fitted(spec, rows, labels_of(rows))
    pools = model.pipeline[0].named_transformers_["categorical"].infrequent_categories_

    assert (pools[0] is not None, pools[1]) == (True, None)
    assert gap(model, rows) <= 1e-12


def test_a_number_beyond_single_precision_is_no_number_where_trees_answer():
    """scikit-learn refuses it, and a server refuses an answer that is no number."""
    model = fitted_as(f"{ENSEMBLE}RandomForestClassifier", **FEW)
    rows = rows_of(3)
    rows.numeric[1, 0] = 1e300

    found = np.isfinite(converted(model)[1].answer(rows).probability).all(axis=1)

    assert found.tolist() == [True, False, True]


TEXT = st.one_of(st.none(), st.sampled_from(["x", "y", "0:x", "ü", "\x00", "x\x00y", " x"]))
NUMBER = st.one_of(st.just(np.nan), st.floats(-1e3, 1e3), st.sampled_from([0.0, -0.0, 7.0]))


@st.composite
def tables(draw, count):
    numbers = [[draw(NUMBER) for _ in range(2)] for _ in range(count)]
    return FeatureRows(np.array(numbers), [[draw(TEXT) for _ in range(count)] for _ in range(2)])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=tables(20), asked=tables(8), classes=st.sampled_from([[0, 1], ["a", "b", "c"]]))
def test_whatever_the_columns_hold(rows, asked, classes):
    task = "binary" if len(classes) == 2 else "multiclass"
    labels = np.array([classes[row % len(classes)] for row in range(20)], dtype=object)
    spec = spec_of(f"{LINEAR}LogisticRegression", task, ["a", "b"], ["k", "l"])

    assert gap(fitted(spec, rows, labels), asked) <= 1e-9


def digests():
    """The digests of some converted models, of three ways to an ONNX file."""
    return [
        hashlib.sha256(converted(fitted_as(path, **given))[0]).hexdigest()
        for path, given in (
            ("sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 5}),
            ("sklearn.ensemble.BaggingClassifier", {"n_estimators": 3}),
            ("sklearn.neural_network.MLPClassifier", {"max_iter": 3}),
        )
    ]


def test_the_same_model_makes_the_same_bytes_in_any_process():
    there = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import digests; print(*digests())"],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        env={"PYTHONHASHSEED": "1", "PATH": "", "OMP_NUM_THREADS": "1"},
    )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so few steps do not converge
        assert there.stdout.split() == digests()
