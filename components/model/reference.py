"""What later windows are held against: the training window's schema, profile and sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.drift.profile import LABEL, PREDICTION, merge, profile_arrays, profile_file
from components.model.files import PROFILE, SAMPLE, SCHEMA
from components.model.rows import Rows
from components.model.score import Predictions
from components.schema.schema import learn_schema
from components.spec.model import Spec

_SAMPLE_ROWS = 5000


def write_reference(
    spec: Spec, data_path: Path, folder: Path, rows: Rows, answers: Predictions
) -> None:
    """Write the schema, the profile and the sample into a candidate's folder.

    Args:
        spec: the model's spec.
        data_path: the training window, as ingest wrote it.
        folder: the candidate's folder.
        rows: the window's labelled rows, in the order of their times.
        answers: what the model answered for the last of them, the holdout.
    """
    _write_text(folder / SCHEMA, learn_schema(data_path, spec).model_dump_json())
    columns = spec.columns
    label = pa.array(rows.labels)
    own = {LABEL: label if spec.task == "regression" else label.cast(pa.string())}
    shown = shown_prediction(spec, answers)
    if shown.null_count < len(shown):
        own[PREDICTION] = shown
    features = profile_file(data_path, columns.numeric, columns.categorical)
    _write_text(folder / PROFILE, merge(features, profile_arrays(own)).model_dump_json())
    _write_sample(spec, folder / SAMPLE, rows, answers)


def shown_prediction(spec: Spec, answers: Predictions) -> pa.Array:
    """A model's answers as the column `prediction` of profiles and samples.

    Binary: the probability of the positive class, null where there is none; otherwise the
    predicted class as text, or for regression the number.
    """
    if spec.task == "regression":
        return pa.array(answers.prediction, pa.float64())
    if spec.task == "multiclass":
        return pa.array(answers.prediction.tolist()).cast(pa.string())
    if answers.probability is None:
        return pa.nulls(len(answers), pa.float64())
    return pa.array(answers.probability[:, -1], pa.float64())


def _write_sample(spec: Spec, path: Path, rows: Rows, answers: Predictions) -> None:
    """Write some of the labelled rows, those of the holdout with what the model answered."""
    shown = shown_prediction(spec, answers)
    unanswered = pa.nulls(len(rows) - len(shown), shown.type)
    table = rows.table.select(spec.columns.features).append_column(
        PREDICTION, pa.chunked_array([unanswered, shown])
    )
    random = np.random.default_rng(spec.training.seed)
    count = min(len(rows), _SAMPLE_ROWS)
    chosen = np.sort(random.choice(len(rows), count, replace=False))
    pq.write_table(table.take(chosen).replace_schema_metadata(None), path)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
