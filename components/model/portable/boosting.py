"""HistGradientBoosting: its trees in double precision, splits by sets of categories too.

A split by a set becomes a column of its own: a table says, for each category, whether it goes
right. So all splits are comparisons, which is what the operator is fastest at, and what a missing
or unknown category does is an entry of the table like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from components.model.portable.form import DOUBLE, INT64, NUMERIC
from components.model.portable.graph import Array, Graph
from components.model.portable.inputs import (
    Matrix,
    categories_of,
    look_up,
    numbers,
    side_by_side,
)
from components.model.portable.trees import Tree, add_trees, with_base


@dataclass
class _Column:
    """A declared feature: what its values are, and the columns that its splits need.

    `position` is its place among the numeric or the categorical columns. `keys` are the values
    whose code is 0, 1, ... to the trees, None for one that no row can bring. `splits` holds, by the
    set itself, what each category makes of a split: 1 for right; first one that is unknown.
    """

    position: int
    texts: bool
    keys: list[Any]
    splits: dict[bytes, int] = field(default_factory=dict)

    def split(self, goes_right: Array) -> int:
        """The number of a split's column among those of this feature."""
        return self.splits.setdefault(goes_right.astype(np.uint8).tobytes(), len(self.splits))

    @property
    def table(self) -> Array:
        """(codes, splits), that of an unknown category first."""
        return np.array([np.frombuffer(key, dtype=np.uint8) for key in self.splits]).T


def add_boosting(graph: Graph, preprocess: Any, booster: Any) -> str:
    """The booster's raw answers, (n, trees in a stage)."""
    declared = _declared(graph, preprocess, booster)
    # The booster puts the declared features first.
    order = [*declared, *(f for f in range(booster.n_features_in_) if f not in declared)]
    grown = [
        (target, tree, _sets(tree, [declared.get(feature) for feature in order], booster))
        for stage in booster._predictors
        for target, tree in enumerate(stage)
    ]
    matrix, starts = _matrix(graph, preprocess, declared, order)
    trees = [_tree(tree, target, sets, order, starts) for target, tree, sets in grown]
    base = np.asarray(booster._baseline_prediction, dtype=np.float64).ravel()
    return add_trees(graph, matrix, with_base(trees, base), booster.n_trees_per_iteration_)


def _declared(graph: Graph, preprocess: Any, booster: Any) -> dict[int, _Column]:
    """The declared features by their position in what the booster is given."""
    if booster.is_categorical_ is None:
        return {}
    inner = booster._preprocessor.named_transformers_["encoder"].categories_
    width = len(graph.columns.numeric)
    columns = {}
    for feature, codes in zip(np.flatnonzero(booster.is_categorical_), inner, strict=True):
        known = [code for code in codes.tolist() if code == code]  # an unknown one comes last
        position, texts = int(feature), bool(feature >= width)
        if texts:
            position -= width
            outer = categories_of(preprocess.named_transformers_["categorical"], position)
            known = [outer[int(code)] for code in known]
        columns[int(feature)] = _Column(position, texts, known)
    return columns


def _sets(tree: Any, columns: Sequence[_Column | None], booster: Any) -> dict[int, int]:
    """The split's column, within its feature's, for each node that splits by a set."""
    found = {}
    for position, node in enumerate(tree.nodes):
        if node["is_leaf"] or not node["is_categorical"]:
            continue
        column = columns[node["feature_idx"]]
        if column is None:
            raise ValueError("a tree splits by categories that it does not have")
        count = len(column.keys)
        left = _members(tree.raw_left_cat_bitsets[node["bitset_idx"]], count)
        known = np.zeros(count, dtype=bool)
        known[booster._bin_mapper.bin_thresholds_[node["feature_idx"]].astype(int)] = True
        astray = not node["missing_go_to_left"]
        goes_right = np.where(left, False, np.where(known, True, astray))
        found[position] = column.split(np.concatenate([[astray], goes_right]))
    return found


