"""Checks of a loaded model's content, where a wrong index would crash the process.

The allowlist settles the types of a model file. Trees, neighbour trees and support vectors hold
indices and counts besides, which compiled code follows without looking: a crafted file could make
it read foreign memory or walk in a circle. skops leaves such types out of its defaults for this
reason (`skops.io.exceptions.UNTRUSTED_TYPE_REASONS`); who adds them has to look.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.neighbors import (
    BallTree,
    KDTree,
    KNeighborsClassifier,
    RadiusNeighborsClassifier,
)
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM
from sklearn.tree import BaseDecisionTree
from sklearn.tree._tree import Tree

Array = NDArray[Any]
_GRADIENT = (GradientBoostingClassifier, GradientBoostingRegressor)
_BOOSTERS = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
# These pass rows on to their trees without having the trees check them.
_FORESTS = (
    *_GRADIENT,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
_MACHINES = (SVC, NuSVC, SVR, NuSVR, OneClassSVM)
_VOTERS = (KNeighborsClassifier, RadiusNeighborsClassifier)
# With a precomputed kernel, as with a function for one, the support indices point into the rows
# that are asked for, instead of being a mere record of training.
_KERNELS = ("linear", "poly", "rbf", "sigmoid")
# The corners of a box, or the one centre of a ball, for each node.
_BOUNDS = {KDTree: 2, BallTree: 1}
# What one 256-bit set of categories consists of.
_BITSET_WORDS = 8


class Unsound(Exception):  # noqa: N818 - not an error by itself: the caller decides what it means
    """A model's content would make scikit-learn read where nothing is."""


def check_soundness(model: Any) -> None:
    """Follow every index in a model that compiled code will follow.

    Raises:
        Unsound: naming the kind of object.
    """
    # A meta-estimator also holds what it was made from, which is not fitted.
    parts = [(part, getattr(part, "__dict__", {}).keys()) for part in _parts(model)]
    for part, fitted in parts:
        if isinstance(part, _BOOSTERS) and "_predictors" in fitted:
            _check_booster(part)
        elif isinstance(part, _FORESTS) and "estimators_" in fitted:
            for tree in np.ravel(part.estimators_):
                _check_tree(tree, part.n_features_in_)
        elif isinstance(part, BaseDecisionTree) and "tree_" in fitted:
            _check_tree(part, part.n_features_in_)
        elif isinstance(part, KDTree | BallTree):
            _check_neighbours(part)
        elif isinstance(part, _VOTERS) and "_y" in fitted:
            _check_votes(part)
        elif isinstance(part, _MACHINES) and "support_vectors_" in fitted:
            _check_vectors(part)
    for part, fitted in parts:  # these are asked something, so all else has to be sound by now
        if isinstance(part, _GRADIENT) and "estimators_" in fitted:
            _check_stages(part)


def _parts(model: Any) -> Iterator[Any]:
    """All objects that can be reached from a model through attributes and containers."""
    seen: set[int] = set()
    pending = [model]
    while pending:
        item = pending.pop()
        if id(item) in seen or isinstance(item, str | bytes | int | float | type | None):
            continue
        seen.add(id(item))
        yield item
        if isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list | tuple | set):
            pending.extend(item)
        elif isinstance(item, np.ndarray):
            pending.extend(item.ravel() if item.dtype == object else ())
        else:
            pending.extend(getattr(item, "__dict__", {}).values())


def _check_booster(booster: Any) -> None:
    name = type(booster).__name__
    categorical = np.asarray(booster._bin_mapper.is_categorical_)
    width = len(booster._bin_mapper.bin_thresholds_)
    if not width == len(categorical) == booster.n_features_in_:
        raise Unsound(f"the bins of its {name} do not fit its features")
    for tree in (tree for stage in booster._predictors for tree in stage):
        nodes = tree.nodes
        _check_root(nodes, name)
        inner = np.flatnonzero(nodes["is_leaf"] == 0)
        _check_children(nodes["left"], nodes["right"], inner, name)
        _check_range(nodes["feature_idx"][inner], width, name)
        by_set = inner[nodes["is_categorical"][inner] != 0]
        _check_range(nodes["bitset_idx"][by_set], len(tree.raw_left_cat_bitsets), name)
        known = categorical[nodes["feature_idx"][by_set]].all()
        if not known or tree.raw_left_cat_bitsets.shape[1] != _BITSET_WORDS:
            raise Unsound(f"a tree of its {name} splits by categories that it does not have")


