"""A crafted model file must not crash the process that answers with it."""

import numpy as np
import pytest
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier

from components.model.soundness import Unsound, check_soundness

random = np.random.default_rng(0)
X = np.column_stack([random.normal(size=(200, 3)), random.integers(0, 5, 200)])
Y = (X[:, 0] + X[:, 3] > 2).astype(int)


def booster():
    return HistGradientBoostingClassifier(max_iter=3, categorical_features=[3]).fit(X, Y)


def forest():
    return RandomForestClassifier(n_estimators=2, random_state=0).fit(X, Y)


def test_what_scikit_learn_made_is_sound():
    made = [
        booster(),
        forest(),
        GradientBoostingRegressor(n_estimators=2).fit(X, Y),
        DecisionTreeClassifier().fit(X, Y),
        KNeighborsClassifier(algorithm="kd_tree").fit(X, Y),
        KNeighborsClassifier(algorithm="ball_tree").fit(X, Y),
        SVC().fit(X, Y),
        SVR().fit(X, Y),
        SVC(),
    ]

    check_soundness({"all": made, "again": (made, {1, "x"}, np.array(made, dtype=object))})


@pytest.mark.parametrize(
    ("field", "value"),
    [("left", 0), ("right", 10**6), ("feature_idx", 4), ("feature_idx", -1), ("bitset_idx", 99)],
)
def test_a_boosters_tree_that_leads_astray(field, value):
    model = booster()
    nodes = model._predictors[0][0].nodes
    nodes["is_categorical"] = int(field == "bitset_idx")
    nodes[field][0] = value

    with pytest.raises(Unsound, match="HistGradientBoostingClassifier"):
        check_soundness([model])


def test_a_booster_that_splits_a_number_by_categories():
    model = booster()
    tree = next(t for (t,) in model._predictors if t.nodes["is_categorical"].any())
    split = np.flatnonzero(tree.nodes["is_categorical"])[0]
    tree.nodes["feature_idx"][split] = 3  # inside, the categorical column comes first

    with pytest.raises(Unsound, match="categories that it does not have"):
        check_soundness(model)


def test_a_booster_whose_bins_do_not_fit():
    model = booster()
    model.n_features_in_ = 3

    with pytest.raises(Unsound, match="do not fit its features"):
        check_soundness(model)


def changed_tree(model, field, value):
    """The tree with another content, set the way that a file sets it."""
    tree = model.tree_
    state = tree.__getstate__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"][field][0] = value
    tree.__setstate__(state)


@pytest.mark.parametrize(
    ("field", "value"), [("left_child", 0), ("right_child", 10**6), ("feature", 4)]
)
def test_a_tree_that_leads_astray(field, value):
    model = DecisionTreeClassifier().fit(X, Y)
    changed_tree(model, field, value)

    with pytest.raises(Unsound, match="DecisionTreeClassifier"):
        check_soundness(model)


def test_a_forests_tree_of_more_columns_than_the_forest():
    model = forest()
    wide = np.column_stack([random.normal(size=(200, 9)), Y])
    model.estimators_[1] = DecisionTreeClassifier().fit(wide, Y)

    with pytest.raises(Unsound, match="points outside of itself"):
        check_soundness(model)


@pytest.mark.parametrize("algorithm", ["kd_tree", "ball_tree"])
@pytest.mark.parametrize(("array", "field"), [(1, None), (2, "idx_end"), (2, "is_leaf")])
def test_neighbours_that_are_not_there(algorithm, array, field):
    model = KNeighborsClassifier(algorithm=algorithm, leaf_size=20).fit(X, Y)
    part = np.asarray(model._tree.get_arrays()[array])
    if field == "is_leaf":
        part[field][-1] = 0
    elif field:
        part[field][0] = 10**6
    else:
        part[0] = 10**6

    with pytest.raises(Unsound, match="Tree points outside of itself"):
        check_soundness(model)


def test_support_vectors_that_are_not_there():
    model = SVC().fit(X, Y)
    model._n_support = model._n_support + 100

    with pytest.raises(Unsound, match="support vectors of its SVC"):
        check_soundness(model)