def _members(bitset: Array, count: int) -> Array:
    """Which of the codes 0 to count-1 a set of 32-bit words holds."""
    codes = np.arange(count)
    return np.asarray((bitset[codes // 32] >> (codes % 32).astype(np.uint32)) & 1, dtype=bool)


def _matrix(
    graph: Graph, preprocess: Any, declared: dict[int, _Column], order: Sequence[int]
) -> tuple[Matrix, dict[int, int]]:
    """What the trees look at, and where in it each feature's columns begin."""
    width = len(graph.columns.numeric)
    parts: list[Matrix] = []
    starts, end = {feature: feature for feature in range(width)}, width
    if width:
        parts.append(numbers(graph))
    if plain := [feature for feature in order if feature >= width and feature not in declared]:
        parts.append(_codes(graph, preprocess, [feature - width for feature in plain]))
        starts |= {feature: end + i for i, feature in enumerate(plain)}
        end += len(plain)
    if split := {feature: column for feature, column in declared.items() if column.splits}:
        parts.append(_answers(graph, list(split.values())))
        each = parts[-1].width // len(split)
        starts |= {feature: end + place * each for place, feature in enumerate(split)}
    if not parts:  # no tree looks at anything; still there has to be a number a row
        parts.append(Matrix(look_up(graph, [0], [{}], np.float64(0)), 1))
    return side_by_side(graph, parts), starts


def _codes(graph: Graph, preprocess: Any, columns: list[int]) -> Matrix:
    """The categories' codes as numbers, those of columns that are not declared."""
    encoder = preprocess.named_transformers_["categorical"]
    tables = [
        {
            text: float(code)
            for code, text in enumerate(categories_of(encoder, column))
            if text is not None
        }
        for column in columns
    ]
    return Matrix(look_up(graph, columns, tables, np.float64(np.nan)), len(columns))


def _answers(graph: Graph, columns: list[_Column]) -> Matrix:
    """What each category makes of each split, as many for each of the columns.

    One table for all columns: each has a row for what is unknown, then one for each category. As
    the rows of a column follow one another, an unknown value, of row 0, gets to its column's own by
    taking the larger of the two.
    """
    counts = [len(column.keys) + 1 for column in columns]
    first = np.cumsum([0, *counts[:-1]])
    most = max(len(column.splits) for column in columns)
    table = np.zeros((sum(counts), most), dtype=np.uint8)
    for column, start, count in zip(columns, first, counts, strict=True):
        table[start : start + count, : len(column.splits)] = column.table
    rows = graph.add("Max", _rows(graph, columns, first), graph.constant(first[None]))
    # Constant, so it is made once, when the file is loaded; a byte an entry in the file.
    wide = graph.add("Cast", graph.constant(table), to=DOUBLE)
    width = most * len(columns)
    shape = graph.constant(np.array([-1, width]))
    name = graph.add("Reshape", graph.add("Gather", wide, rows, axis=0), shape)
    return Matrix(name, width, certain=True)


def _rows(graph: Graph, columns: list[_Column], first: Array) -> str:
    """The table's row of each value, (n, columns), 0 for what is unknown; texts come last."""
    parts = [
        _row_of_number(graph, column, start)
        for column, start in zip(columns, first, strict=True)
        if not column.texts
    ]
    texts = [(c, start) for c, start in zip(columns, first.tolist(), strict=True) if c.texts]
    if texts:
        tables = [
            {key: start + 1 + code for code, key in enumerate(column.keys) if key is not None}
            for column, start in texts
        ]
        parts.append(look_up(graph, [column.position for column, _ in texts], tables, np.int64(0)))
    return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)


def _row_of_number(graph: Graph, column: _Column, start: int) -> str:
    """The table's row of a numeric column's value, (n, 1), 0 for one that is unknown."""
    number = graph.add("Gather", NUMERIC, graph.constant(np.array([column.position])), axis=1)
    matches = graph.add("Equal", number, graph.constant(np.array([column.keys])))
    rows = start + 1 + np.arange(len(column.keys))
    return graph.add("MatMul", graph.add("Cast", matches, to=INT64), graph.constant(rows[:, None]))


def _tree(
    tree: Any, target: int, sets: dict[int, int], order: Sequence[int], starts: dict[int, int]
) -> Tree:
    nodes = tree.nodes
    leaf = nodes["is_leaf"].astype(bool)
    feature = np.array(
        [
            0 if done else starts[order[node["feature_idx"]]] + sets.get(position, 0)
            for position, (node, done) in enumerate(zip(nodes, leaf, strict=True))
        ],
        dtype=np.int64,
    )
    threshold = nodes["num_threshold"].astype(np.float64)
    threshold[list(sets)] = 0.5
    return Tree(
        feature=feature,
        threshold=threshold,
        left=nodes["left"].astype(np.int64),
        right=nodes["right"].astype(np.int64),
        missing_left=nodes["missing_go_to_left"].astype(np.int64),
        leaf=leaf,
        value=nodes["value"].astype(np.float64),
        target=target,
    )
