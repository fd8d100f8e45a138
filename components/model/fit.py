"""Fit the spec's pipeline, to the bit the same whenever the rows are the same."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from components.core.errors import DataError
from components.model.estimator import build_pipeline, explain_fit_failure
from components.model.records import Label
from components.model.score import Array, FittedModel, encode, prepare
from components.model.threads import one_thread
from components.spec.model import Spec

# So many different warnings of an estimator are worth keeping.
_MAX_REMARKS = 5


def fit_model(spec: Spec, features: pd.DataFrame, labels: Array) -> tuple[FittedModel, list[str]]:
    """Fit a model.

    Args:
        spec: the model's spec.
        features: (n, features), in one fixed order of rows.
        labels: (n,) the target's own values, or numbers for regression.

    Returns:
        The model, and the warnings of the estimator, each once.

    Raises:
        DataError: when the labels do not fit the task.
        ModelError: when the estimator cannot be built or fitted.
    """
    classes = _classes(spec, labels)
    target = encode(labels, classes) if classes else np.asarray(labels, dtype=np.float64)
    frame = prepare(features, spec.columns)
    with warnings.catch_warnings(record=True) as raised, one_thread():
        warnings.simplefilter("always")
        pipeline = build_pipeline(spec, frame)
        try:
            pipeline.fit(frame, target)
        except Exception as error:  # whatever an estimator of any package raises
            raise explain_fit_failure(spec, error) from error
    _answer_in_one_thread(pipeline)
    remarks = list(dict.fromkeys(" ".join(str(w.message).split()) for w in raised))
    return FittedModel(pipeline, spec.task, classes, spec.columns), remarks[:_MAX_REMARKS]


def constant_answer(model: FittedModel, labels: Array) -> list[float]:
    """What a constant answer would be: the classes' shares in class order, or the mean.

    It is what scikit-learn's DummyClassifier (prior) and DummyRegressor (mean) answer.

    >>> model = FittedModel(None, "binary", ["n", "y"], None)
    >>> constant_answer(model, np.array(["n", "n", "n", "y"], dtype=object))
    [0.75, 0.25]
    """
    if model.task == "regression":
        return [float(np.mean(labels))]
    counts = np.bincount(encode(labels, model.classes), minlength=len(model.classes))
    return [float(share) for share in counts / counts.sum()]


def _classes(spec: Spec, labels: Array) -> list[Label]:
    if spec.task == "regression":
        return []
    classes: list[Label] = sorted(set(labels.tolist()))
    name = spec.columns.target
    if len(classes) < 2:
        raise DataError(
            f"target {name!r} has only the class {classes[0]!r} in the rows to be fitted on; "
            "take a longer window"
        )
    if spec.task == "binary" and len(classes) > 2:
        raise DataError(
            f"target {name!r} has {len(classes)} classes, such as {classes[:3]}, and task binary "
            "takes two; set task: multiclass"
        )
    return classes


def _answer_in_one_thread(pipeline: Any) -> None:
    """Forests add up their trees' answers as the threads end: with one, always in one order."""
    names = [name for name, value in pipeline.get_params().items() if _is_jobs(name, value)]
    pipeline.set_params(**dict.fromkeys(names, 1))


def _is_jobs(name: str, value: Any) -> bool:
    return name.rpartition("__")[2] == "n_jobs" and value is not None
