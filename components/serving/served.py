"""A loaded release: what a request is answered with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from components.core.errors import ServingError
from components.data.feature_rows import FeatureRows
from components.model.records import Label
from components.model.runtime import Runtime
from components.model.score import Predictions
from components.serving.codec import class_name
from components.serving.domain import Domain
from components.serving.quick import QuickRows
from components.serving.quick_tensors import QuickTensors
from components.serving.refusal import RequestError
from components.spec.model import Columns, Spec

Kind = Literal["predict", "infer"]

_FEW = 64


@dataclass(frozen=True)
class ServedModel:
    """A loaded release, ready to answer.

    `runtime` answers for typed rows; nothing else here knows what kind of model it is. `domain` is
    what training saw. `model_sha256` is that of the trained model, whatever answers in its place.
    `example` is a row as `/predict` takes it, where the release has one.
    """

    name: str
    release: str
    model_sha256: str
    spec: Spec
    runtime: Runtime
    domain: Domain
    example: Mapping[str, Any] | None = None

    @cached_property
    def classes(self) -> list[Label]:
        """The classes in order; none for regression."""
        return list(self.runtime.classes)

    @cached_property
    def class_names(self) -> list[str]:
        """The classes as they are called in answers."""
        return [class_name(value) for value in self.classes]

    @cached_property
    def outputs(self) -> list[str]:
        """The names of what it answers with."""
        estimates = self.classes and self.runtime.estimates
        return ["prediction", "probability"] if estimates else ["prediction"]

    @cached_property
    def routes(self) -> dict[bytes, Kind]:
        """The paths at which it answers, as they stand in a request's first line."""
        one = f"/v2/models/{self.name}"
        return {
            b"/predict": "predict",
            f"{one}/infer".encode(): "infer",
            f"{one}/versions/{self.release}/infer".encode(): "infer",
        }

    @cached_property
    def quick_rows(self) -> QuickRows:
        """Reads `/predict`'s bodies quickly."""
        return QuickRows(self.domain, self.spec.serving.max_rows)

    @cached_property
    def quick_tensors(self) -> QuickTensors:
        """Reads `/infer`'s bodies quickly."""
        return QuickTensors(self.domain, self.spec.serving.max_rows)

    def answer(self, features: FeatureRows) -> Predictions:
        """Answer for rows.

        Raises:
            RequestError: naming row and field of a value that this model cannot answer.
            ServingError: when the model fails, and no row is to blame.
        """
        problem, answers = self._try(features)
        if answers is None:
            raise RequestError(self._blame(features, problem))
        return answers

    def answer_if_it_can(self, features: FeatureRows) -> Predictions | None:
        """Answer for rows, or None where it cannot, for whatever reason."""
        try:
            return self._try(features)[1]
        except Exception:
            return None

    def _try(self, features: FeatureRows) -> tuple[str, Predictions | None]:
        """The answers, or None with what stands against them."""
        try:
            answers = self.runtime.answer(features)
        except (ValueError, ArithmeticError) as error:
            return str(error).partition("\n")[0].rstrip("."), None
        if len(answers) != len(features):  # whose is whose would be a guess
            raise ServingError(
                f"the model of {self.release} answered {len(answers)} rows, not {len(features)}"
            )
        numbers = answers.probability if self.classes else answers.prediction
        if numbers is None or _finite(numbers):
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


def _finite(numbers: NDArray[Any]) -> bool:
    if numbers.size <= _FEW:  # for few, numpy takes longer
        return all(map(math.isfinite, numbers.ravel().tolist()))
    return bool(np.isfinite(numbers).all())


def _without(row: FeatureRows, name: str, columns: Columns) -> tuple[object, FeatureRows]:
    """One row's value of a feature, and that row without it."""
    if name in columns.numeric:
        place = columns.numeric.index(name)
        numeric = row.numeric.copy()
        numeric[0, place] = np.nan
        return row.numeric[0, place], FeatureRows(numeric, row.categorical)
    place = columns.categorical.index(name)
    categorical = list(row.categorical)
    categorical[place] = [None]
    return row.categorical[place][0], FeatureRows(row.numeric, categorical)
