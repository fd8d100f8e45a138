"""Train a candidate: fit on the earlier rows, measure on the later ones, write the folder."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from components.core.errors import DataError, ModelError
from components.core.window import Window
from components.data.report import IngestReport, read_report
from components.drift.profile import LABEL, PREDICTION
from components.model.bootstrap import count_blocks, interval, time_blocks, why_none
from components.model.calibration import calibrate
from components.model.errors import error_reference
from components.model.files import MODEL, SPEC, TRAINING
from components.model.fit import constant_answer, fit_model
from components.model.measure import confusion_matrix, importances, roc_curve, slice_scores
from components.model.metrics import all_scores, check_probability, metric_named
from components.model.persist import load_model, save_model
from components.model.records import TrainingRecord
from components.model.reference import write_reference
from components.model.rows import Rows, moment, read_labelled, split_by_time
from components.model.score import (
    FittedModel,
    Predictions,
    common_classes,
    in_codes,
    target_of,
)
from components.model.threads import one_thread
from components.model.travel import write_runtime
from components.spec.load import dump_spec
from components.spec.model import Spec

# So many rows prove that a model file answers as the model that it was made from.
_PROOF_ROWS = 500
_LIBRARIES = (
    "numpy",
    "onnx",
    "onnxruntime",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "skl2onnx",
    "skops",
)


def train_candidate(spec: Spec, data_path: Path, folder: Path) -> TrainingRecord:
    """Train a candidate on a window and write its folder, all of it or nothing.

    The same rows give the same bytes, whatever their order in the file and however many threads
    there are. The holdout, on which everything is measured, is the latest share of the labelled
    rows; the model never sees it, and is not fitted again on it. It is fitted on the rows whose
    labels were known before the holdout began: a model in use knows no others either.

    Args:
        spec: the model's spec.
        data_path: the window, as ingest wrote it.
        folder: the candidate's folder; replaced if it is there.

    Returns:
        What was measured, as it stands in the folder's training.json.

    Raises:
        DataError: when there are too few labels, or they do not fit the task.
        ModelError: when the estimator cannot be built, fitted, judged by the metric, or saved, or
            the spec demands to serve it from ONNX and that does not answer exactly enough.
    """
    _check_reserved(spec)
    report = read_report(data_path)
    rows = read_labelled(data_path, spec)
    cut = _cut(rows, spec, report)
    known = _known(rows, cut, spec)
    fit_rows, holdout = rows.part(0, known), rows.part(cut)
    features = holdout.features()
    with one_thread(), _folder(folder) as work:
        fitted, remarks = fit_model(spec, fit_rows.features(), fit_rows.labels)
        digest = save_model(fitted, work / MODEL, spec.estimator.allowed_prefixes)
        model = load_model(work / MODEL, digest, spec.estimator.allowed_prefixes)
        _prove(fitted, model, features.head(_PROOF_ROWS))
        answers = model.predict(features)
        record = TrainingRecord(
            estimator=spec.estimator.class_,
            task=spec.task,
            classes=model.classes,
            **_extent(spec, rows, known, cut, report),
            **_measure(spec, model, holdout, features, answers),
            baseline=constant_answer(model, fit_rows.labels),
            remarks=remarks,
            fingerprint=report.fingerprint,
            model_sha256=digest,
            libraries={"python": platform.python_version()} | {n: version(n) for n in _LIBRARIES},
            seed=spec.training.seed,
        )
        _write_text(work / SPEC, dump_spec(spec))
        _write_text(work / TRAINING, record.model_dump_json(indent=2))
        write_reference(spec, data_path, work, rows, answers)
        write_runtime(spec, model, holdout, answers, work)
    return record


def _check_reserved(spec: Spec) -> None:
    reserved = {PREDICTION, LABEL} & set(spec.columns.features)
    if reserved:
        raise ModelError(
            f"columns: a feature cannot be called {min(reserved)!r}, which driftline uses for a "
            "column of its own; rename it in the source"
        )


def _cut(rows: Rows, spec: Spec, report: IngestReport) -> int:
    """Where the holdout begins."""
    needed = spec.training.min_rows
    if len(rows) < needed:
        waiting = f" ({rows.unlabelled:,} rows have none)" if rows.unlabelled else ""
        raise DataError(
            f"the window {report.window} has {len(rows):,} labelled rows{waiting}, and "
            f"training.min_rows asks for {needed:,}; take a longer window, or wait for the labels"
        )
    classes = [] if spec.task == "regression" else rows.classes
    if spec.task == "binary" and len(classes) > 2:
        raise DataError(
            f"target {spec.columns.target!r} has {len(classes)} classes, such as {classes[:3]}, "
            "and task binary takes two; set task: multiclass"
        )
    cut = split_by_time(rows.times, spec.training.holdout)
    if cut == 0:
        raise DataError(
            f"all labelled rows of the window {report.window} have one time, so there is no later "
            "part to hold out; take a longer window, or another time column"
        )
    return cut


def _known(rows: Rows, cut: int, spec: Spec) -> int:
    """Where the rows end whose labels were known before the holdout began."""
    first = rows.times[cut]
    known = int(np.searchsorted(rows.times, first - np.timedelta64(spec.label_delay)))
    if known == 0:
        raise DataError(
            f"no label was known when the holdout began, at {moment(first):%Y-%m-%d %H:%M} UTC, "
            f"because label.delay is {spec.label.delay}; take a longer window"
        )
    return known


def _extent(
    spec: Spec, rows: Rows, known: int, cut: int, report: IngestReport
) -> dict[str, str | int]:
    window = Window.parse(report.window)
    boundary = moment(rows.times[cut])
    return {
        "window": report.window,
        "fit_window": str(Window(window.start, boundary - spec.label_delay)),
        "holdout_window": str(Window(boundary, window.end)),
        "rows": len(rows),
        "fit_rows": known,
        "gap_rows": cut - known,
        "holdout_rows": len(rows) - cut,
        "unlabelled_rows": rows.unlabelled,
    }


def _measure(
    spec: Spec, model: FittedModel, holdout: Rows, features: pd.DataFrame, answers: Predictions
) -> dict[str, object]:
    metric, labels, gate = metric_named(spec.metric), holdout.labels, spec.gate
    check_probability(metric, answers, spec.estimator.class_)
    classes = common_classes(labels, model)
    y, coded = target_of(labels, classes), in_codes(answers, model.classes, classes)
    seed, regression = spec.training.seed, spec.task == "regression"
    score = metric.score(y, coded)
    blocks = time_blocks(holdout.times)
    bounds = interval(metric, y, coded, gate.resamples, gate.confidence, seed, blocks)
    if not np.isfinite(score) or bounds is None:
        raise DataError(
            f"{metric.name} is not defined on the holdout, the latest {len(holdout):,} labelled "
            f"rows, because {why_none(blocks)}; take a longer window, or a larger training.holdout"
        )
    return {
        "metric": metric.name,
        "score": score,
        "interval": bounds,
        "confidence": gate.confidence,
        "blocks": count_blocks(blocks),
        "metrics": all_scores(spec.task, y, coded),
        "slices": slice_scores(metric, y, coded, holdout.slices(), gate, seed, blocks),
        "labels": [str(value) for value in classes],
        "confusion": confusion_matrix(y, coded, len(classes)),
        "roc": roc_curve(y, coded) if spec.task == "binary" else None,
        "importances": importances(spec, model, features, labels),
        "errors": error_reference(y, coded, holdout.times, regression=regression),
        "calibration": calibrate(
            y, in_codes(answers, model.classes, model.classes), regression=regression
        ),
    }


def _prove(fitted: FittedModel, loaded: FittedModel, features: pd.DataFrame) -> None:
    """The model file must answer as the model does, to the bit, before anybody relies on it."""
    first, second = fitted.predict(features), loaded.predict(features)
    if not (
        np.array_equal(first.prediction, second.prediction)
        and np.array_equal(
            np.asarray(first.probability), np.asarray(second.probability), equal_nan=False
        )
    ):
        kind = type(fitted.pipeline[-1]).__name__
        raise ModelError(
            f"estimator.class: {kind} answers differently once saved and loaded; "
            "choose another estimator or other parameters"
        )


@contextmanager
def _folder(folder: Path) -> Iterator[Path]:
    """A folder to write into that takes the final name once everything is in it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder.parent))
    aside = work.with_name(f"{work.name}-before")
    try:
        work.chmod(0o755)
        yield work
        if folder.exists():
            folder.rename(aside)
        os.replace(work, folder)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        if aside.exists():
            aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
