"""What answers at serving: one interface, whatever the model travels in.

Nothing heavy is imported before it is known what answers: a server of an ONNX file needs neither
scikit-learn nor pandas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from components.core.errors import ReleaseError
from components.data.feature_rows import FeatureRows
from components.model.files import MODEL
from components.model.records import Label
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
    from components.model.skops_runtime import open_skops

    if MODEL not in files:
        raise ReleaseError(f"{folder} holds no {MODEL}, so it is no release; train one")
    return open_skops(folder / MODEL, files[MODEL], columns, allowed_prefixes)
