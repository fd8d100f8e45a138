"""What a graph makes of the numbers and texts that it is asked with, as our preprocessing does.

See `components.model.estimator`: codes for HistGradientBoosting, one-hot for every other estimator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.model.portable.form import CATEGORICAL, DOUBLE, NUMERIC
from components.model.portable.graph import Graph, tensor


@dataclass(frozen=True)
class Matrix:
    """A value of the graph: doubles of shape (n, width).

    `certain` says whether `components.model.portable.check` finds the width by itself.
    """

    name: str
    width: int
    certain: bool = False


def numbers(graph: Graph) -> Matrix:
    """The numeric columns, infinite ones as missing, as `components.model.score.prepare` does."""
    # What is left when a finite number is divided by infinity is itself; an infinite one has none.
    name = graph.add("Mod", NUMERIC, graph.constant(np.array(np.inf)), fmod=1)
    return Matrix(name, len(graph.columns.numeric), certain=True)


def look_up(
    graph: Graph, columns: Sequence[int], tables: Sequence[Mapping[str, float]], default: Any
) -> str:
    """Numbers for texts, (n, columns).

    Args:
        graph: the graph.
        columns: which of the categorical columns, by position.
        tables: the number of each text, for each of the columns; "" is the missing one.
        default: what every other text becomes; its type is that of the result.
    """
    texts, prefixes = CATEGORICAL, [""]
    if list(columns) != list(range(len(graph.columns.categorical))):
        texts = graph.add("Gather", texts, graph.constant(np.array(columns)), axis=1)
    if len(columns) > 1:
        # One table for all columns: each text says which one it stands in.
        prefixes = [f"{column}:" for column in columns]
        texts = graph.add("StringConcat", graph.texts(prefixes, [1, len(columns)]), texts)
    entries = {
        prefix + text: number
        for prefix, table in zip(prefixes, tables, strict=True)
        for text, number in table.items()
    } or {"": default}  # the operator asks for one entry at least
    return graph.add(
        "LabelEncoder",
        texts,
        keys_tensor=tensor(np.array(list(entries), dtype=object)),
        values_tensor=tensor(np.array(list(entries.values()), dtype=type(default))),
        default_tensor=tensor(np.array([default])),
    )


def categories_of(encoder: Any, column: int) -> list[str | None]:
    """The text that stands for each category of one column, in the encoder's order.

    A missing value is None to the encoder, which is a category like any other, and "" here. A
    category that no row can bring has no text: that is None.
    """
    texts = {None: "", "": None}
    return [
        texts.get(value, value) if isinstance(value, str | None) else None
        for value in encoder.categories_[column]
    ]


def one_hot(graph: Graph, preprocess: Any) -> Matrix:
    """Numbers imputed, marked and scaled; categories one-hot: what the estimator sees."""
    parts = []
    if "numeric" in preprocess.named_transformers_:
        parts.append(_scaled(graph, preprocess.named_transformers_["numeric"]))
    if "categorical" in preprocess.named_transformers_:
        parts.append(_indicators(graph, preprocess.named_transformers_["categorical"]))
    return side_by_side(graph, parts)


def side_by_side(graph: Graph, parts: Sequence[Matrix]) -> Matrix:
    """One matrix of several, at least one."""
    if len(parts) == 1:
        return parts[0]
    name = graph.add("Concat", *(part.name for part in parts), axis=1)
    width = sum(part.width for part in parts)
    return Matrix(name, width, all(part.certain for part in parts))


def _scaled(graph: Graph, steps: Any) -> Matrix:
    imputer, scaler = steps.named_steps["impute"], steps.named_steps["scale"]
    # Neither a missing nor an infinite number is zero when taken from itself.
    missing = graph.add("IsNaN", graph.add("Sub", NUMERIC, NUMERIC))
    medians = graph.constant(np.asarray(imputer.statistics_, dtype=np.float64))
    filled = graph.add("Where", missing, medians, NUMERIC)
    marked = np.asarray(imputer.indicator_.features_, dtype=np.int64)
    if len(marked):
        marks = graph.add("Gather", missing, graph.constant(marked), axis=1)
        filled = graph.add("Concat", filled, graph.add("Cast", marks, to=DOUBLE), axis=1)
    centred = graph.add("Sub", filled, graph.constant(scaler.mean_))
    return Matrix(graph.add("Div", centred, graph.constant(scaler.scale_)), len(scaler.mean_))


def _indicators(graph: Graph, encoder: Any) -> Matrix:
    """A 1 in the column of the category.

    Pooled categories stand in no table. So they and unseen ones get the default, which is what the
    pool's column asks for; where there is no pool, no column does.
    """
    unseen = np.int64(-1)
    tables, sources, wanted = [], [], []
    for column in range(len(encoder.categories_)):
        categories = categories_of(encoder, column)
        places = _places(encoder, column, len(categories))
        pooled = _pooled(encoder, column)
        tables.append(
            {
                text: place
                for i, (text, place) in enumerate(zip(categories, places, strict=True))
                if text is not None and i not in pooled
            }
        )
        count = len(set(places))
        sources += [column] * count
        wanted += [*range(count - 1), int(unseen) if pooled else count - 1]
    found = look_up(graph, range(len(tables)), tables, unseen)
    spread = graph.add("Gather", found, graph.constant(np.array(sources)), axis=1)
    matched = graph.add("Equal", spread, graph.constant(np.array([wanted])))
    return Matrix(graph.add("Cast", matched, to=DOUBLE), len(sources))


def _places(encoder: Any, column: int, count: int) -> list[int]:
    """The output column of each category, within its own column's."""
    mapping = encoder._default_to_infrequent_mappings[column] if _pools(encoder) else None
    return list(range(count)) if mapping is None else [int(place) for place in mapping]


def _pooled(encoder: Any, column: int) -> set[int]:
    """The positions of the categories that share the last output column."""
    rare = encoder._infrequent_indices[column] if _pools(encoder) else None
    return set() if rare is None else {int(position) for position in rare}


def _pools(encoder: Any) -> bool:
    return bool(encoder._infrequent_enabled)
