"""ONNX Runtime as what answers at serving; imports neither scikit-learn nor a table of any kind."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime

from components.core.errors import ReleaseError
from components.data.feature_rows import FeatureRows
from components.model.intact import REMEDY, read_verified
from components.model.portable.check import check_file
from components.model.portable.form import CATEGORICAL, NUMERIC, Facts, Foreign, Output
from components.model.score import Array, Predictions, label_array
from components.spec.model import Columns

# So many rows are asked for at once: what lies between two operators stays in the processor's
# cache, and memory does not grow with the request.
_BATCH = 256
_FATAL = 4


class OnnxRuntime:
    """Answers by an ONNX file, in one thread.

    Args:
        session: the loaded file.
        facts: what the file says of its answers.
        output: what it answers with.
        sha256: the file's digest.
    """

    kind: Literal["onnx"] = "onnx"

    def __init__(
        self, session: onnxruntime.InferenceSession, facts: Facts, output: Output, sha256: str
    ) -> None:
        # Without the checks of its wrapper: at each call they take half as long as the model.
        self._run = getattr(session, "_sess", session).run
        self._session = session
        self._outputs = [output]
        self._numeric = bool(facts.columns.numeric)
        self._categorical = len(facts.columns.categorical)
        self._labels = label_array(facts.classes)
        self.classes = facts.classes
        self.estimates = output == "probability"
        self.sha256 = sha256

    def answer(self, rows: FeatureRows) -> Predictions:
        """Answer for rows."""
        count = len(rows)
        if count <= _BATCH:
            answers = self._ask(rows)
        else:
            parts = (rows.part(start, start + _BATCH) for start in range(0, count, _BATCH))
            answers = np.concatenate([self._ask(part) for part in parts])
        if self.estimates:
            return Predictions(self._labels[answers.argmax(axis=1)], answers)
        return Predictions(self._labels[answers] if self.classes else answers)

    def _ask(self, rows: FeatureRows) -> Array:
        feed: dict[str, Any] = {}
        if self._numeric:
            feed[NUMERIC] = rows.numeric
        if self._categorical:
            feed[CATEGORICAL] = _texts(rows.categorical, len(rows))
        answers: Array = self._run(self._outputs, feed, None)[0]
        return answers


def _texts(columns: Sequence[Sequence[str | None]], count: int) -> Array:
    """Texts row by row, (n, columns); a missing one is empty."""
    rows = [[text or "" for text in row] for row in zip(*columns, strict=True)]
    # As objects: an array of texts would lose what follows a zero byte.
    return np.array(rows, dtype=object).reshape(count, len(columns))


def open_onnx(path: Path, sha256: str, columns: Columns) -> OnnxRuntime:
    """Read an ONNX file: first its digest, then its form, and only then load it.

    Args:
        path: the file.
        sha256: the digest that it must have.
        columns: the columns of the spec, which have to be the model's.

    Raises:
        ReleaseError: when the file is missing, changed, truncated or foreign, or does not answer.
    """
    data = read_verified(path, sha256)
    try:
        return _opened(data, sha256, columns)
    except Foreign as error:
        raise ReleaseError(
            f"{path} is refused: {error}, which no model of driftline does; {REMEDY}"
        ) from error


def open_bytes(data: bytes, columns: Columns) -> OnnxRuntime:
    """A runtime from a file's content, as training has it.

    Raises:
        Foreign: when it is not of our form, or does not answer.
    """
    return _opened(data, hashlib.sha256(data).hexdigest(), columns)


def _opened(data: bytes, digest: str, columns: Columns) -> OnnxRuntime:
    facts, output = check_file(data)
    if facts.columns.features != columns.features:
        raise Foreign("it and its spec name different features")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _FATAL  # what goes wrong comes as an exception as well
    try:
        session = onnxruntime.InferenceSession(
            data, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
        runtime = OnnxRuntime(session, facts, output, digest)
        answers = runtime.answer(_nothing_known(columns, 2))
    except Exception as error:  # the library's own errors have no common base but this
        reason = " ".join(str(error).split())[:200]
        raise Foreign(f"it cannot be loaded ({reason})") from error
    if len(answers) != 2 or (answers.probability is not None and answers.probability.ndim != 2):
        raise Foreign("it does not answer row by row")
    return runtime


def _nothing_known(columns: Columns, count: int) -> FeatureRows:
    """Rows of which no feature is known."""
    numeric = np.full((count, len(columns.numeric)), np.nan)
    return FeatureRows(numeric, [[None] * count for _ in columns.categorical])
