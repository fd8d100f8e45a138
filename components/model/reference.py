"""What later windows are held against: the training window's schema, profiles and sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.data.hashing import hash_texts, mix
from components.data.report import read_report
from components.drift.profile import (
    LABEL,
    PREDICTION,
    Profile,
    merge,
    profile_arrays,
    profile_file,
)
from components.drift.rows import take_rows
from components.drift.values import as_strings
from components.drift.variation import file_variation
from components.model.files import PROFILE, SAMPLE, SCHEMA, VARIATION
from components.model.rows import Rows, in_order
from components.model.score import Predictions
from components.schema.reading import count_due
from components.schema.schema import learn_schema
from components.spec.model import Spec

_SAMPLE_ROWS = 5000


def write_reference(
    spec: Spec, data_path: Path, folder: Path, rows: Rows, answers: Predictions
) -> None:
    """Write the schema, the profile, its variation in time and the sample into a folder.

    Args:
        spec: the model's spec.
        data_path: the training window, as ingest wrote it.
        folder: the candidate's folder.
        rows: the window's labelled rows, in the order of their times.
        answers: what the model answered for the last of them, the holdout.
    """
    columns = spec.columns
    label = pa.array(rows.labels)
    own = {LABEL: label if spec.task == "regression" else label.cast(pa.string())}
    shown = shown_prediction(spec, answers)
    if shown.null_count < len(shown):
        own[PREDICTION] = shown
    features = profile_file(data_path, columns.numeric, columns.categorical)
    profile = merge(features, profile_arrays(own))
    _write_text(folder / PROFILE, profile.model_dump_json())
    report = read_report(data_path)
    schema = learn_schema(report, profile, spec, count_due(data_path, spec, report))
    _write_text(folder / SCHEMA, schema.model_dump_json())
    _write_variation(spec, data_path, folder / VARIATION, profile, rows, shown)
    _write_sample(spec, data_path, folder / SAMPLE, rows, answers)


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


def _write_variation(
    spec: Spec, data_path: Path, path: Path, profile: Profile, rows: Rows, shown: pa.Array
) -> None:
    """Count the window by stretches of time: all of its rows, and the holdout's predictions."""
    times = rows.times[len(rows) - len(shown) :].astype(np.int64)
    columns = spec.columns
    found = file_variation(data_path, profile, columns.time, columns.target, (times, shown))
    if found is not None:
        _write_text(path, found.model_dump_json())


def _write_sample(
    spec: Spec, data_path: Path, path: Path, rows: Rows, answers: Predictions
) -> None:
    """Write some rows of the window, those of the holdout with what the model answered.

    A later window's sample is of all its rows, and so is this one: rows that never get a label
    would otherwise drift. Which rows are drawn depends on their ids alone, not on their order.
    """
    columns = spec.columns
    with pq.ParquetFile(data_path) as file:
        chosen = _drawn(file, columns.id, spec.training.seed)
        found = take_rows(file, [columns.id, columns.time, *columns.features], chosen)
    table = in_order(pa.table(found), spec)
    shown = shown_prediction(spec, answers)
    holdout = as_strings(rows.ids.slice(len(rows) - len(shown)))
    places = pc.index_in(as_strings(table.column(columns.id)), value_set=holdout)
    sample = table.select(columns.features).append_column(PREDICTION, shown.take(places))
    pq.write_table(sample.replace_schema_metadata(None), path)


def _drawn(file: pq.ParquetFile, name: str, seed: int) -> NDArray[np.int64]:
    """The positions of the rows whose ids have the smallest hashes, ascending."""
    salt = mix(np.array([seed], np.uint64) + np.uint64(1))
    least, places, start = np.empty(0, np.uint64), np.empty(0, np.int64), 0
    for batch in file.iter_batches(columns=[name]):
        hashes = mix(hash_texts(as_strings(batch.column(name))) ^ salt)
        least = np.concatenate([least, hashes])
        places = np.concatenate([places, np.arange(start, start + len(hashes))])
        start += len(hashes)
        if len(least) > _SAMPLE_ROWS:
            kept = np.argpartition(least, _SAMPLE_ROWS - 1)[:_SAMPLE_ROWS]
            least, places = least[kept], places[kept]
    return np.sort(places)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
