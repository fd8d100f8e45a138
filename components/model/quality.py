"""The champion's metric on a window against the one on its holdout, as a whole and by slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from components.core.verdict import Answer, Finding, Severity
from components.model.answers import Answered
from components.model.bootstrap import (
    count_blocks,
    difference_interval,
    interval,
    stretch_to,
    time_blocks,
    why_none,
)
from components.model.errors import wrong_answers
from components.model.metrics import metric_named
from components.model.records import Bounds, SliceScore, TrainingRecord
from components.model.rows import Slice
from components.model.score import Array, Predictions, in_codes, target_of
from components.model.words import number, span
from components.spec.model import Spec

# So many slices are named in one sentence.
_NAMED = 5


@dataclass(frozen=True)
class _Loss:
    """How much worse than at training, in the metric's unit; below zero: better."""

    loss: float
    interval: Bounds

    @property
    def smallest(self) -> float:
        """The smallest loss that would have been beyond chance."""
        return self.loss - self.interval[0]


class Quality:
    """The champion's answers for labelled rows, against its training record.

    Args:
        spec: the metric, `checks.performance` and the gate's rows for a slice.
        record: the champion's training record.
        answered: the rows with the answers.
    """

    def __init__(self, spec: Spec, record: TrainingRecord, answered: Answered) -> None:
        self._spec, self._record, self._rows = spec, record, answered.rows
        self._metric = metric_named(spec.metric)
        self._drop = spec.checks.performance.drop
        labels = answered.rows.labels
        extra = set() if spec.task == "regression" else set(labels.tolist())
        classes = record.classes + sorted(extra - set(record.classes), key=str)
        self._y = target_of(labels, classes)
        self._blocks = time_blocks(answered.rows.times)
        self._answers = in_codes(answered.answers, record.classes, classes)

    @property
    def wrong(self) -> Array:
        """Which answers were wrong, (n,), by the bound that training set for a regressor."""
        bound = self._record.errors.bound if self._record.errors else None
        return wrong_answers(self._y, self._answers, bound)

    def facts(self, whole: Finding) -> dict[str, Any]:
        """The figures of the finding on all rows, and what they are held against."""
        return {
            "training_score": self._record.score,
            "training_interval": self._record.interval,
            "judged": len(self._rows),
            "score": whole.value,
            "interval": whole.interval,
            "blocks": count_blocks(self._blocks),
        }

    def whole(self) -> Finding:
        """The finding on all rows."""
        spec, record, count = self._spec, self._record, len(self._rows)
        needed = spec.checks.performance.min_labels
        if count < needed:
            return self._finding(
                answer="underpowered",
                message=f"{count:,} labels to judge by, and checks.performance.min_labels asks for "
                f"{needed:,}: {self._metric.name} is not judged",
            )
        value, bounds = self._score(self._y, self._answers, self._blocks)
        if bounds is None:
            return self._finding(
                answer="underpowered",
                message=f"{self._metric.name} is not defined on the {count:,} labels, because "
                f"{why_none(self._blocks, 'they')}: it is not judged",
            )
        now = f"{self._metric.name} {number(value)} {span(bounds)} on {count:,} labels"
        if record.metric != spec.metric:
            return self._finding(
                f"{now}; the champion was trained by {record.metric}, so there is nothing to hold "
                "it against: train again",
                answer="underpowered",
                value=value,
                interval=bounds,
            )
        loss = self._loss(value, bounds, record.score, record.interval, stretch=1)
        severity, answer, words = _judge(loss, self._drop, "drift")
        return self._finding(
            f"{now}, {number(record.score)} {span(record.interval)} at training: {words}",
            severity=severity,
            answer=answer,
            value=value,
            interval=bounds,
            threshold=self._threshold(record.score),
            minimum_effect=loss.smallest,
        )

    def slices(self) -> list[Finding]:
        """A finding for each slice that can be judged, and one on those that cannot."""
        before = {(part.column, part.value): part for part in self._record.slices}
        judged: list[tuple[Slice, SliceScore]] = []
        silent: list[str] = []
        for part in self._rows.slices():
            known = before.get((part.column, part.value))
            few = len(part.positions) < self._spec.gate.min_slice_rows
            if self._record.metric != self._spec.metric or few or not known or not known.interval:
                silent.append(f"{part.column}={part.value} ({len(part.positions)} labels)")
            else:
                judged.append((part, known))
        stretch = stretch_to(self._record.confidence, len(judged))
        findings = [self._slice(part, known, stretch) for part, known in judged]
        if silent:
            more = f" and {len(silent) - _NAMED} more" if len(silent) > _NAMED else ""
            findings.append(
                self._silent(
                    "slices not judged, for want of labels now or at training: "
                    f"{', '.join(silent[:_NAMED])}{more}"
                )
            )
        return findings

    def _slice(self, part: Slice, before: SliceScore, stretch: float) -> Finding:
        count = len(part.positions)
        blocks = self._blocks[part.positions]
        value, bounds = self._score(
            self._y[part.positions], self._answers.rows(part.positions), blocks
        )
        name = f"where {part.column} is {part.value}"
        if bounds is None or before.score is None or before.interval is None:
            return self._silent(
                f"{self._metric.name} is not defined {name}: {why_none(blocks, 'labels')}"
            )
        loss = self._loss(value, bounds, before.score, before.interval, stretch)
        severity, answer, words = _judge(loss, self._drop, "warn")
        return self._finding(
            f"{name} {self._metric.name} {number(value)} {span(bounds)} on {count:,} labels, "
            f"{number(before.score)} at training: {words}",
            column=part.column,
            severity=severity,
            # Small slices are many: that they cannot be judged must not speak for the window.
            answer=None if answer == "underpowered" else answer,
            value=value,
            interval=bounds,
            threshold=self._threshold(before.score),
            minimum_effect=loss.smallest,
            count=count,
            examples=[part.value],
        )

    def _score(self, y: Array, answers: Predictions, blocks: Array) -> tuple[float, Bounds | None]:
        value = self._metric.score(y, answers)
        resamples = self._spec.checks.performance.resamples
        seed, level = self._spec.training.seed, self._record.confidence
        bounds = interval(self._metric, y, answers, resamples, level, seed, blocks)
        return value, bounds if np.isfinite(value) else None

    def _loss(
        self, value: float, bounds: Bounds, before: float, before_bounds: Bounds, stretch: float
    ) -> _Loss:
        low, high = difference_interval(value, bounds, before, before_bounds, stretch)
        if self._metric.greater_is_better:
            return _Loss(before - value, (low, high))
        return _Loss(value - before, (-high, -low))

    def _threshold(self, before: float) -> float:
        return before - self._metric.sign * self._drop

    def _silent(self, message: str) -> Finding:
        return self._finding(message)

    def _finding(self, message: str, **figures: Any) -> Finding:
        given: dict[str, Any] = {
            "column": self._spec.columns.target,
            "statistic": self._metric.name,
            "severity": "info",
            "count": len(self._rows),
        }
        return Finding(message=message, **(given | figures))


def _judge(loss: _Loss, drop: float, alarm: Severity) -> tuple[Severity, Answer, str]:
    """The severity of a loss, the answer, and the words; `alarm` is how severe a certain loss is.

    Underpowered: not even a loss of `drop` could have been told from chance, and one is possible.
    """
    size = f"a {'gain' if loss.loss < 0 else 'loss'} of {number(abs(loss.loss))}"
    vague = loss.smallest > drop and loss.interval[1] > drop
    answer: Answer = "underpowered" if vague else "no drift"
    if loss.loss < drop or loss.loss <= 0:
        within = f", within the allowed {drop:g}" if loss.loss > 0 else ""
        possible = f", though a loss of {number(loss.interval[1])} is possible"
        return "info", answer, f"{size}{within}{possible if loss.interval[1] > drop else ''}"
    if loss.interval[0] > 0:
        return alarm, "drift", f"{size} {span(loss.interval)}, at least {drop:g} and beyond chance"
    severity: Severity = "warn" if alarm == "drift" else "info"
    return (
        severity,
        answer,
        f"{size} {span(loss.interval)}, at least {drop:g}, but perhaps by chance",
    )
