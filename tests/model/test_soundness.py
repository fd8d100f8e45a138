"""A crafted model file must not crash the process that answers with it."""

import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM
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
        ExtraTreesRegressor(n_estimators=2).fit(X, Y),
        GradientBoostingRegressor(n_estimators=2).fit(X, Y),
        GradientBoostingRegressor(n_estimators=2, init="zero").fit(X, Y),
        GradientBoostingRegressor(n_estimators=2, init=LinearRegression()).fit(X, Y),
        GradientBoostingRegressor(n_estimators=2),
        GradientBoostingClassifier(n_estimators=2).fit(X, Y),
        GradientBoostingClassifier(n_estimators=2, init=forest()).fit(X, Y),
        GradientBoostingClassifier(n_estimators=2, init="zero").fit(X, X[:, 3]),
        GradientBoostingClassifier(n_estimators=2).fit(X, X[:, 3]),
        DecisionTreeClassifier().fit(X, Y),
        KNeighborsClassifier(algorithm="kd_tree").fit(X, Y),
        KNeighborsClassifier(algorithm="ball_tree").fit(X, Y),
        KNeighborsClassifier(algorithm="brute").fit(X, X[:, 3]),
        SVC().fit(X, Y),
        SVC(kernel="poly").fit(X, X[:, 3]),
        NuSVC(nu=0.1).fit(X, Y),
        SVR().fit(X, Y),
        NuSVR().fit(X, Y),
        OneClassSVM().fit(X),
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


@pytest.mark.parametrize(
    ("told", "said"), [(10, "of another width"), (4, "points outside of itself")]
)
def test_a_forests_tree_of_more_columns_than_the_forest(told, said):
    model = forest()
    wide = np.column_stack([random.normal(size=(200, 9)), Y])
    model.estimators_[1] = DecisionTreeClassifier().fit(wide, Y)
    model.estimators_[1].n_features_in_ = told

    with pytest.raises(Unsound, match=said):
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


def test_a_boosters_tree_without_nodes():
    model = booster()
    tree = model._predictors[1][0]
    tree.nodes = tree.nodes[:0].copy()

    with pytest.raises(Unsound, match="HistGradientBoostingClassifier has no nodes"):
        check_soundness(model)


def emptied(model):
    """The tree without a single node, set the way that a file sets it."""
    state = model.tree_.__getstate__()
    state |= {"node_count": 0, "nodes": state["nodes"][:0], "values": state["values"][:0]}
    model.tree_.__setstate__(state)
    return model


def test_a_tree_without_nodes():
    alone, many = DecisionTreeClassifier().fit(X, Y), forest()
    emptied(alone)
    emptied(many.estimators_[1])

    for model in (alone, many):
        with pytest.raises(Unsound, match="a tree of its DecisionTreeClassifier has no nodes"):
            check_soundness(model)


def test_a_tree_that_only_looks_like_one():
    model = GradientBoostingRegressor(n_estimators=2).fit(X, Y)
    real = model.estimators_[1, 0].tree_
    fake = DecisionTreeClassifier()
    fake.children_left, fake.children_right = real.children_left, real.children_right
    fake.feature, fake.value = real.feature, real.value
    model.estimators_[1, 0].tree_ = fake

    with pytest.raises(Unsound, match="is none, or of another width"):
        check_soundness(model)


@pytest.mark.parametrize("shape", [(1, 12), (2, 6), (12, 1), (4, 3, 1), (12,)])
def test_stages_that_do_not_fit_the_classes(shape):
    model = GradientBoostingClassifier(n_estimators=4, max_depth=1).fit(X, X[:, 3] // 2)
    assert model.estimators_.shape == (4, 3)
    model.estimators_ = model.estimators_.reshape(shape)

    with pytest.raises(Unsound, match="its GradientBoostingClassifier"):
        check_soundness(model)


def test_a_beginning_of_fewer_classes_than_the_stages():
    model = GradientBoostingClassifier(n_estimators=4, max_depth=1).fit(X, X[:, 3] // 2)
    init = model.init_
    init.classes_, init.n_classes_ = init.classes_[:2], 2
    init.class_prior_ = init.class_prior_[:2]

    with pytest.raises(Unsound, match="do not fit its classes"):
        check_soundness(model)


def test_a_booster_that_begins_with_another_is_not_asked():
    inner = GradientBoostingRegressor(n_estimators=2).fit(X, Y)
    model = GradientBoostingRegressor(n_estimators=2, init=inner).fit(X, Y)

    with pytest.raises(Unsound, match="begins with another one"):
        check_soundness(model)


def test_stages_of_trees_with_several_numbers():
    model = GradientBoostingRegressor(n_estimators=2).fit(X, Y)
    tree = model.estimators_[1, 0]
    tree.tree_ = type(tree)(max_depth=2).fit(X, np.column_stack([Y, Y])).tree_

    with pytest.raises(Unsound, match="not one number each"):
        check_soundness(model)


@pytest.mark.parametrize("algorithm", ["kd_tree", "ball_tree"])
@pytest.mark.parametrize("corners", [0, 1, 2, 3])
def test_bounds_of_neighbours_that_are_too_few(algorithm, corners):
    model = KNeighborsClassifier(algorithm=algorithm, leaf_size=20).fit(X, Y)
    state = list(model._tree.__getstate__())
    right = len(state[3])
    state[3] = np.zeros((corners, *state[3].shape[1:]))
    model._tree.__setstate__(tuple(state))

    if corners == right:
        check_soundness(model)
    else:
        with pytest.raises(Unsound, match="Tree in it do not fit its nodes"):
            check_soundness(model)


@pytest.mark.parametrize("label", [2, -1, 2**40])
def test_neighbours_of_a_class_that_is_not_there(label):
    model = KNeighborsClassifier(algorithm="brute").fit(X, Y)
    model._y = np.where(model._y == 1, label, 0)

    with pytest.raises(Unsound, match="KNeighborsClassifier points outside of itself"):
        check_soundness(model)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("_probA", np.zeros(2)),
        ("_probB", np.zeros(2)),
        ("_probA", np.zeros(0)),
        ("_probB", np.zeros(0)),
        ("_intercept_", np.zeros(0)),
        ("_n_support", np.array([-5, 205], dtype=np.int32)),
        ("_dual_coef_", np.zeros((1, 3))),
        ("support_vectors_", np.zeros((7, 4))),
        ("support_vectors_", np.zeros((200, 3))),
        ("support_", np.zeros(3, dtype=np.int32)),
    ],
)
def test_support_vectors_that_do_not_fit_together(field, value):
    model = SVC().fit(X, Y)
    model._probA = model._probB = np.zeros(1)  # as with probabilities
    check_soundness(model)
    if field == "_n_support":
        value[1] = len(model.support_) + 5
    setattr(model, field, value)

    with pytest.raises(Unsound, match="support vectors of its SVC do not fit together"):
        check_soundness(model)


@pytest.mark.parametrize(
    ("field", "value"), [("kernel", "precomputed"), ("kernel", max), ("_impl", "nu_svr")]
)
def test_a_kernel_whose_indices_point_into_the_request(field, value):
    model = SVC().fit(X, Y)
    setattr(model, field, value)

    with pytest.raises(Unsound, match="no kernel of libsvm's own"):
        check_soundness(model)
