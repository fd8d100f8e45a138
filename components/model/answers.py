"""What the champion answered for labelled rows: from the prediction log, or asked now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.drift.logged import read_answers
from components.drift.values import as_strings, read_numbers
from components.model.records import TrainingRecord
from components.model.rows import Rows
from components.model.score import Array, FittedModel, Predictions, label_array
from components.model.threads import one_thread

# A model, or what loads it: it is only loaded when the log does not suffice.
ModelSource = FittedModel | Callable[[], FittedModel] | None


@dataclass(frozen=True)
class Answered:
    """Rows with the champion's answers; `logged` and `asked` say how many came from where."""

    rows: Rows
    answers: Predictions
    logged: int
    asked: int


def champion_answers(
    rows: Rows,
    predictions_path: Path | None,
    record: TrainingRecord,
    champion: str,
    model: ModelSource,
    enough: int,
) -> Answered:
    """Find the champion's answers for labelled rows.

    What was logged is what was served, so it comes first. Where fewer rows than `enough` are in
    the log, the model answers the others now.

    Args:
        rows: the labelled rows.
        predictions_path: the window's part of the prediction log, or None.
        record: the champion's training record; it holds the class order.
        champion: the champion's release; other releases' answers are not its own.
        model: the champion, or what loads it, or None.
        enough: how many answers the log must hold to be enough alone.

    Raises:
        DataError: when the log cannot be read.
        ModelError: when the model is asked, and the spec no longer lists a feature of it.
    """
    logged, answers = _logged(rows, predictions_path, record, champion)
    count = int(logged.sum())
    if count >= min(enough, len(rows)) or model is None:
        return Answered(rows.where(logged), answers, count, 0)
    asked = model if isinstance(model, FittedModel) else model()
    rest = rows.where(~logged)
    with one_thread():  # only now: it holds for the libraries that the model brought along
        more = asked.predict(rest.features(asked.columns))
    if count == 0:
        return Answered(rows, more, 0, len(rows))
    # Back into the rows' own order: the logged ones and the others lie mixed.
    order = np.argsort(np.concatenate([np.flatnonzero(logged), np.flatnonzero(~logged)]))
    return Answered(rows, _together(answers, more).rows(order), count, len(rest))


def _logged(
    rows: Rows, path: Path | None, record: TrainingRecord, champion: str
) -> tuple[Array, Predictions]:
    """Which rows (n,) the log holds an answer for, and these answers."""
    nothing = np.zeros(len(rows), dtype=bool)
    if path is None:
        return nothing, _empty(record)
    log = read_answers(path, champion)
    log = log.filter(_usable(log, record))
    log = log.filter(_finite(log, record))
    if log.num_rows == 0:
        return nothing, _empty(record)
    found = pc.index_in(rows.ids.combine_chunks(), value_set=log.column("row_id").combine_chunks())
    log = log.take(found.drop_null())
    return np.asarray(found.is_valid().to_numpy(zero_copy_only=False)), _read(log, record)


def _usable(log: pa.Table, record: TrainingRecord) -> pa.Array:
    """Rows whose answer is of the champion's own form."""
    if record.task == "regression":
        return pa.array(np.isfinite(_numbers(log)))
    usable = pc.is_in(_texts(log), value_set=_names(record))
    length = pc.list_value_length(log.column("probability"))
    return pc.and_(usable, pc.fill_null(pc.equal(length, len(record.classes)), _without(record)))


def _finite(log: pa.Table, record: TrainingRecord) -> pa.Array:
    """Rows without a probability that is no number, of those that have one for each class."""
    if record.task == "regression" or _without(record):
        return pa.array(np.ones(log.num_rows, dtype=bool))
    flat = _flat(log)
    return pa.array(np.isfinite(flat.reshape(-1, len(record.classes))).all(axis=1))


def _flat(log: pa.Table) -> Array:
    """All rows' probabilities one after another; a null among them is NaN."""
    flat = log.column("probability").combine_chunks().flatten().cast(pa.float64())
    return np.asarray(flat.to_numpy(zero_copy_only=False))


def _texts(log: pa.Table) -> pa.Array:
    """The logged classes as texts, as `components.data.predictions` writes mixed types."""
    return as_strings(log.column("prediction"))


def _numbers(log: pa.Table) -> Array:
    return read_numbers(log.column("prediction")).values


def _names(record: TrainingRecord) -> pa.Array:
    """The champion's classes as the same texts: `true` for True, `7` for 7."""
    return pa.array(record.classes).cast(pa.string())


def _without(record: TrainingRecord) -> bool:
    """Whether the champion is a classifier that estimates no probabilities."""
    return "log_loss" not in record.metrics and record.task != "regression"


def _read(log: pa.Table, record: TrainingRecord) -> Predictions:
    if record.task == "regression":
        return Predictions(_numbers(log))
    # The class itself, whatever the log calls it: it holds texts once a target changed its type.
    codes = pc.index_in(_texts(log), value_set=_names(record)).to_numpy()
    values = label_array(record.classes)[codes]
    if _without(record):
        return Predictions(values)
    return Predictions(values, _flat(log).reshape(len(values), len(record.classes)))


def _empty(record: TrainingRecord) -> Predictions:
    return Predictions(label_array(record.classes)[:0])


def _together(first: Predictions, second: Predictions) -> Predictions:
    prediction = np.concatenate([first.prediction, second.prediction])
    if first.probability is None or second.probability is None:
        return Predictions(prediction)
    return Predictions(prediction, np.concatenate([first.probability, second.probability]))
