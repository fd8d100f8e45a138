import warnings

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from components.core.errors import DataError, ModelError
from components.model.estimator import build_pipeline
from components.model.fit import constant_answer, fit_model
from tests.model.conftest import changed, small_frame, small_model, small_spec, small_target

BOOSTER = "sklearn.ensemble.HistGradientBoostingClassifier"
LOGISTIC = "sklearn.linear_model.LogisticRegression"


def estimator(spec, frame=None):
    return build_pipeline(spec, small_frame() if frame is None else frame)[-1]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("sklearn.linear_modell.Ridge", "cannot be imported.*correct the path or install"),
        ("sklearn.linear_model.LogisticRegresion", "did you mean .*LogisticRegression?"),
        ("sklearn.linear_model.Wrong", "has no Wrong"),
        ("sklearn.metrics.roc_auc_score", "no scikit-learn estimator; name a class with fit"),
        ("sklearn.preprocessing.StandardScaler", "no classifier, which task 'binary' needs"),
        ("sklearn.linear_model.Ridge", "no classifier.*change estimator.class or task"),
    ],
)
def test_a_wrong_class_is_explained(path, said):
    with pytest.raises(ModelError, match=rf"estimator.class: .*{said}"):
        estimator(small_spec(path))


def test_a_classifier_does_not_do_regression():
    with pytest.raises(ModelError, match="no regressor, which task 'regression' needs"):
        estimator(small_spec(LOGISTIC, "regression"))


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"max_iters": 3}, "has no 'max_iters'; did you mean 'max_iter'?"),
        ({"zzzz": 3}, "has no 'zzzz'; valid are .*tol"),
    ],
)
def test_a_wrong_parameter_is_explained(parameters, said):
    with pytest.raises(ModelError, match=rf"estimator.parameters: \w+ {said}"):
        estimator(small_spec(LOGISTIC, **parameters))


def test_a_wrong_value_of_a_parameter_is_explained():
    with pytest.raises(ModelError, match=r"estimator.parameters: .*'C' parameter.*correct"):
        small_model(LOGISTIC, C=-1.0)


def test_an_estimator_that_cannot_be_fitted_names_the_class():
    # It takes one column only, and says so in fit.
    with pytest.raises(ModelError, match=r"estimator.class: .*IsotonicRegression cannot be fitted"):
        small_model("sklearn.isotonic.IsotonicRegression", "regression")


def test_a_name_that_a_trusted_module_imported_is_no_way_round_the_prefixes():
    spec = changed(
        small_spec(LOGISTIC),
        estimator__class="sklearn.ensemble._forest.DecisionTreeClassifier",
        estimator__allowed_prefixes=["sklearn.ensemble."],
    )

    with pytest.raises(ModelError, match=r"lives in sklearn.tree.*add its package"):
        estimator(spec)


def test_the_specs_seed_is_used_where_none_is_given():
    spec = changed(small_spec("sklearn.ensemble.RandomForestClassifier"), training__seed=7)

    assert estimator(spec).random_state == 7
    assert estimator(changed(spec, estimator__parameters={"random_state": 3})).random_state == 3


def test_estimators_nest():
    inner = {"class": "sklearn.svm.SVC", "parameters": {"kernel": "linear"}}
    path = "sklearn.calibration.CalibratedClassifierCV"

    made = estimator(small_spec(path, estimator=inner, ensemble=False))

    assert made.estimator.kernel == "linear"
    assert made.estimator.random_state == 0


def test_a_nested_estimator_obeys_the_prefixes():
    path, inner = "sklearn.ensemble.BaggingClassifier", {"class": "subprocess.Popen"}

    with pytest.raises(ModelError, match=r"subprocess\.Popen, outside of the allowed prefixes"):
        estimator(small_spec(path, estimator=inner))


def test_boosting_sees_categories_as_such_where_their_number_allows():
    frame = small_frame()
    frame["k"] = np.array([f"v{i % 20}" for i in range(len(frame))], dtype=object)

    assert estimator(small_spec(BOOSTER), frame).categorical_features == [3, 4]
    assert estimator(small_spec(BOOSTER, max_bins=10), frame).categorical_features == [4]