def _check_tree(estimator: Any, width: int) -> None:
    tree, name = estimator.tree_, type(estimator).__name__
    # Compiled code takes the one for a Tree, and the width of the rows from the other, unseen.
    if not isinstance(tree, Tree) or estimator.n_features_in_ != width:
        raise Unsound(f"a tree of its {name} is none, or of another width")
    _check_root(tree.children_left, name)
    inner = np.flatnonzero(tree.children_left != -1)  # sklearn.tree._tree.TREE_LEAF
    _check_children(tree.children_left, tree.children_right, inner, name)
    _check_range(tree.feature[inner], width, name)


def _check_stages(booster: Any) -> None:
    """Every tree adds one number a row to a column of its own, beginning with `init`'s answer."""
    name, stages = type(booster).__name__, booster.estimators_
    values = {tree.tree_.value.shape[1:] for tree in np.ravel(stages)}
    if stages.ndim != 2 or values != {(1, 1)}:
        raise Unsound(f"the trees of its {name} are not one number each, in stages")
    if any(isinstance(part, _GRADIENT) for part in _parts(booster.init_)):
        raise Unsound(f"its {name} begins with another one")
    row = np.zeros((1, booster.n_features_in_), dtype=np.float32)
    if booster._raw_predict_init(row).shape != (1, stages.shape[1]):
        raise Unsound(f"the trees a stage of its {name} do not fit its classes")


def _check_neighbours(tree: Any) -> None:
    name = type(tree).__name__
    data, order, nodes, bounds = (np.asarray(part) for part in tree.get_arrays())
    _check_range(order, len(data), name)
    _check_range(nodes["idx_start"], len(data) + 1, name)
    _check_range(nodes["idx_end"], len(data) + 1, name)
    inner = np.flatnonzero(nodes["is_leaf"] == 0)
    # A binary heap: the children of node i are nodes 2i + 1 and 2i + 2.
    _check_range(2 * inner + 2, len(nodes), name)
    _check_root(nodes, name)
    corners = _BOUNDS[type(tree)]
    if bounds.shape != (corners, len(nodes), data.shape[1]) or len(order) != len(data):
        raise Unsound(f"the bounds of a {name} in it do not fit its nodes")


def _check_votes(voter: Any) -> None:
    name, labels = type(voter).__name__, voter._y
    if np.ndim(labels) != 1 or voter.outputs_2d_ or len(labels) != voter.n_samples_fit_:
        raise Unsound(f"the labels of its {name} do not fit its rows")
    _check_range(labels, len(voter.classes_), name)


def _check_vectors(machine: Any) -> None:
    name, rows = type(machine).__name__, machine.support_vectors_
    if machine.kernel not in _KERNELS or machine._impl != type(machine)._impl:
        raise Unsound(f"its {name} has no kernel of libsvm's own")
    if machine._sparse:
        raise Unsound(f"the support vectors of its {name} are sparse")
    count, classes = len(rows), len(machine._n_support)
    pairs = classes * (classes - 1) // 2
    # A regressor's counts by class mean nothing, to libsvm neither.
    sorts = isinstance(machine, SVC | NuSVC)
    counted = int(np.sum(machine._n_support)) if sorts else count
    fits = (
        counted == len(machine.support_) == count
        and rows.shape == (count, machine.n_features_in_)
        and (classes > 1 if sorts else classes == 2)
        and int(np.min(machine._n_support)) >= 0
        and machine._dual_coef_.shape == (classes - 1, count)
        and machine._intercept_.shape == (pairs,)
        and machine._probA.shape == machine._probB.shape
        and machine._probA.shape in ((0,), (pairs,))
    )
    if not fits:
        raise Unsound(f"the support vectors of its {name} do not fit together")


def _check_root(nodes: Array, name: str) -> None:
    if len(nodes) == 0:  # every walk begins at the first node
        raise Unsound(f"a tree of its {name} has no nodes")


def _check_children(left: Array, right: Array, inner: Array, name: str) -> None:
    """Both builders number children after their parent, so that no walk can turn in a circle."""
    for children in (left[inner], right[inner]):
        if np.any(children <= inner):
            raise Unsound(f"a tree of its {name} leads back to itself")
        _check_range(children, len(left), name)


def _check_range(values: Array, limit: int, name: str) -> None:
    if len(values) and (int(values.min()) < 0 or int(values.max()) >= limit):
        raise Unsound(f"its {name} points outside of itself")
