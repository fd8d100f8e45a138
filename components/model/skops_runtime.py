"""scikit-learn itself as what answers at serving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from components.core.errors import ReleaseError
from components.data.feature_rows import FeatureRows
from components.data.frame import rows_frame
from components.model.persist import load_model
from components.model.records import Label
from components.model.score import FittedModel, Predictions
from components.spec.model import Columns


@dataclass(frozen=True)
class SkopsRuntime:
    """Answers by the fitted pipeline."""

    model: FittedModel
    sha256: str
    kind: Literal["onnx", "skops"] = "skops"

    @property
    def classes(self) -> list[Label]:
        """The classes, in order."""
        return self.model.classes

    @property
    def estimates(self) -> bool:
        """Whether it answers with probabilities."""
        return bool(self.classes) and hasattr(self.model.pipeline, "predict_proba")

    def answer(self, rows: FeatureRows) -> Predictions:
        """Answer for rows; what overflows becomes an answer that is no number."""
        texts = [[text or None for text in column] for column in rows.categorical]
        frame = rows_frame(FeatureRows(rows.numeric, texts), self.model.columns)
        with np.errstate(all="ignore"):
            return self.model.predict(frame)


def open_skops(
    path: Path, sha256: str, columns: Columns, allowed_prefixes: Sequence[str]
) -> SkopsRuntime:
    """Read a skops file and let it answer.

    Raises:
        ReleaseError: when the file is missing, changed or foreign, or knows other columns.
    """
    model = load_model(path, sha256, allowed_prefixes)
    if model.columns.features != columns.features:
        raise ReleaseError(
            f"{path} is refused: its model and its spec name different features; train it again"
        )
    return SkopsRuntime(model, sha256)
