import numpy as np
import pytest

from components.model.exactness import differences
from components.model.score import Predictions

A, B = np.array([0.9, 0.1]), np.array([0.5, 0.5])


def found(expected, got, limit=1e-5):
    return differences(expected, got, limit).by_row.tolist()


def answers(classes, *rows):
    return Predictions(np.array(classes), np.array(rows))


def test_a_regressions_value_by_its_share_above_one():
    expected = Predictions(np.array([0.0, 0.5, 1000.0, -1000.0]))
    got = Predictions(np.array([0.25, 0.75, 1001.0, -1001.0]))

    assert found(expected, got) == [0.25, 0.25, 0.001, 0.001]


def test_classes_may_be_confused_where_they_are_equally_probable():
    nearly = np.array([0.500001, 0.499999])

    assert found(answers([0], B), answers([1], B)) == [0]
    assert found(answers([0], nearly), answers([1], nearly[::-1]))[0] < 1e-5
    assert found(answers([0], nearly), answers([1], nearly), limit=1e-7) == [0]
    assert found(answers([0], nearly), answers([1], nearly[::-1]), limit=1e-7) == [np.inf]


def test_a_class_without_its_probability_has_to_be_the_same():
    assert found(Predictions(np.array([0, 1])), Predictions(np.array([0, 0]))) == [0, np.inf]
    labels = np.array(["a", "b"], dtype=object)
    assert found(Predictions(labels), Predictions(labels)) == [0, 0]


@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf])
def test_no_number_is_as_far_as_can_be_from_a_number(strange):
    one, other = Predictions(np.array([strange, 1.0])), Predictions(np.array([1.0, 1.0]))

    assert found(one, other) == found(other, one) == [np.inf, 0]
    assert found(one, one) == [0, 0]


def test_rows_without_an_answer_are_alike_whatever_class_they_name():
    nothing = np.array([np.nan, np.nan])

    assert found(answers([0], nothing), answers([1], nothing)) == [0]
    assert found(answers([0], nothing), answers([0], A)) == [np.inf]


def test_the_worst_row_is_named_only_beyond_the_limit():
    expected, got = answers([0, 0], A, A), answers([0, 0], A, A + np.array([-1e-3, 1e-3]))

    assert differences(expected, got, 1e-5).worst == 1
    assert differences(expected, got, 1e-2).worst is None
    nobody = Predictions(np.empty(0))
    assert (differences(nobody, nobody, 0).largest, differences(nobody, nobody, 0).worst) == (
        0,
        None,
    )
