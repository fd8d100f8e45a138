"""Recorded rows: what a release was asked before it was packaged, and what the answers were.

A server asks itself these rows before it says that it is ready. Needs numpy only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from components.data.feature_rows import FeatureRows
from components.model.exactness import differences
from components.model.records import Label, RecordedRows
from components.model.score import Array, Predictions, label_array
from components.spec.model import Columns

if TYPE_CHECKING:
    from components.model.runtime import Runtime

EXACT = 1e-9
"""How far scikit-learn may be from itself on another machine."""

_SHOWN = 5


def record_rows(
    rows: FeatureRows, answers: Predictions, columns: Columns, count: int, tolerance: float
) -> RecordedRows:
    """Choose rows, spread over time, and among them rows with missing values where there are any.

    Args:
        rows: rows in the order of time.
        answers: the model's answers to them.
        columns: their columns.
        count: how many to choose, at most; those without a finite answer are passed over.
        tolerance: how far answers may differ later.
    """
    finite = np.isfinite(answers.prediction) if _is_regression(answers) else _finite(answers)
    chosen = _choose(finite, _missing(rows), count)
    taken = answers.rows(chosen)
    return RecordedRows(
        rows=[_row(rows, position, columns) for position in chosen.tolist()],
        prediction=taken.prediction.tolist(),
        probability=None if taken.probability is None else taken.probability.tolist(),
        tolerance=tolerance,
    )


def check_recorded(runtime: Runtime, recorded: RecordedRows, columns: Columns) -> list[str]:
    """Ask a runtime the recorded rows.

    Args:
        runtime: a loaded model.
        recorded: rows with their answers.
        columns: the columns of the spec.

    Returns:
        What stands against the runtime, in sentences; nothing where it answers as it should.
    """
    return list(_found(runtime, recorded, columns))


def _found(runtime: Runtime, recorded: RecordedRows, columns: Columns) -> Iterator[str]:
    if any(set(columns.features) - row.keys() for row in recorded.rows):
        yield "the recorded rows have other columns than the model"
        return
    if (recorded.probability is not None) != runtime.estimates:
        yield "only one of the model and the recorded answers has probabilities"
        return
    expected = _expected(recorded, runtime.classes)
    if expected is None:
        yield "the recorded answers are none of this model"
        return
    try:
        got = runtime.answer(_asked(recorded.rows, columns))
    except Exception as error:  # whatever a library raises, the rows are not answered
        yield f"the recorded rows are not answered: {' '.join(str(error).split())[:200]}"
        return
    found = differences(expected, got, recorded.tolerance)
    wrong = np.flatnonzero(~(found.by_row <= recorded.tolerance)).tolist()
    for row in wrong[:_SHOWN]:
        yield (
            f"recorded row {row} is answered with {got.prediction[row]!s:.40} instead of "
            f"{expected.prediction[row]!s:.40}, a difference of {found.by_row[row]:.2g} where "
            f"{recorded.tolerance:g} is allowed"
        )
    if len(wrong) > _SHOWN:
        yield f"and {len(wrong) - _SHOWN} further recorded rows are answered wrongly"


def _expected(recorded: RecordedRows, classes: list[Label]) -> Predictions | None:
    """The recorded answers as a model gives them; None where they cannot be this one's."""
    count = len(recorded.rows)
    if len(recorded.prediction) != count:
        return None
    if not classes:
        numbers = all(isinstance(value, float) for value in recorded.prediction)
        return Predictions(np.array(recorded.prediction, dtype=np.float64)) if numbers else None
    known: dict[tuple[type, Any], int] = {(type(c), c): code for code, c in enumerate(classes)}
    codes = [known.get((type(value), value), -1) for value in recorded.prediction]
    if -1 in codes:
        return None
    labels = label_array(classes)[np.array(codes, dtype=np.int64)]
    if recorded.probability is None:
        return Predictions(labels)
    if [len(row) for row in recorded.probability] != [len(classes)] * count:
        return None
    return Predictions(labels, np.array(recorded.probability).reshape(count, len(classes)))


def _asked(rows: list[dict[str, float | str | None]], columns: Columns) -> FeatureRows:
    numeric = np.array(
        [[_number(row[name]) for name in columns.numeric] for row in rows], dtype=np.float64
    ).reshape(len(rows), len(columns.numeric))
    texts = [[_text(row[name]) for row in rows] for name in columns.categorical]
    return FeatureRows(numeric, texts)


def _number(value: float | str | None) -> float:
    return float("nan") if value is None else float(value)


def _text(value: float | str | None) -> str | None:
    return None if value is None else str(value)


def _row(rows: FeatureRows, position: int, columns: Columns) -> dict[str, float | str | None]:
    numbers: list[Any] = rows.numeric[position].tolist()
    row: dict[str, float | str | None] = {
        name: value if np.isfinite(value) else None
        for name, value in zip(columns.numeric, numbers, strict=True)
    }
    return row | {
        name: texts[position] or None
        for name, texts in zip(columns.categorical, rows.categorical, strict=True)
    }


def _is_regression(answers: Predictions) -> bool:
    return bool(answers.prediction.dtype.kind == "f")


def _finite(answers: Predictions) -> Array:
    if answers.probability is None:
        return np.ones(len(answers), dtype=bool)
    return np.asarray(np.isfinite(answers.probability).all(axis=1))


def _missing(rows: FeatureRows) -> Array:
    """Which rows (n,) lack a value."""
    lacking = ~np.isfinite(rows.numeric).all(axis=1)
    for texts in rows.categorical:
        lacking |= np.array([not text for text in texts], dtype=bool)
    return np.asarray(lacking)


def _choose(usable: Array, missing: Array, count: int) -> Array:
    """Positions, in order: a third of them rows that lack a value, where there are so many."""
    whole = np.flatnonzero(usable & ~missing)
    lacking = _spread(np.flatnonzero(usable & missing), max(1, count // 3, count - len(whole)))
    return np.sort(np.concatenate([lacking, _spread(whole, count - len(lacking))]))


def _spread(positions: Array, count: int) -> Array:
    """At most so many of the positions, evenly spread over them."""
    if len(positions) <= count:
        return positions
    taken: Array = positions[np.linspace(0, len(positions) - 1, count).astype(int)]
    return taken
