"""From the spec to an unfitted scikit-learn pipeline: preprocessing, then the estimator."""

from __future__ import annotations

import difflib
import importlib
import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from components.core.errors import ModelError
from components.spec.model import Columns, Spec

if TYPE_CHECKING:
    import pandas as pd

_HISTOGRAM = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
# HistGradientBoosting's own default, and its upper limit for a categorical feature's cardinality.
_MAX_BINS = 255
# One-hot: values rarer than this share are pooled, and no feature becomes more columns than that.
_RARE_SHARE = 0.001
_MAX_ONE_HOT = 100


def build_pipeline(spec: Spec, features: pd.DataFrame) -> Pipeline:
    """The pipeline that the spec describes, not fitted yet.

    HistGradientBoosting sees numbers as they are, missing ones too, and categories as codes, with
    unseen and missing ones as missing; they are declared categorical where their number allows it.
    Every other estimator sees numbers imputed by the median, with a column that says so, and
    scaled; categories one-hot, rare ones pooled, unseen ones as rare ones.

    Args:
        spec: the model's spec.
        features: the rows to be fitted on; only the categories' cardinality is looked at.

    Raises:
        ModelError: when the estimator cannot be found, does not fit the task, or refuses its
            parameters.
    """
    kind = find_estimator(spec.estimator.class_, spec)
    parameters = dict(spec.estimator.parameters)
    histogram = issubclass(kind, _HISTOGRAM)
    if histogram and "categorical_features" not in parameters:
        limit = min(int(parameters.get("max_bins", _MAX_BINS)), _MAX_BINS)
        parameters["categorical_features"] = _declared(features, spec.columns, limit)
    estimator = _make(kind, parameters, spec)
    _check_task(spec, estimator)
    preprocess = _codes(spec.columns) if histogram else _one_hot(spec.columns)
    return Pipeline([("preprocess", preprocess), ("estimator", estimator)])


def find_estimator(path: str, spec: Spec) -> type[Any]:
    """Import an estimator class from below the spec's allowed prefixes.

    The class itself must live there too: a module's imported names are no way around the list.

    Raises:
        ModelError: when there is no such module or class, or it is no estimator.
    """
    _check_prefix(path, path, spec)
    module_name, _, name = path.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ModelError(
            f"estimator.class: {path} cannot be imported: {_line(error)}; "
            "correct the path or install its package"
        ) from error
    kind = getattr(module, name, None)
    if kind is None:
        close = difflib.get_close_matches(name, dir(module), n=1)
        hint = f"did you mean {module_name}.{close[0]}?" if close else "correct the path"
        raise ModelError(f"estimator.class: {module_name} has no {name}; {hint}")
    if not (isinstance(kind, type) and issubclass(kind, BaseEstimator) and hasattr(kind, "fit")):
        raise ModelError(
            f"estimator.class: {path} is no scikit-learn estimator; name a class with fit and "
            "predict, such as sklearn.ensemble.HistGradientBoostingClassifier"
        )
    _check_prefix(f"{kind.__module__}.{kind.__qualname__}", path, spec)
    return kind


def explain_fit_failure(spec: Spec, error: Exception) -> ModelError:
    """An estimator's complaint while fitting, as an error that names the spec's key."""
    # scikit-learn checks the values of parameters in fit, with an error class of its own.
    key = "parameters" if type(error).__name__ == "InvalidParameterError" else "class"
    return ModelError(
        f"estimator.{key}: {spec.estimator.class_} cannot be fitted: {_line(error)}; "
        f"correct estimator.{key} in the spec"
    )


def _check_prefix(home: str, path: str, spec: Spec) -> None:
    prefixes = spec.estimator.allowed_prefixes
    if not home.startswith(tuple(prefixes)):
        raise ModelError(
            f"estimator.class: {path} lives in {home}, outside of the allowed prefixes "
            f"{', '.join(prefixes)}; add its package to estimator.allowed_prefixes if you trust it"
        )


def _make(kind: type[Any], parameters: dict[str, Any], spec: Spec) -> Any:
    """An estimator with its parameters, the spec's seed where it takes one and none is given."""
    _check_names(kind, parameters)
    given = {name: _nested(value, spec) for name, value in parameters.items()}
    if "random_state" in _parameter_names(kind):
        given.setdefault("random_state", spec.training.seed)
    try:
        return kind(**given)
    except Exception as error:  # whatever a constructor of any package raises
        raise ModelError(
            f"estimator.parameters: {kind.__name__} refuses them: {_line(error)}; "
            "correct them in the spec"
        ) from error


def _nested(value: Any, spec: Spec) -> Any:
    """A parameter's value; a mapping with `class` (and `parameters`) is an estimator of its own."""
    if isinstance(value, list):
        return [_nested(item, spec) for item in value]
    if isinstance(value, dict) and {"class"} <= value.keys() <= {"class", "parameters"}:
        kind = find_estimator(str(value["class"]), spec)
        return _make(kind, dict(value.get("parameters") or {}), spec)
    return value


def _check_names(kind: type[Any], parameters: dict[str, Any]) -> None:
    valid = _parameter_names(kind)
    for name in parameters:
        if valid and name not in valid:
            close = difflib.get_close_matches(name, valid, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"valid are {', '.join(valid)}"
            raise ModelError(f"estimator.parameters: {kind.__name__} has no {name!r}; {hint}")


def _parameter_names(kind: type[Any]) -> list[str]:
    """The constructor's parameters; empty when it takes any."""
    parameters = inspect.signature(kind).parameters.values()
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        return []
    return [p.name for p in parameters]


def _check_task(spec: Spec, estimator: Any) -> None:
    regression = spec.task == "regression"
    if not (is_regressor(estimator) if regression else is_classifier(estimator)):
        wanted = "regressor" if regression else "classifier"
        raise ModelError(
            f"estimator.class: {spec.estimator.class_} is no {wanted}, which task {spec.task!r} "
            "needs; change estimator.class or task"
        )


def _declared(features: pd.DataFrame, columns: Columns, limit: int) -> list[int] | None:
    """Positions of the features that HistGradientBoosting can take as categorical."""
    offset = len(columns.numeric)
    counts = [features[name].nunique() for name in columns.categorical]
    return [offset + i for i, count in enumerate(counts) if 0 < count <= limit] or None


def _codes(columns: Columns) -> ColumnTransformer:
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan
    )
    return _by_kind(columns, "passthrough", encoder)


def _one_hot(columns: Columns) -> ColumnTransformer:
    numbers = Pipeline(
        [
            (
                "impute",
                SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
            ),
            ("scale", StandardScaler()),
        ]
    )
    encoder = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=_RARE_SHARE,
        max_categories=_MAX_ONE_HOT,
        sparse_output=False,
    )
    return _by_kind(columns, numbers, encoder)


def _by_kind(columns: Columns, numbers: Any, categories: Any) -> ColumnTransformer:
    parts = [
        ("numeric", numbers, list(columns.numeric)),
        ("categorical", categories, list(columns.categorical)),
    ]
    return ColumnTransformer([part for part in parts if part[2]])


def _line(error: Exception) -> str:
    """An error's message on one line, without its closing stop."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