def test_boosting_takes_a_column_of_many_categories_and_one_without_any():
    frame = small_frame()
    frame["k"] = np.array([f"v{i}" for i in range(len(frame))], dtype=object)
    frame["l"] = None
    spec = small_spec(BOOSTER, max_iter=3)

    model, remarks = fit_model(spec, frame.astype({"l": object}), small_target(frame))

    assert model.pipeline[-1].categorical_features is None
    assert remarks == []
    assert len(model.predict(small_frame())) == len(frame)


@pytest.mark.parametrize("path", [BOOSTER, LOGISTIC])
def test_unseen_categories_and_missing_values_are_answered(path):
    model, frame = small_model(path, max_iter=20), small_frame(5)
    frame["k"] = np.array(["new", None, "w", "x", "y"], dtype=object)
    frame["a"] = np.nan

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answers = model.predict(frame)

    assert np.isfinite(answers.probability).all()


def test_an_unseen_category_is_answered_as_a_missing_one_by_boosting():
    model, frame = small_model(BOOSTER, max_iter=20), small_frame(2)
    frame["k"] = np.array(["new", None], dtype=object)
    frame.iloc[1, :3] = frame.iloc[0, :3]
    frame["l"] = "p"

    assert np.ptp(model.predict(frame).probability[:, 1]) == 0


def test_rare_categories_are_pooled():
    frame = small_frame(3000)
    frame["k"] = np.array([f"v{max(0, i - 2500)}" for i in range(3000)], dtype=object)
    pipeline = build_pipeline(small_spec(LOGISTIC), frame)

    shape = pipeline[0].fit_transform(frame).shape

    assert shape[1] < 3 + 1 + 100 + 4


def test_a_column_without_any_value_is_imputed_and_not_dropped():
    frame = small_frame().assign(c=np.nan)

    model, remarks = fit_model(small_spec(LOGISTIC), frame, small_target(frame))

    assert remarks == []
    assert np.isfinite(model.predict(small_frame()).probability).all()


@pytest.mark.parametrize("columns", [{"numeric": []}, {"categorical": []}])
def test_one_kind_of_columns_is_enough(columns):
    spec = small_spec(LOGISTIC)
    roles = spec.model_dump(by_alias=True)["columns"] | columns
    spec, frame = changed(spec, columns=roles), small_frame()

    model, _ = fit_model(spec, frame, small_target(frame))

    assert len(model.predict(frame)) == len(frame)


def test_warnings_of_the_estimator_become_remarks():
    frame = small_frame()
    spec = small_spec("sklearn.neural_network.MLPClassifier", max_iter=1)

    _, remarks = fit_model(spec, frame, small_target(frame))

    assert len(remarks) == 1
    assert "optimization hasn't converged" in remarks[0]


def test_a_forest_answers_with_one_worker():
    model = small_model("sklearn.ensemble.RandomForestClassifier", n_estimators=3, n_jobs=2)

    assert isinstance(model.pipeline[-1], RandomForestClassifier)
    assert model.pipeline[-1].n_jobs == 1


def test_one_class_alone_is_no_classification():
    frame = small_frame()

    with pytest.raises(DataError, match=r"'y' has only the class 1 .*take a longer window"):
        fit_model(small_spec(LOGISTIC), frame, np.ones(len(frame), dtype=int))


def test_three_classes_are_not_binary():
    frame = small_frame()

    with pytest.raises(DataError, match=r"3 classes.*set task: multiclass"):
        fit_model(small_spec(LOGISTIC), frame, small_target(frame, "multiclass"))


def test_the_constant_answer_is_what_scikit_learns_dummies_say():
    from sklearn.dummy import DummyClassifier, DummyRegressor

    frame = small_frame()
    for task, dummy in (("multiclass", DummyClassifier()), ("regression", DummyRegressor())):
        kind = "Classifier" if task == "multiclass" else "Regressor"
        model = small_model(f"sklearn.tree.DecisionTree{kind}", task)
        target = small_target(frame, task)
        fitted = dummy.fit(frame, target)
        said = fitted.predict_proba(frame)[0] if task == "multiclass" else fitted.predict(frame)[:1]

        assert constant_answer(model, target) == pytest.approx(said.tolist())
