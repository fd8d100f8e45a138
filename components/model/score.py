"""A fitted model and its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components.core.errors import ModelError
from components.model.records import Label
from components.spec.model import Columns, Task

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[Any]


@dataclass(frozen=True)
class Predictions:
    """What a model answers, row by row.

    `prediction` (n,): the target's own values for classification, numbers for regression.
    `probability` (n, k): one column a class, in class order; None for regression and for
    classifiers that estimate none.
    """

    prediction: Array
    probability: Array | None = None

    def __len__(self) -> int:
        return len(self.prediction)

    def rows(self, which: Array | slice) -> Predictions:
        """The answers for some rows, by their positions, a mask, or from one up to another."""
        probability = None if self.probability is None else self.probability[which]
        return Predictions(self.prediction[which], probability)


@dataclass(frozen=True)
class FittedModel:
    """A fitted scikit-learn pipeline with what is needed to use it.

    The pipeline answers with class codes, 0 to k-1; `classes` translates them into the target's
    own values, sorted, so that the positive class of a binary target is the last. It is empty for
    regression. `digest` is the sha256 of the file that the model was loaded from.
    """

    pipeline: Any
    task: Task
    classes: list[Label]
    columns: Columns
    digest: str | None = field(default=None, compare=False)

    def predict(self, features: pd.DataFrame) -> Predictions:
        """Answer for rows of features, as `components.data.frame` makes them.

        Args:
            features: (n, features); further columns are ignored, the order does not matter.

        Raises:
            ModelError: when a feature is missing.
        """
        frame = prepare(features, self.columns)
        if len(frame) == 0:
            return self._nothing()
        if self.task == "regression":
            return Predictions(np.asarray(self.pipeline.predict(frame), dtype=np.float64))
        labels = label_array(self.classes)
        if not hasattr(self.pipeline, "predict_proba"):
            return Predictions(labels[np.asarray(self.pipeline.predict(frame), dtype=np.int64)])
        probability = np.asarray(self.pipeline.predict_proba(frame), dtype=np.float64)
        return Predictions(labels[probability.argmax(axis=1)], probability)

    def _nothing(self) -> Predictions:
        if self.task == "regression":
            return Predictions(np.empty(0))
        empty = label_array(self.classes)[:0]
        known = hasattr(self.pipeline, "predict_proba")
        return Predictions(empty, np.empty((0, len(self.classes))) if known else None)


def prepare(features: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """The features alone, in the spec's order, with infinite numbers as missing.

    Training and serving both pass through here, so they cannot disagree. An infinite number is
    the trace of a division by zero upstream, and no estimator agrees with another on it.

    Raises:
        ModelError: when a feature is missing.

    >>> import pandas as pd
    >>> columns = Columns(id="i", time="t", target="y", numeric=["a"], categorical=["b"])
    >>> prepare(pd.DataFrame({"b": ["x"], "a": [float("inf")]}), columns).to_dict("records")
    [{'a': nan, 'b': 'x'}]
    """
    missing = [name for name in columns.features if name not in features.columns]
    if missing:
        raise ModelError(f"feature {missing[0]!r} is missing; pass every feature of the spec")
    frame = features[columns.features]
    numbers = frame[columns.numeric].to_numpy(dtype=np.float64)
    if np.isinf(numbers).any():
        frame = frame.copy()
        frame[columns.numeric] = np.where(np.isinf(numbers), np.nan, numbers)
    return frame


def label_array(classes: Sequence[Label]) -> Array:
    """Classes as an array whose items are the target's own values: int64, bool or str objects.

    >>> label_array(["no", "yes"]).dtype, label_array([0, 1]).dtype
    (dtype('O'), dtype('int64'))
    """
    texts = any(isinstance(value, str) for value in classes)
    return np.array(classes, dtype=object) if texts else np.array(classes)


def encode(labels: Array, classes: Sequence[Label]) -> Array:
    """Labels as class codes, (n,) int64; -1 for a label that is none of the classes.

    >>> encode(np.array(["b", "a", "z"], dtype=object), ["a", "b"]).tolist()
    [1, 0, -1]
    """
    if len(labels) == 0:
        return np.empty(0, dtype=np.int64)
    found, inverse = np.unique(labels, return_inverse=True)
    codes = {value: code for code, value in enumerate(classes)}
    table = np.array([codes.get(value, -1) for value in found.tolist()], dtype=np.int64)
    return table[inverse]


def common_classes(labels: Array, *models: FittedModel) -> list[Label]:
    """Every class that a model knows or a label has, in one order; empty for regression.

    A label that a model does not know stays in play, and counts as a mistake of that model.

    Args:
        labels: (n,) labels.
        models: one or more models of one task; the first one's classes come first.
    """
    if models[0].task == "regression":
        return []
    known = list(dict.fromkeys(value for model in models for value in model.classes))
    return known + sorted(set(labels.tolist()) - set(known), key=str)


def target_of(labels: Array, classes: Sequence[Label]) -> Array:
    """What metrics are computed on, (n,): class codes, or for regression the numbers."""
    return encode(labels, classes) if classes else np.asarray(labels, dtype=np.float64)


def in_codes(
    predictions: Predictions, own: Sequence[Label], common: Sequence[Label]
) -> Predictions:
    """Answers in the codes of a class list that contains the model's own.

    A class that the model does not know has probability 0. A regressor's answers stay as they are.

    Args:
        predictions: a model's answers.
        own: the model's classes.
        common: all classes in play, of `common_classes`.

    >>> names = np.array(["a", "c"], dtype=object)
    >>> answers = Predictions(names, np.array([[0.9, 0.1], [0.2, 0.8]]))
    >>> coded = in_codes(answers, ["a", "c"], ["a", "b", "c"])
    >>> coded.prediction.tolist(), coded.probability.tolist()
    ([0, 2], [[0.9, 0.0, 0.1], [0.2, 0.0, 0.8]])
    """
    if not common:
        return predictions
    codes = encode(predictions.prediction, common)
    if predictions.probability is None:
        return Predictions(codes)
    probability = np.zeros((len(codes), len(common)))
    probability[:, [common.index(value) for value in own]] = predictions.probability
    return Predictions(codes, probability)
