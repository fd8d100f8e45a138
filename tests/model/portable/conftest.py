"""Small models of every kind, and the one question: does the ONNX file answer the same?"""

import numpy as np

from components.data.feature_rows import FeatureRows
from components.data.frame import rows_frame
from components.model.fit import fit_model
from components.model.portable.answers import Unsupported
from components.model.portable.convert import ways_of
from components.model.portable.form import Foreign
from components.model.portable.session import open_bytes
from components.model.travel import choose_runtime
from components.spec.model import Spec

NUMBERS, TEXTS = ["a", "b", "c"], ["k", "l"]


def spec_of(path, task="binary", numeric=NUMBERS, categorical=TEXTS, **parameters):
    """A spec; the metric suits classifiers without probabilities too."""
    columns = {"id": "i", "time": "t", "target": "y"}
    return Spec.model_validate(
        {
            "model": "small",
            "task": task,
            "source": {"kind": "files", "path": "unused"},
            "columns": {**columns, "numeric": list(numeric), "categorical": list(categorical)},
            "estimator": {"class": path, "parameters": parameters},
            "metric": "rmse" if task == "regression" else "accuracy",
        }
    )


def rows_of(count=200, seed=0, numeric=NUMBERS, categorical=TEXTS, categories=12):
    """Rows with some values of each column missing."""
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(count, len(numeric))).round(1)
    numbers[random.random(numbers.shape) < 0.1] = np.nan
    texts = [
        [None if random.random() < 0.1 else f"{name}{code}" for code in codes]
        for name, codes in zip(
            categorical, random.integers(0, categories, (len(categorical), count)), strict=True
        )
    ]
    return FeatureRows(numbers, texts)


def labels_of(rows, task="binary", classes=None):
    """A target that follows from the rows."""
    score = np.nan_to_num(rows.numeric).sum(axis=1) if rows.numeric.size else np.zeros(len(rows))
    for texts in rows.categorical:
        score = score + [0.0 if text is None else (len(text) + ord(text[-1])) % 5 for text in texts]
    if task == "regression":
        return np.asarray(score) - np.min(score) + 0.1  # some losses want it positive
    names = classes or ([0, 1] if task == "binary" else [0, 1, 2])
    edges = np.quantile(score, np.linspace(0, 1, len(names) + 1)[1:-1])
    return np.array(names, dtype=object)[np.digitize(score, edges)]


def fitted(spec, rows, labels):
    """A model; the warnings of the estimator do not matter here."""
    return fit_model(spec, rows_frame(rows, spec.columns), labels)[0]


def fitted_as(path, task="binary", classes=None, **parameters):
    spec, rows = spec_of(path, task, **parameters), rows_of()
    return fitted(spec, rows, labels_of(rows, task, classes))


def converted(model):
    """The first way that can be loaded: its bytes and its runtime."""
    reasons = []
    for way in ways_of(model):
        try:
            data = way()
            return data, open_bytes(data, model.columns)
        except (Unsupported, Foreign) as error:
            reasons.append(str(error))
    raise AssertionError(reasons)


def gap(model, rows, limit=1e-9):
    """The largest difference of ONNX from scikit-learn, on rows and on what is made from them."""
    spec = spec_of("sklearn.any.Estimator", model.task, **_columns(model))
    serving = spec.serving.model_copy(update={"exactness": limit})
    record, _ = choose_runtime(
        spec.model_copy(update={"serving": serving}),
        model,
        rows,
        model.predict(rows_frame(rows, model.columns)),
        lambda row: f"row {row}",
    )
    assert record.chosen == "onnx", record.reason
    assert record.rows > len(rows)
    return record.largest_difference


def _columns(model):
    return {"numeric": model.columns.numeric, "categorical": model.columns.categorical}
