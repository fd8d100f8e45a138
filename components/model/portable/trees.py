"""Trees as one operator of the graph, in double precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from components.model.portable.graph import Array, Graph, tensor
from components.model.portable.inputs import Matrix

_LEQ = 0
_SUM = 1


@dataclass(frozen=True)
class Tree:
    """A binary tree as arrays over its nodes, the root first.

    A row goes left where its `feature` is at most `threshold`; where it is missing, if
    `missing_left`. `leaf` marks the nodes that end a walk: they add `value` to sum number `target`.
    """

    feature: Array
    threshold: Array
    left: Array
    right: Array
    missing_left: Array
    leaf: Array
    value: Array
    target: int = 0


def with_base(trees: Sequence[Tree], base: Array) -> list[Tree]:
    """The same trees with sums that begin at a base, (targets,), as scikit-learn's do."""
    first: dict[int, int] = {}
    for position, tree in enumerate(trees):
        first.setdefault(tree.target, position)
    return [
        replace(tree, value=base[tree.target] + tree.value)
        if first[tree.target] == position
        else tree
        for position, tree in enumerate(trees)
    ]


def add_trees(graph: Graph, matrix: Matrix, trees: Sequence[Tree], targets: int) -> str:
    """The sums of the trees' values, (n, targets).

    Args:
        graph: the graph.
        matrix: what the trees look at.
        trees: at least one.
        targets: how many sums there are.
    """
    parts = [_grown(tree) for tree in trees]
    inner_before = np.cumsum([0, *(int((~part.leaf).sum()) for part in parts)])
    leaves_before = np.cumsum([0, *(int(part.leaf.sum()) for part in parts)])
    places = [
        _places(part, inner, leaves)
        for part, inner, leaves in zip(parts, inner_before[:-1], leaves_before[:-1], strict=True)
    ]

    def joined(name: str, kind: type, child: str | None = None) -> Array:
        """A field of all inner nodes; that of their children where a child is named."""
        values = []
        for part, place in zip(parts, places, strict=True):
            field = place if name == "place" else getattr(part, name)
            chosen = field[getattr(part, child)[~part.leaf]] if child else field[~part.leaf]
            values.append(chosen)
        return np.concatenate(values).astype(kind)

    def leaves(field: str) -> Array:
        return np.concatenate([getattr(part, field)[part.leaf] for part in parts])

    features = joined("feature", np.int64)
    counts = np.diff(leaves_before)
    return graph.add(
        "TreeEnsemble",
        guarded(graph, matrix),
        aggregate_function=_SUM,
        n_targets=targets,
        nodes_featureids=features,
        nodes_modes=tensor(np.full(len(features), _LEQ, dtype=np.uint8)),
        nodes_splits=tensor(joined("threshold", np.float64)),
        nodes_missing_value_tracks_true=joined("missing_left", np.int64),
        nodes_truenodeids=joined("place", np.int64, "left"),
        nodes_falsenodeids=joined("place", np.int64, "right"),
        nodes_trueleafs=joined("leaf", np.int64, "left"),
        nodes_falseleafs=joined("leaf", np.int64, "right"),
        leaf_targetids=np.repeat([part.target for part in parts], counts),
        leaf_weights=tensor(leaves("value").astype(np.float64)),
        tree_roots=inner_before[:-1],
    )


def guarded(graph: Graph, matrix: Matrix) -> str:
    """The matrix in a shape that is certain before it is computed.

    The operator reads the columns that the trees name without looking whether they are there. With
    this a file can be checked for it: see `components.model.portable.check`.
    """
    if matrix.certain:
        return matrix.name
    return graph.add("Reshape", matrix.name, graph.constant(np.array([-1, matrix.width])))


def _grown(tree: Tree) -> Tree:
    """The same tree, with a split at its root: the operator knows no tree that is a single leaf."""
    if not tree.leaf[0]:
        return tree
    return Tree(
        feature=np.zeros(3, dtype=np.int64),
        threshold=np.zeros(3),
        left=np.array([1, -1, -1]),
        right=np.array([2, -1, -1]),
        missing_left=np.zeros(3, dtype=np.int64),
        leaf=np.array([False, True, True]),
        value=np.full(3, tree.value[0]),
        target=tree.target,
    )


def _places(tree: Tree, inner_before: int, leaves_before: int) -> Array:
    """Where each node stands in the operator's lists, which hold inner nodes and leaves apart."""
    inner = np.cumsum(~tree.leaf) - 1 + inner_before
    leaves = np.cumsum(tree.leaf) - 1 + leaves_before
    return np.where(tree.leaf, leaves, inner)
