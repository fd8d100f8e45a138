"""The performance check: the champion's quality now against its quality at training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.core.verdict import Finding, Severity, Verdict
from components.core.window import Window
from components.model.answers import Answered, ModelSource, champion_answers
from components.model.bootstrap import (
    count_blocks,
    difference_interval,
    interval,
    stretch_to,
    time_blocks,
    why_none,
)
from components.model.metrics import metric_named
from components.model.records import Bounds, SliceScore, TrainingRecord
from components.model.rows import Rows, Slice, after, read_labelled
from components.model.score import Array, Predictions, encode, in_codes, target_of
from components.model.words import number, span
from components.spec.model import Spec

# So many slices are named in one sentence.
_NAMED = 5


def check_performance(
    spec: Spec,
    data_path: Path,
    predictions_path: Path | None,
    record: TrainingRecord,
    window: Window,
    champion: str,
    model: ModelSource,
) -> Verdict:
    """Hold the champion's metric on a window against the one on its training's holdout.

    `drift`: worse by at least `checks.performance.drop`, and the interval of the difference, in
    which both sides' uncertainty counts, excludes zero. `warn`: worse by as much, but perhaps by
    chance; or a slice is worse, beyond chance over all slices together. Too few labels, or labels
    that do not vary, are an `info` that says so. Rows before the champion's holdout do not count.

    Args:
        spec: the metric and `checks.performance`.
        data_path: the window, as ingest wrote it, with the labels that have arrived.
        predictions_path: what the log holds of the window, or None.
        record: the champion's training record.
        window: the window judged.
        champion: the release that is judged.
        model: the champion, or what loads it, for rows that the log lacks; or None.

    Returns:
        The verdict. The finding on the target's column is the window's metric: `value` with its
        `interval`, and `threshold`, the value from which on it alarms; those on the slices'
        columns follow. `facts` repeat score and interval, and say where the answers came from, and
        over how many `blocks` of time the interval was resampled.

    Raises:
        DataError: when the window or the log cannot be read.
    """
    rows = read_labelled(data_path, spec)
    fresh = rows.where(after(rows.times, Window.parse(record.holdout_window).start))
    enough = spec.checks.performance.min_labels
    answered = champion_answers(fresh, predictions_path, record, champion, model, enough)
    facts: dict[str, Any] = {
        "metric": spec.metric,
        "rows": len(rows) + rows.unlabelled,
        "labels": len(rows),
        "before_holdout": len(rows) - len(fresh),
        "from_log": answered.logged,
        "asked_now": answered.asked,
        "training_score": record.score,
        "training_interval": record.interval,
    }
    findings: list[Finding] = []
    if spec.task == "binary":
        answered, findings = _known_classes(spec, record, answered)
    facts["judged"] = len(answered.rows)
    check = _Check(spec, record, answered)
    whole = check.whole()
    facts |= {"score": whole.value, "interval": whole.interval, "blocks": check.blocks}
    findings = [whole, *findings]
    if whole.value is not None:
        findings += check.slices()
    return Verdict.of(
        "performance", str(window), champion, findings, quiet=whole.message, facts=facts
    )


@dataclass(frozen=True)
class _Loss:
    """How much worse than at training, in the metric's unit; below zero: better."""

    loss: float
    interval: Bounds

    @property
    def smallest(self) -> float:
        """The smallest loss that would have been beyond chance."""
        return self.loss - self.interval[0]


class _Check:
    """The champion's answers for labelled rows, against its training record."""

    def __init__(self, spec: Spec, record: TrainingRecord, answered: Answered) -> None:
        self._spec, self._record, self._rows = spec, record, answered.rows
        self._metric = metric_named(spec.metric)
        self._drop = spec.checks.performance.drop
        labels = answered.rows.labels
        extra = set() if spec.task == "regression" else set(labels.tolist())
        classes = record.classes + sorted(extra - set(record.classes), key=str)
        self._y = target_of(labels, classes)
        self._blocks = time_blocks(answered.rows.times)
        self.blocks = count_blocks(self._blocks)
        self._answers = in_codes(answered.answers, record.classes, classes)

    def whole(self) -> Finding:
        """The finding on all rows."""
        spec, record, count = self._spec, self._record, len(self._rows)
        needed = spec.checks.performance.min_labels
        if count < needed:
            return self._silent(
                f"{count:,} labels to judge by, and checks.performance.min_labels asks for "
                f"{needed:,}: {self._metric.name} is not judged"
            )
        value, bounds = self._score(self._y, self._answers, self._blocks)
        if bounds is None:
            return self._silent(
                f"{self._metric.name} is not defined on the {count:,} labels, because "
                f"{why_none(self._blocks, 'they')}: it is not judged"
            )
        now = f"{self._metric.name} {number(value)} {span(bounds)} on {count:,} labels"
        if record.metric != spec.metric:
            return self._finding(
                f"{now}; the champion was trained by {record.metric}, so there is nothing to hold "
                "it against: train again",
                value=value,
                interval=bounds,
            )
        loss = self._loss(value, bounds, record.score, record.interval, stretch=1)
        severity, words = _judge(loss, self._drop, "drift")
        return self._finding(
            f"{now}, {number(record.score)} {span(record.interval)} at training: {words}",
            severity=severity,
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
        severity, words = _judge(loss, self._drop, "warn")
        return self._finding(
            f"{name} {self._metric.name} {number(value)} {span(bounds)} on {count:,} labels, "
            f"{number(before.score)} at training: {words}",
            column=part.column,
            severity=severity,
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


def _judge(loss: _Loss, drop: float, alarm: Severity) -> tuple[Severity, str]:
    """The severity of a loss, and its words; `alarm` is how severe a certain loss is."""
    size = f"a {'gain' if loss.loss < 0 else 'loss'} of {number(abs(loss.loss))}"
    if loss.loss < drop or loss.loss <= 0:
        within = f", within the allowed {drop:g}" if loss.loss > 0 else ""
        possible = f", though a loss of {number(loss.interval[1])} is possible"
        return "info", f"{size}{within}{possible if loss.interval[1] > drop else ''}"
    if loss.interval[0] > 0:
        return alarm, f"{size} {span(loss.interval)}, at least {drop:g} and beyond chance"
    severity: Severity = "warn" if alarm == "drift" else "info"
    return severity, f"{size} {span(loss.interval)}, at least {drop:g}, but perhaps by chance"


def _known_classes(
    spec: Spec, record: TrainingRecord, answered: Answered
) -> tuple[Answered, list[Finding]]:
    """Leave out the labels that a binary champion cannot be right about, and say so."""
    labels = answered.rows.labels
    known = encode(labels, record.classes) >= 0
    if known.all():
        return answered, []
    foreign = sorted({str(value) for value in labels[~known].tolist()})
    finding = Finding(
        column=spec.columns.target,
        statistic="classes",
        severity="warn",
        message=(
            f"{int((~known).sum()):,} labels are none of the champion's classes, such as "
            f"{foreign[0]!r}, and were left out; mend the target, or set task: multiclass"
        ),
        count=int((~known).sum()),
        examples=foreign[:5],
    )
    rows: Rows = answered.rows.where(known)
    return Answered(rows, answered.answers.rows(known), answered.logged, answered.asked), [finding]
