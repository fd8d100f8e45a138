"""What a model travels in for serving: ONNX where that answers as scikit-learn does, else skops."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.core.errors import ModelError
from components.data.feature_rows import FeatureRows
from components.data.frame import frame_rows, rows_frame
from components.model.exactness import differences
from components.model.files import ONNX, RECORDED, RUNTIME
from components.model.portable.answers import Unsupported
from components.model.portable.convert import ways_of
from components.model.portable.form import Foreign
from components.model.portable.session import open_bytes
from components.model.probing import Probes, probes
from components.model.recorded import EXACT, record_rows
from components.model.records import RuntimeRecord
from components.model.rows import Rows
from components.model.score import FittedModel, Predictions, label_array
from components.spec.model import Spec


def write_runtime(
    spec: Spec, model: FittedModel, holdout: Rows, answers: Predictions, folder: Path
) -> RuntimeRecord:
    """Decide what a model travels in, and write that down, with rows to ask a server for.

    Args:
        spec: the model's spec.
        model: the model as its file has it.
        holdout: the rows that it is measured on.
        answers: its answers to them.
        folder: the candidate's; gets `runtime.json`, `recorded.json`, and for ONNX `model.onnx`.

    Raises:
        ModelError: when the spec demands ONNX and that cannot answer exactly enough.
    """
    rows, ids = frame_rows(holdout.features(), model.columns), holdout.ids
    record, data = choose_runtime(spec, model, rows, answers, lambda row: f"row {ids[row]}")
    if data is not None:
        (folder / ONNX).write_bytes(data)
    (folder / RUNTIME).write_text(record.model_dump_json(indent=2), encoding="utf-8")
    tolerance = EXACT if data is None else record.limit
    count = spec.serving.recorded_rows
    recorded = record_rows(rows, answers, model.columns, count, tolerance)
    (folder / RECORDED).write_text(recorded.model_dump_json(indent=2), encoding="utf-8")
    return record


def choose_runtime(
    spec: Spec,
    model: FittedModel,
    rows: FeatureRows,
    answers: Predictions,
    name: Callable[[int], str],
) -> tuple[RuntimeRecord, bytes | None]:
    """Decide what a model travels in.

    An ONNX file is made, loaded afresh, and asked every row of the holdout, and rows made from
    these with values missing, never seen or extreme.

    Args:
        spec: the model's spec.
        model: the model as its file has it.
        rows: the holdout's features.
        answers: the model's answers to them.
        name: what to call a row, by its position.

    Returns:
        What was found, and the ONNX file where that is what was chosen.

    Raises:
        ModelError: when the spec demands ONNX and that cannot answer exactly enough.
    """
    limit = spec.serving.exactness
    if spec.serving.runtime == "skops":
        reason = "the spec asks for skops"
        return RuntimeRecord(chosen="skops", rows=0, limit=limit, reason=reason), None
    questions = [_Question(rows, answers, name), *_probed(model, rows)]
    best: RuntimeRecord | None = None
    for way in ways_of(model):
        record, data = _judge(way, model, questions, limit)
        if record.chosen == "onnx":
            return record, data
        if best is None or _nearer(record, best):
            best = record
    assert best is not None  # noqa: S101 - every model has a way, if only one that fails
    if spec.serving.runtime == "onnx":
        raise ModelError(
            f"serving.runtime: onnx cannot serve this model: {best.reason}; set it to auto, allow "
            "for more in serving.exactness, or choose another estimator"
        )
    return best, None


@dataclass(frozen=True)
class _Question:
    """Rows with scikit-learn's answers, and what each of them is called."""

    rows: FeatureRows
    answers: Predictions
    name: Callable[[int], str]


def _judge(
    way: Callable[[], bytes], model: FittedModel, questions: list[_Question], limit: float
) -> tuple[RuntimeRecord, bytes]:
    """Make a file and hold its answers against scikit-learn's."""
    try:
        data = way()
        runtime = open_bytes(data, model.columns)
    except (Unsupported, Foreign) as error:
        return RuntimeRecord(chosen="skops", rows=0, limit=limit, reason=str(error)), b""
    count, largest, worst = 0, 0.0, ""
    for question in questions:
        found = differences(question.answers, runtime.answer(question.rows), limit)
        count += len(question.rows)
        if found.worst is not None and found.largest > largest:
            worst = question.name(found.worst)
        largest = max(largest, found.largest)
    if worst:
        reason = _too_far(worst, largest, limit)
        shown = largest if np.isfinite(largest) else None
        return RuntimeRecord(
            chosen="skops", rows=count, largest_difference=shown, limit=limit, reason=reason
        ), b""
    reason = f"all {count:,} answers are within {limit:g} of scikit-learn's"
    return RuntimeRecord(
        chosen="onnx", rows=count, largest_difference=largest, limit=limit, reason=reason
    ), data


def _too_far(row: str, largest: float, limit: float) -> str:
    if not np.isfinite(largest):
        return f"ONNX gives {row} another answer than scikit-learn does"
    return f"ONNX answers {row} with a difference of {largest:.2g}, and {limit:g} is allowed"


def _nearer(record: RuntimeRecord, best: RuntimeRecord) -> bool:
    """Whether a way came nearer to be chosen: one that answers says more than one that fails."""
    if best.largest_difference is None or record.largest_difference is None:
        return record.rows > best.rows
    return record.largest_difference < best.largest_difference


def _probed(model: FittedModel, holdout: FeatureRows) -> Iterator[_Question]:
    """Rows made from the holdout."""
    for made in probes(holdout, model.columns):
        for part, answers in _answered(model, made):
            yield _Question(part.rows, answers, part.notes.__getitem__)


def _answered(model: FittedModel, made: Probes) -> Iterator[tuple[Probes, Predictions]]:
    """Rows with the model's answers; no number where it refuses a row, as some do extreme ones."""
    count = len(made.notes)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            answers = model.predict(rows_frame(made.rows, model.columns))
    except (ValueError, ArithmeticError):
        if count > 1:
            yield from _answered(model, made.part(0, count // 2))
            yield from _answered(model, made.part(count // 2, count))
        elif (nothing := _no_answer(model)) is not None:
            yield made, nothing
        return
    yield made, answers


def _no_answer(model: FittedModel) -> Predictions | None:
    """One answer that is no number; None for a model whose answers are classes alone."""
    if model.task == "regression":
        return Predictions(np.array([np.nan]))
    if not hasattr(model.pipeline, "predict_proba"):
        return None
    nothing = np.full((1, len(model.classes)), np.nan)
    return Predictions(label_array(model.classes)[:1], nothing)
