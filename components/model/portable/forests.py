"""scikit-learn's trees, forests and gradient boosting, in the precision that they are made in."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from components.model.portable.answers import (
    Answer,
    of_positive,
    plain_value,
    probabilities,
    refusing_infinite,
    single,
)
from components.model.portable.form import DOUBLE, INT64
from components.model.portable.graph import Array, Graph
from components.model.portable.inputs import Matrix
from components.model.portable.trees import Tree, add_trees, with_base

# These classes themselves: a subclass may compute otherwise.
_TREES = (DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor)
_FORESTS = (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
_BOOSTERS = (GradientBoostingClassifier, GradientBoostingRegressor)


def is_forest(estimator: Any) -> bool:
    """Whether an estimator consists of trees in a way that is known here."""
    kind = type(estimator)
    # Gradient boosting may begin with the answers of any estimator.
    plain = DummyClassifier | DummyRegressor | str
    return kind in (*_TREES, *_FORESTS) or (
        kind in _BOOSTERS and isinstance(estimator.init_, plain)
    )


def add_forest(graph: Graph, matrix: Matrix, estimator: Any) -> Answer:
    """The answer of trees."""
    rounded = single(graph, matrix)
    # They look at single precision, and compare it in double.
    given = Matrix(graph.add("Cast", rounded.name, to=DOUBLE), matrix.width)
    if type(estimator) in _BOOSTERS:
        answer = _boosted(graph, given, estimator)
    else:
        members = [estimator] if type(estimator) in _TREES else estimator.estimators_
        answer = _mean(graph, given, [member.tree_ for member in members], estimator)
    return refusing_infinite(graph, answer, rounded)


def _mean(graph: Graph, matrix: Matrix, trees: list[Any], estimator: Any) -> Answer:
    """The mean of the trees' answers."""
    classes = len(getattr(estimator, "classes_", ()))
    if classes > 2:
        return _mean_of_shares(graph, matrix, trees)
    column = 1 if classes else 0
    total = add_trees(
        graph, matrix, [_tree(tree, tree.value[:, 0, column]) for tree in trees], targets=1
    )
    mean = graph.add("Div", total, graph.constant(np.array(float(len(trees)))))
    return of_positive(graph, mean) if classes else plain_value(graph, mean)


def _mean_of_shares(graph: Graph, matrix: Matrix, trees: list[Any]) -> Answer:
    """The classes' shares: the trees name a leaf each, and a table holds the leaves' shares.

    A leaf of the operator adds to one sum only, and here it would have to add to several.
    """
    before = np.cumsum([0, *(tree.node_count for tree in trees)])
    named = [
        _tree(tree, start + np.arange(tree.node_count), target)
        for target, (tree, start) in enumerate(zip(trees, before[:-1], strict=True))
    ]
    leaves = graph.add("Cast", add_trees(graph, matrix, named, len(trees)), to=INT64)
    table = np.concatenate([tree.value[:, 0, :] for tree in trees])
    shares = graph.add("Gather", graph.constant(table), leaves, axis=0)
    mean = graph.add("ReduceMean", shares, graph.constant(np.array([1])), keepdims=0)
    return Answer(mean, "probability")


def _boosted(graph: Graph, matrix: Matrix, booster: Any) -> Answer:
    trees = [
        _tree(member.tree_, booster.learning_rate * member.tree_.value[:, 0, 0], target)
        for stage in booster.estimators_
        for target, member in enumerate(stage)
    ]
    # Its first answer is the same for every row.
    row = np.zeros((1, booster.n_features_in_), dtype=np.float32)
    base = np.asarray(booster._raw_predict_init(row), dtype=np.float64)[0]
    raw = add_trees(graph, matrix, with_base(trees, base), booster.estimators_.shape[1])
    if type(booster) is GradientBoostingRegressor:
        return plain_value(graph, raw)
    scale = 2.0 if booster.loss == "exponential" else 1.0
    return probabilities(graph, raw, len(booster.classes_), scale)


def _tree(tree: Any, value: Array, target: int = 0) -> Tree:
    leaf = tree.children_left == -1  # sklearn.tree._tree.TREE_LEAF
    return Tree(
        feature=np.where(leaf, 0, tree.feature),
        threshold=tree.threshold,
        left=tree.children_left,
        right=tree.children_right,
        missing_left=np.zeros(tree.node_count),  # the numbers before it are imputed
        leaf=leaf,
        value=value,
        target=target,
    )
