"""Coarse cells of answers, the same for every release: by them a guard compares two releases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.serving.codec import class_name
from components.spec.model import Task

_BINS = 20
_NAMES = [f"{place / _BINS:.2f}" for place in range(_BINS)]
# Values beyond 2^±60 share the outermost cells, so that no answers make cells without end.
_OUTERMOST = 240  # quarters


def cells_of(
    task: Task,
    prediction: Sequence[Any],
    probability: Sequence[Sequence[float]] | NDArray[np.float64] | None,
) -> Mapping[str, int]:
    """How many answers lie in which cell.

    Binary: the positive class's probability in steps of 0.05. Regression: the sign, and the quarter
    of the power of two that the value reaches. Else the class.

    Args:
        task: the spec's.
        prediction: (n,) as answered.
        probability: (n, k) in class order, or None.

    >>> dict(cells_of("binary", [0, 1], np.array([[0.98, 0.02], [0.0, 1.0]])))
    {'0.00': 1, '0.95': 1}
    >>> dict(cells_of("regression", [8.0, 8.1, -0.25, 0.0], None))
    {'+2^3': 2, '-2^-2': 1, '0': 1}
    >>> dict(cells_of("multiclass", ["kept", "back", "kept"], None))
    {'kept': 2, 'back': 1}
    """
    if task == "regression":
        return _magnitudes(prediction)
    if task != "binary" or probability is None:
        return Counter(map(class_name, prediction))
    if len(prediction) == 1:
        return {_NAMES[min(int(probability[0][-1] * _BINS), _BINS - 1)]: 1}
    places = np.clip((np.asarray(probability)[:, -1] * _BINS).astype(np.int64), 0, _BINS - 1)
    counts = np.bincount(places, minlength=_BINS).tolist()
    return {name: count for name, count in zip(_NAMES, counts, strict=True) if count}


def _magnitudes(values: Sequence[float]) -> Mapping[str, int]:
    array = np.asarray(values, dtype=np.float64)
    with np.errstate(divide="ignore"):
        quarters = np.floor(4 * np.log2(np.abs(array)))
    quarters = np.clip(quarters, -_OUTERMOST, _OUTERMOST)
    signed = zip(np.sign(array).tolist(), (quarters / 4).tolist(), strict=True)
    return {
        f"{'+' if sign > 0 else '-'}2^{quarter:g}" if sign else "0": count
        for (sign, quarter), count in Counter(signed).items()
    }
