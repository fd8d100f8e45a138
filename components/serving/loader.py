"""From a release's folder to something that answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from components.core.errors import ReleaseError, ServingError
from components.data.feature_rows import FeatureRows
from components.model.records import Label
from components.model.score import Predictions
from components.release.package import Release, load_release
from components.serving.codec import RequestError
from components.spec.model import Columns, Spec

CANDIDATE = "candidate-"

Score = Callable[[FeatureRows], Predictions]


@dataclass(frozen=True)
class ServedModel:
    """A loaded release, ready to answer.

    `score` answers for typed rows; nothing else here knows what kind of model it is. `classes` is
    empty for regression. `known` holds the categories of training by column, for specs that refuse
    unseen ones.
    """

    name: str
    release: str
    model_sha256: str
    spec: Spec
    classes: list[Label]
    score: Score
    known: Mapping[str, frozenset[str]] = field(default_factory=dict)
    estimates: bool = True

    @property
    def outputs(self) -> list[str]:
        """The names of what it answers with."""
        return ["prediction", "probability"] if self.classes and self.estimates else ["prediction"]

    def answer(self, features: FeatureRows) -> Predictions:
        """Answer for rows.

        Raises:
            RequestError: naming row and field of a value that this model cannot or may not answer.
        """
        self._refuse_unseen(features)
        problem, answers = self._try(features)
        if answers is None:
            raise RequestError(self._blame(features, problem))
        return answers

    def _try(self, features: FeatureRows) -> tuple[str, Predictions | None]:
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

    def _blame(self, features: FeatureRows, problem: str) -> str:
        """Find the row by halving, then the field without which that row can be answered."""
        low, high = 0, len(features)
        while high - low > 1:
            middle = (low + high) // 2
            if self._try(features.part(low, middle))[1] is None:
                high = middle
            else:
                low = middle
        row = features.part(low, low + 1)
        if self._try(row)[1] is not None:  # it fails only in company: no row is to blame
            raise ServingError(f"the model of {self.release} does not answer: {problem}")
        for name in self.spec.columns.features:
            value, without = _without(row, name, self.spec.columns)
            if self._try(without)[1] is not None:
                return f"row {low}: {name} is {value!s:.40}, which the model cannot answer"
        return f"row {low}: the model cannot answer these values ({problem:.200})"

    def _refuse_unseen(self, features: FeatureRows) -> None:
        for name, values in zip(self.spec.columns.categorical, features.categorical, strict=True):
            seen = self.known.get(name)
            if seen is None or seen.issuperset(values):
                continue
            for row, value in enumerate(values):
                if value is not None and value not in seen:
                    raise RequestError(
                        f"row {row}: {name} is {value!r:.40}, a category that training "
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
    from components.data.frame import rows_frame

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
        score=lambda rows: model.predict(rows_frame(rows, spec.columns)),
        known=_known(release) if spec.serving.unseen == "refuse" else {},
        estimates=hasattr(model.pipeline, "predict_proba"),
    )


def _without(row: FeatureRows, name: str, columns: Columns) -> tuple[object, FeatureRows]:
    """One row's value of a feature, and that row without it."""
    if name in columns.numeric:
        place = columns.numeric.index(name)
        numeric = row.numeric.copy()
        numeric[0, place] = np.nan
        return row.numeric[0, place], FeatureRows(numeric, row.categorical)
    place = columns.categorical.index(name)
    categorical: list[list[str | None]] = list(row.categorical)
    categorical[place] = [None]
    return row.categorical[place][0], FeatureRows(row.numeric, categorical)


def _known(release: Release) -> dict[str, frozenset[str]]:
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
        known[name] = frozenset(column.categories)
    return known


def _warm_up(served: ServedModel) -> None:
    """Answer once, for a row of which nothing is known: the first answer is slow, or impossible."""
    columns = served.spec.columns
    nothing = FeatureRows(
        np.full((1, len(columns.numeric)), np.nan), [[None] for _ in columns.categorical]
    )
    try:
        served.answer(nothing)
    except RequestError as error:
        raise ServingError(
            f"release {served.release} does not answer a row of missing values: {error}"
        ) from error
