"""Two models' answers for the same rows, and how they differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.core.errors import DataError, ModelError
from components.model.bootstrap import (
    count_blocks,
    paired_interval,
    stretch_to,
    stretched,
    time_blocks,
    why_none,
)
from components.model.metrics import all_scores, check_probability, metric_named
from components.model.records import Bounds, SliceComparison, TrainingRecord
from components.model.rows import Rows, Slice
from components.model.score import (
    Array,
    FittedModel,
    common_classes,
    in_codes,
    target_of,
)


@dataclass(frozen=True)
class Outcome:
    """The metric of both on some rows; `difference` above zero: the challenger is better."""

    champion: float
    challenger: float
    difference: float
    interval: Bounds


class Comparison:
    """Both models' answers for the same rows.

    Args:
        rows: labelled rows that neither was fitted on.
        champion: one model.
        challenger: the other.

    Raises:
        ModelError: when both are one model, since none is ever compared with itself; when the spec
            no longer lists a feature of one; when one cannot be judged by the metric.
        DataError: when labels and models have more classes together than the task allows.
    """

    def __init__(self, rows: Rows, champion: FittedModel, challenger: FittedModel) -> None:
        if champion is challenger or champion.digest == challenger.digest:
            raise ModelError(
                f"model {str(challenger.digest)[:12]} would be compared with itself; "
                "pass the champion and another model"
            )
        self.rows, self.spec = rows, rows.spec
        self.metric = metric_named(self.spec.metric)
        labels = rows.labels
        classes = common_classes(labels, champion, challenger)
        if self.spec.task == "binary" and len(classes) > 2:
            raise DataError(
                f"the labels and the two models have {len(classes)} classes together, such as "
                f"{classes[:3]}, and task binary takes two; mend {self.spec.columns.target!r}"
            )
        self._y = target_of(labels, classes)
        self._blocks = time_blocks(rows.times)
        self._champion, self._challenger = (
            in_codes(model.predict(rows.features(model.columns)), model.classes, classes)
            for model in (champion, challenger)
        )
        for answers in (self._champion, self._challenger):
            check_probability(self.metric, answers, self.spec.estimator.class_)

    def outcome(self, positions: Array | None = None) -> Outcome | None:
        """Compare on all rows or on some; None where the metric is not defined on them."""
        y, champion, challenger = self._y, self._champion, self._challenger
        blocks = self._blocks
        if positions is not None:
            y, champion = y[positions], champion.rows(positions)
            challenger, blocks = challenger.rows(positions), blocks[positions]
        scores = self.metric.score(y, champion), self.metric.score(y, challenger)
        gate = self.spec.gate
        bounds = paired_interval(
            self.metric,
            y,
            champion,
            challenger,
            gate.resamples,
            gate.confidence,
            self.spec.training.seed,
            blocks,
        )
        if bounds is None or not np.isfinite(scores).all():
            return None
        return Outcome(*scores, self.metric.sign * (scores[1] - scores[0]), bounds)

    @property
    def blocks(self) -> int:
        """Over how many blocks of time the intervals are resampled."""
        return count_blocks(self._blocks)

    def why_none(self, positions: Array | None = None, labels: str = "their labels") -> str:
        """Why there is no outcome on these rows, as the end of a sentence."""
        return why_none(self._blocks if positions is None else self._blocks[positions], labels)

    def slices(self, parts: list[Slice]) -> list[SliceComparison]:
        """Compare on each slice that has enough rows and on which the metric is defined.

        Their intervals are so wide that those of all judged slices hold together: with many slices
        one of them would soon look worse by chance.
        """
        least = self.spec.gate.min_slice_rows
        outcomes = [
            self.outcome(part.positions) if len(part.positions) >= least else None for part in parts
        ]
        judged = sum(outcome is not None for outcome in outcomes)
        stretch = stretch_to(self.spec.gate.confidence, judged)
        return [
            self._slice(part, outcome, stretch)
            for part, outcome in zip(parts, outcomes, strict=True)
        ]

    def _slice(self, part: Slice, outcome: Outcome | None, stretch: float) -> SliceComparison:
        gate, rows = self.spec.gate, len(part.positions)
        if outcome is None:
            few = rows < gate.min_slice_rows
            why = self.why_none(part.positions, "its labels")
            note = f"{rows} rows of {gate.min_slice_rows}" if few else why
            return SliceComparison(
                column=part.column, value=part.value, rows=rows, verdict="not judged", note=note
            )
        bounds = stretched(outcome.difference, outcome.interval, stretch)
        return SliceComparison(
            column=part.column,
            value=part.value,
            rows=rows,
            verdict="worse" if bounds[1] < -gate.slice_margin else "fine",
            champion_score=outcome.champion,
            challenger_score=outcome.challenger,
            difference=outcome.difference,
            interval=bounds,
        )

    def metrics(self) -> tuple[dict[str, float], dict[str, float]]:
        """Every metric that fits the task, the champion's and the challenger's."""
        task = self.spec.task
        return (
            all_scores(task, self._y, self._champion),
            all_scores(task, self._y, self._challenger),
        )


def constant_model(record: TrainingRecord, like: FittedModel) -> FittedModel:
    """A model that answers every row as scikit-learn's Dummy would, fitted on the fit rows.

    Args:
        record: says what the constant answer is.
        like: whose task, classes and columns it shares.
    """
    answer = np.array(record.baseline)
    pipeline = _Mean(answer) if like.task == "regression" else _Prior(answer)
    return FittedModel(pipeline, like.task, like.classes, like.columns, digest="baseline")


@dataclass(frozen=True)
class _Mean:
    """DummyRegressor, strategy mean."""

    answer: Array

    def predict(self, features: Array) -> Array:
        return np.repeat(self.answer, len(features))


@dataclass(frozen=True)
class _Prior:
    """DummyClassifier, strategy prior."""

    answer: Array

    def predict_proba(self, features: Array) -> Array:
        return np.tile(self.answer, (len(features), 1))
