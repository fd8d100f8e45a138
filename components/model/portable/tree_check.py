"""Whether the trees of a file can be walked without leaving them.

The library behind ONNX follows a tree's indices without looking, as scikit-learn's does: see
`components.model.soundness`.
"""

from __future__ import annotations

import numpy as np

from components.model.portable.form import DOUBLE, UINT8
from components.model.portable.wire import Array, Message

Attributes = dict[str, Message]

# Deeper trees are refused: the library builds them by recursion.
_DEEPEST = 1000
_SUM = 1
_NEWEST = {
    "aggregate_function", "leaf_targetids", "leaf_weights", "n_targets", "nodes_falseleafs",
    "nodes_falsenodeids", "nodes_featureids", "nodes_missing_value_tracks_true", "nodes_modes",
    "nodes_splits", "nodes_trueleafs", "nodes_truenodeids", "tree_roots",
}  # fmt: skip


def sound_ensemble(given: Attributes, width: int) -> bool:
    """Whether a TreeEnsemble, as `components.model.portable.trees` makes it, is sound.

    Args:
        given: its attributes.
        width: how many numbers each of its rows has for certain.
    """
    if set(given) != _NEWEST or given["aggregate_function"]["i"] != _SUM:
        return False
    features, roots = given["nodes_featureids"]["ints"], given["tree_roots"]["ints"]
    targets = given["leaf_targetids"]["ints"]
    inner, leaves = len(features), len(targets)
    sides = [
        (given[f"nodes_{side}nodeids"]["ints"], given[f"nodes_{side}leafs"]["ints"] != 0)
        for side in ("true", "false")
    ]
    modes = _numbers(given["nodes_modes"], np.uint8, UINT8)
    fits = (
        all(len(child) == len(ends) == inner for child, ends in sides)
        and len(given["nodes_missing_value_tracks_true"]["ints"]) == inner
        and len(_numbers(given["nodes_splits"], np.float64, DOUBLE)) == inner
        and len(_numbers(given["leaf_weights"], np.float64, DOUBLE)) == leaves
        and len(modes) == inner
        and not modes.any()  # 0 is a comparison; others look into sets
        and _within(features, width)
        and _within(targets, int(given["n_targets"]["i"] or 0))
        and _within(roots, inner)
        and all(_within(c[~ends], inner) and _within(c[ends], leaves) for c, ends in sides)
    )
    if not fits:
        return False
    # One numbering for both: the leaves follow the inner nodes.
    left, right = (
        np.concatenate([np.where(ends, child + inner, child), np.zeros(leaves, dtype=np.int64)])
        for child, ends in sides
    )
    return _walkable(roots, left, right, np.arange(inner + leaves) >= inner)


def sound_older(given: Attributes, width: int) -> bool:
    """Whether a TreeEnsembleClassifier or TreeEnsembleRegressor, as skl2onnx makes it, is sound.

    Args:
        given: its attributes.
        width: how many numbers each of its rows has for certain.
    """
    kind = "class" if "class_ids" in given else "target"
    needed = {f"nodes_{name}" for name in ("falsenodeids", "featureids", "modes", "nodeids")}
    needed |= {"nodes_treeids", "nodes_truenodeids", f"{kind}_ids"}
    needed |= {f"{kind}_nodeids", f"{kind}_treeids"}
    if not needed <= set(given):
        return False
    trees, ids, features, left, right = (
        given[f"nodes_{name}"]["ints"]
        for name in ("treeids", "nodeids", "featureids", "truenodeids", "falsenodeids")
    )
    count = len(trees)
    leaf = np.array([mode == b"LEAF" for mode in given["nodes_modes"]["strings"]], dtype=bool)
    fields = (ids, features, left, right, leaf)
    if not count or any(len(field) != count for field in fields):
        return False
    if not (_within(trees, count) and _within(ids, count) and _within(features, width)):
        return False
    if not (_within(left, count) and _within(right, count) and _sound_targets(given, kind)):
        return False
    places = [_places(trees, ids, trees, child) for child in (left, right)]
    targets = [given[f"{kind}_{name}"]["ints"] for name in ("treeids", "nodeids")]
    known = all((place[~leaf] >= 0).all() for place in places)
    roots = np.flatnonzero(np.diff(trees, prepend=-1) != 0)
    return (
        known
        and all(_within(target, count) for target in targets)
        and len(targets[0]) == len(targets[1])
        and bool((_places(trees, ids, *targets) >= 0).all())
        and _walkable(roots, places[0], places[1], leaf)
    )


def _sound_targets(given: Attributes, kind: str) -> bool:
    """Whether every leaf adds to a sum that there is."""
    if kind == "target":
        limit = int(given["n_targets"]["i"] or 0) if "n_targets" in given else 0
    else:
        labels = given.get("classlabels_int64s")
        limit = 0 if labels is None else len(labels["ints"])
    return _within(given[f"{kind}_ids"]["ints"], limit)


def _places(trees: Array, ids: Array, wanted_trees: Array, wanted: Array) -> Array:
    """Where the nodes that a tree and a number name are in the lists; -1 for one that is nowhere.

    All numbers are at most as large as there are nodes.
    """
    keys, asked = trees * len(trees) + ids, wanted_trees * len(trees) + wanted
    order = np.argsort(keys, kind="stable")
    place = order[np.searchsorted(keys, asked, sorter=order).clip(max=len(keys) - 1)]
    return np.where(keys[place] == asked, place, -1)


def _walkable(roots: Array, left: Array, right: Array, leaf: Array) -> bool:
    """Whether every walk from a root ends, and no node is come to twice more than there are nodes.

    A node that many paths lead to would be written out once for each of them.
    """
    if (left[~leaf] == right[~leaf]).any():  # a root whose children are one is taken for a leaf
        return False
    level, visited = roots, len(roots)
    for _ in range(_DEEPEST):
        inner = level[~leaf[level]]
        if not len(inner):
            return True
        level = np.concatenate([left[inner], right[inner]])
        visited += len(level)
        if visited > len(leaf):
            return False
    return False


def _numbers(attribute: Message, kind: type, code: int) -> Array:
    """The numbers of an attribute's tensor; none where it is of another kind."""
    tensor = attribute["t"]
    if tensor is None or tensor["type"] != code or len(tensor["dims"]) != 1:
        return np.empty(0, dtype=kind)
    return np.frombuffer(tensor["raw"] or b"", dtype=kind)


def _within(values: Array, limit: int) -> bool:
    return not len(values) or (int(values.min()) >= 0 and int(values.max()) < limit)
