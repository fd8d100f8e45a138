"""What answers at serving: one interface, whatever the model travels in.

Nothing heavy is imported before it is known what answers: a server of an ONNX file needs neither
scikit-learn nor pandas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic import ValidationError

from components.core.errors import ReleaseError
from components.data.feature_rows import FeatureRows
from components.model.files import MODEL, ONNX, RUNTIME
from components.model.intact import REMEDY, read_verified
from components.model.records import Label, RuntimeRecord
from components.model.score import Predictions

if TYPE_CHECKING:
    from components.spec.model import Columns


class Runtime(Protocol):
    """A loaded model that answers rows of features.

    `classes` are the target's own values in the order of the probabilities, none for regression;
    `estimates` says whether there are probabilities; `sha256` is that of the file that answers.
    """

    @property
    def kind(self) -> Literal["onnx", "skops"]:
        """What the model travels in."""

    @property
    def classes(self) -> list[Label]:
        """The classes, in order."""

    @property
    def estimates(self) -> bool:
        """Whether it answers with probabilities."""

    @property
    def sha256(self) -> str:
        """The digest of the file that answers."""

    def answer(self, rows: FeatureRows) -> Predictions:
        """Answer for rows, in the spec's order of columns; an empty text is missing, as None is."""


def open_runtime(
    folder: Path,
    files: Mapping[str, str],
    columns: Columns,
    allowed_prefixes: Sequence[str] = ("sklearn.",),
) -> Runtime:
    """Open the model of a release; what answers is what `runtime.json` chose, skops without one.

    Args:
        folder: the release's folder.
        files: the sha256 of each file, by name, from the release's manifest.
        columns: the columns of the spec, which have to be the model's.
        allowed_prefixes: packages whose classes a skops file may hold; the user's own spec says.

    Raises:
        ReleaseError: when the file is missing, changed or foreign, or knows other columns.
    """
    chosen = read_record(folder, files)
    name = ONNX if chosen is not None and chosen.chosen == "onnx" else MODEL
    if name not in files:
        raise ReleaseError(f"{folder} holds no {name}, so it is no whole release; {REMEDY}")
    if name == ONNX:
        from components.model.portable.session import open_onnx

        return open_onnx(folder / ONNX, files[ONNX], columns)
    from components.model.skops_runtime import open_skops

    return open_skops(folder / MODEL, files[MODEL], columns, allowed_prefixes)


def read_record(folder: Path, files: Mapping[str, str]) -> RuntimeRecord | None:
    """What the model travels in, and why; None for releases from before that was noted.

    Raises:
        ReleaseError: when the file is missing or was changed, or cannot be understood.
    """
    if RUNTIME not in files:
        return None
    content = read_verified(folder / RUNTIME, files[RUNTIME])
    try:
        return RuntimeRecord.model_validate_json(content)
    except ValidationError:
        raise ReleaseError(
            f"{folder / RUNTIME} is not of a form that this version of driftline reads; use the "
            "version that wrote it, or train again"
        ) from None
