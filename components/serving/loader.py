"""From a release's folder to something that answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.core.errors import ReleaseError, ServingError
from components.model.records import Label
from components.model.score import Predictions
from components.release.package import Release, load_release
from components.serving.codec import RequestError
from components.spec.model import Spec

CANDIDATE = "candidate-"

Score = Callable[[pa.Table], Predictions]


@dataclass(frozen=True)
class ServedModel:
    """A loaded release, ready to answer.

    `score` answers for a table with a double or string column a feature; nothing else here knows
    what kind of model it is. `classes` is empty for regression. `known` holds the categories of
    training by column, for specs that refuse unseen ones.
    """

    name: str
    release: str
    model_sha256: str
    spec: Spec
    classes: list[Label]
    score: Score
    known: Mapping[str, pa.Array] = field(default_factory=dict)
    estimates: bool = True

    @property
    def outputs(self) -> list[str]:
        """The names of what it answers with."""
        return ["prediction", "probability"] if self.classes and self.estimates else ["prediction"]

    def answer(self, features: pa.Table) -> Predictions:
        """Answer for rows.

        Raises:
            RequestError: naming row and field of a value that this model cannot or may not answer.
        """
        self._refuse_unseen(features)
        problem, answers = self._try(features)
        if answers is None:
            raise RequestError(self._blame(features, problem))
        return answers

    def _try(self, features: pa.Table) -> tuple[str, Predictions | None]:
        """The answers, or None with what stands against them."""
        try:
            with np.errstate(all="ignore"):
                answers = self.score(features)
        except (ValueError, ArithmeticError) as error:
            return str(error).partition("\n")[0].rstrip("."), None
        numbers = [answers.probability] if self.classes else [answers.prediction]
        if all(values is None or np.isfinite(values).all() for values in numbers):
            return "", answers
        return "the answer is not a finite number", None

    def _blame(self, features: pa.Table, problem: str) -> str:
        """Find the row by halving, then the field without which that row can be answered."""
        low, high = 0, features.num_rows
        while high - low > 1:
            middle = (low + high) // 2
            if self._try(features.slice(low, middle - low))[1] is None:
                high = middle
            else:
                low = middle
        row = features.slice(low, 1)
        if self._try(row)[1] is not None:  # it fails only in company: no row is to blame
            raise ServingError(f"the model of {self.release} does not answer: {problem}")
        for position, column in enumerate(row.schema):
            without = row.set_column(position, column, pa.nulls(1, column.type))
            if self._try(without)[1] is not None:
                value = str(row.column(position)[0].as_py())
                return f"row {low}: {column.name} is {value:.40}, which the model cannot answer"
        return f"row {low}: the model cannot answer these values ({problem:.200})"

    def _refuse_unseen(self, features: pa.Table) -> None:
        for name, categories in self.known.items():
            column = features.column(name)
            unseen = pc.and_(column.is_valid(), pc.invert(pc.is_in(column, categories)))
            row = pc.index(unseen, True).as_py()
            if row >= 0:
                raise RequestError(
                    f"row {row}: {name} is {column[row].as_py()!r:.40}, a category that training "
                    "never saw; the spec says serving.unseen: refuse"
                )


def load_model(
    folder: Path,
    *,
    allow_candidate: bool = False,
    allowed_prefixes: Sequence[str] = ("sklearn.",),
) -> ServedModel:
    """Verify a release's folder, load its model, and let it answer once.

    Args:
        folder: a release, or a candidate from training.
        allow_candidate: whether a candidate that passed no gate may be served.
        allowed_prefixes: packages whose classes the model may hold; the user's own spec says.

    Raises:
        ReleaseError: when the folder is no release, was tampered with, or is a candidate.
        ServingError: when the loaded model does not answer.
    """
    release = load_release(folder)
    if release.version.startswith(CANDIDATE) and not allow_candidate:
        raise ReleaseError(
            f"{folder} holds {release.version}, which has passed no gate; "
            "deploy it first, or allow candidates (--allow-candidate)"
        )
    served = _served(release, allowed_prefixes)
    _warm_up(served)
    return served


def _served(release: Release, allowed_prefixes: Sequence[str]) -> ServedModel:
    from components.data.frame import features_frame

    spec, model = release.spec, release.model(allowed_prefixes)
    if model.columns.features != spec.columns.features:
        raise ReleaseError(
            f"release {release.version} is refused: its model and its spec name different "
            "features; train it again"
        )
    return ServedModel(
        name=release.manifest.model,
        release=release.version,
        model_sha256=release.manifest.files["model.skops"],
        spec=spec,
        classes=list(model.classes),
        score=lambda table: model.predict(features_frame(table, spec.columns)),
        known=_known(release) if spec.serving.unseen == "refuse" else {},
        estimates=hasattr(model.pipeline, "predict_proba"),
    )


def _known(release: Release) -> dict[str, pa.Array]:
    """The categories of training, for a spec that refuses others."""
    schema = release.schema
    known = {}
    for name in release.spec.columns.categorical:
        column = schema.columns[name]
        if not column.complete:
            raise ReleaseError(
                f"release {release.version} cannot refuse unseen values of {name}: there were too "
                "many in training to keep them by name; set serving.unseen to answer"
            )
        known[name] = pa.array(column.categories, pa.string())
    return known


def _warm_up(served: ServedModel) -> None:
    """Answer once, for a row of which nothing is known: the first answer is slow, or impossible."""
    columns = served.spec.columns
    types: dict[str, pa.DataType] = {name: pa.float64() for name in columns.numeric}
    types |= {name: pa.string() for name in columns.categorical}
    row: dict[str, Any] = {name: pa.nulls(1, kind) for name, kind in types.items()}
    try:
        served.answer(pa.table(row))
    except RequestError as error:
        raise ServingError(
            f"release {served.release} does not answer a row of missing values: {error}"
        ) from error
