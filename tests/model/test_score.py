import numpy as np
import pytest

from components.core.errors import ModelError
from components.model.fit import fit_model
from components.model.score import Predictions, common_classes, encode, in_codes, prepare
from tests.model.conftest import small_frame, small_model, small_spec, small_target

LABELS = {
    "int": np.array([3, 7]),
    "bool": np.array([False, True]),
    "text": np.array(["no", "yes"], dtype=object),
}


@pytest.mark.parametrize("kind", LABELS)
def test_answers_are_the_targets_own_values(kind):
    spec, frame = small_spec("sklearn.linear_model.LogisticRegression"), small_frame()
    target = LABELS[kind][small_target(frame)]

    model, _ = fit_model(spec, frame, target)
    answers = model.predict(frame)

    assert model.classes == LABELS[kind].tolist()
    assert {type(value) for value in answers.prediction.tolist()} == {type(model.classes[0])}
    assert answers.probability.shape == (len(frame), 2)
    assert np.mean(answers.prediction == target) > 0.6


def test_the_positive_class_is_the_last_column():
    spec, frame = small_spec("sklearn.naive_bayes.GaussianNB"), small_frame()
    target = LABELS["text"][small_target(frame)]

    answers = fit_model(spec, frame, target)[0].predict(frame)

    assert np.array_equal(answers.prediction == "yes", answers.probability[:, 1] > 0.5)


def test_no_probabilities_where_the_estimator_has_none():
    model = small_model("sklearn.linear_model.RidgeClassifier")

    assert model.predict(small_frame()).probability is None


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_no_rows_have_no_answers(task):
    kind = "Regressor" if task == "regression" else "Classifier"
    model = small_model(f"sklearn.tree.DecisionTree{kind}", task)

    answers = model.predict(small_frame()[:0])

    assert len(answers) == 0
    if task != "regression":
        assert answers.probability.shape == (0, len(model.classes))


def test_the_columns_order_does_not_matter_and_others_are_ignored():
    model, frame = small_model("sklearn.tree.DecisionTreeClassifier"), small_frame()

    shuffled = frame[["l", "c", "k", "a", "b"]].assign(more=1)

    assert np.array_equal(model.predict(shuffled).probability, model.predict(frame).probability)


def test_a_missing_feature_is_named():
    model = small_model("sklearn.tree.DecisionTreeClassifier")

    with pytest.raises(ModelError, match="'b' is missing; pass every feature"):
        model.predict(small_frame().drop(columns="b"))


def test_infinite_numbers_are_missing_ones():
    model, frame = small_model("sklearn.linear_model.LogisticRegression"), small_frame()
    infinite = frame.assign(c=frame["c"].fillna(np.inf))

    assert np.array_equal(model.predict(infinite).probability, model.predict(frame).probability)
    assert np.isinf(infinite["c"]).any(), "the caller's rows stay as they were"


def test_preparing_leaves_finite_rows_alone():
    frame, columns = small_frame(), small_spec("sklearn.svm.SVC").columns

    assert prepare(frame, columns).equals(frame[columns.features])


def test_labels_that_no_model_knows_stay_in_play():
    first = small_model("sklearn.naive_bayes.GaussianNB")
    labels = np.array([0, 1, 5, 4])

    classes = common_classes(labels, first)

    assert classes == [0, 1, 4, 5]
    assert encode(labels, classes).tolist() == [0, 1, 3, 2]


def test_a_class_that_the_model_does_not_know_has_no_probability():
    coded = in_codes(Predictions(np.array([1]), np.array([[0.3, 0.7]])), [0, 1], [0, 1, 4])

    assert coded.probability.tolist() == [[0.3, 0.7, 0.0]]


def test_a_regressors_answers_have_no_codes():
    answers = Predictions(np.array([1.5]))

    assert in_codes(answers, [], []) is answers
