"""The models that all servers serve, and the rows that they are asked about.

Both are trained by driftline's own step on synthetic rows of a fixed seed: 15 numbers, two
classes. The peers get the very estimator that is in our release: see `bare`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.release.package import content_version, load_release, seal
from components.spec.context import open_context
from components.spec.load import dump_spec, parse_spec
from components.steps.ingest import ingest_step
from components.steps.training import train_step

FEATURES = [f"x{position:02d}" for position in range(15)]
KINDS = {
    "gradient": ("sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 100}),
    "logistic": ("sklearn.linear_model.LogisticRegression", {}),
}
TITLES = {"gradient": "HistGradientBoostingClassifier", "logistic": "LogisticRegression"}
ASKED = 256
"""How many rows the servers are asked about."""

_SEED = 20_26
_START = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class World:
    """One model: its release, the same release served by scikit-learn, and rows to ask about.

    `onnx` and `skops` are release folders that differ in the runtime alone; `joblib` is the peers'
    file; `rows` has shape (n, 15), and `expected` (n, 2) is what scikit-learn answers to them.
    """

    kind: str
    onnx: Path
    skops: Path
    joblib: Path
    rows: NDArray[np.float64]
    expected: NDArray[np.float64]


def make_world(kind: str, folder: Path, rows: int) -> World:
    """Train one kind of model and write it down for everyone.

    Args:
        kind: a key of `KINDS`.
        folder: where everything goes.
        rows: how many rows to train on.
    """
    import joblib

    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "source.parquet"
    pq.write_table(_table(rows), source)
    releases = {
        runtime: _release(kind, source, folder / runtime, runtime) for runtime in ("onnx", "skops")
    }
    estimator = bare(load_release(releases["skops"]).model().pipeline)
    joblib.dump(estimator, folder / "model.joblib")
    values = _values(np.random.default_rng(_SEED + 1), ASKED)
    return World(
        kind,
        releases["onnx"],
        releases["skops"],
        folder / "model.joblib",
        values,
        estimator.predict_proba(values),
    )


def bare(pipeline: Any) -> Any:
    """The estimator of a fitted pipeline, which answers to an array as the pipeline to a frame.

    The peers are spared what comes before it: gradient boosting takes the numbers as they are, and
    the scaling before a linear model is folded into its coefficients.
    """
    preprocess, estimator = pipeline[0], pipeline[-1]
    numeric = preprocess.named_transformers_["numeric"]
    if hasattr(numeric, "named_steps"):
        scale = numeric.named_steps["scale"]
        estimator.intercept_ = estimator.intercept_ - estimator.coef_ @ (scale.mean_ / scale.scale_)
        estimator.coef_ = estimator.coef_ / scale.scale_
    if hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_  # it would warn of every array
    return estimator


def _release(kind: str, source: Path, folder: Path, runtime: str) -> Path:
    """Ingest and train through the steps, and seal the folder as a release."""
    spec = _spec(kind, source, runtime)
    start, end = _START.isoformat(), (_START + timedelta(days=400)).isoformat()
    context = open_context(dump_spec(spec), str(folder / "store"), "bench", "1", start, end)
    data, release = folder / "window.parquet", folder / "release"
    ingest_step(context, "training", str(data))
    train_step(context, str(data), str(release))
    seal(release, spec.model, content_version(release, "2024-01-01"), {"run": "bench"})
    return release


def _spec(kind: str, source: Path, runtime: str) -> Any:
    name, parameters = KINDS[kind]
    document = {
        "model": "bench",
        "task": "binary",
        "source": {"kind": "files", "path": str(source)},
        "columns": {"id": "row", "time": "seen", "target": "label", "numeric": FEATURES},
        "estimator": {"class": name, "parameters": parameters},
        "metric": "roc_auc",
        "serving": {"runtime": runtime},
    }
    return parse_spec(json.dumps(document))


def _table(rows: int) -> pa.Table:
    random = np.random.default_rng(_SEED)
    values = _values(random, rows)
    score = values[:, 0] + values[:, 1] * values[:, 2] - np.abs(values[:, 3]) + values[:, 4] ** 2
    label = (score + random.normal(size=rows) > 1).astype(np.int64)
    minutes = np.linspace(0, 399 * 24 * 60, rows).astype(int).tolist()
    return pa.table(
        {
            "row": [f"r{position}" for position in range(rows)],
            "seen": pa.array(
                [_START + timedelta(minutes=minute) for minute in minutes],
                pa.timestamp("us", tz="UTC"),
            ),
            **{name: values[:, position] for position, name in enumerate(FEATURES)},
            "label": label,
        }
    )


def _values(random: np.random.Generator, rows: int) -> NDArray[np.float64]:
    # Six decimals, as a client would send; the columns have different scales, as columns do.
    return np.round(random.normal(size=(rows, len(FEATURES))) * np.linspace(0.5, 2, 15), 6)
