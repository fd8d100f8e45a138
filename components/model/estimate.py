"""The metric while labels are late: an estimate from the answers alone, never a verdict.

The champion's probabilities, read as the holdout says they are to be read, stand in for the labels
that are not there (confidence-based performance estimation; Guillory et al., Predicting with
Confidence on Unseen Distributions, 2021; Bialek et al., Estimating Model Performance under
Covariate Shift without Labels, 2024). Labels are drawn from them and the metric is computed on
what was drawn, so that any metric can be estimated. For a regressor the holdout's residuals of
like answers are drawn.

That is right while only the features change. It is blind where the relation between features and
label changes, which is what concept drift is: so it never speaks of drift.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np

from components.core.verdict import Finding, Severity
from components.core.words import percent
from components.model.answers import ModelSource, champion_answers
from components.model.bootstrap import time_blocks
from components.model.calibration import MAX_CLASSES, calibrated, extrapolated, groups_of
from components.model.metrics import Metric, metric_named
from components.model.records import Bounds, Calibration, TrainingRecord
from components.model.rows import Rows
from components.model.score import Array, Predictions, in_codes
from components.model.words import number, span
from components.spec.model import Spec

# More rows make an estimate no better: what the holdout knows is the limit.
_ROWS = 20_000
_DRAWS = 50
# From this share of answers on that the holdout had nothing like, an estimate is a guess.
_BEYOND = 0.1


@dataclass(frozen=True)
class Estimate:
    """The metric as it is to be expected without concept drift, with an interval, on `rows`."""

    value: float
    interval: Bounds
    rows: int


def estimate(
    metric: Metric,
    answers: Predictions,
    blocks: Array,
    record: TrainingRecord,
    calibration: Calibration,
    seed: int,
) -> Estimate | None:
    """Estimate a metric from a model's answers alone.

    Args:
        metric: the metric.
        answers: (n,) the answers, in codes.
        blocks: (n,) each row's block of time.
        record: the model's training record; its interval is part of this one.
        calibration: what the answers meant on the holdout.
        seed: of the draws.

    Returns:
        The estimate; None where the metric is hardly ever defined. The interval covers the chance
        of the rows and of their labels, and what the holdout leaves uncertain.
    """
    usable = _usable(answers)
    answers, blocks = answers.rows(usable), blocks[usable]
    if len(answers) == 0:
        return None
    random = np.random.default_rng(seed)
    blocks = np.unique(blocks, return_inverse=True)[1]
    count = int(blocks.max()) + 1
    ones = np.ones(len(answers), dtype=np.int64)
    found = []
    for y in _labels(answers, calibration, random):
        scorer = metric.prepare(y, answers)
        weights = np.bincount(random.integers(0, count, count), minlength=count)[blocks]
        found.append((scorer(ones), scorer(weights)))
    values = np.array([pair for pair in found if np.isfinite(pair).all()])
    if len(values) < _DRAWS / 2:
        return None
    value = float(values[:, 0].mean())
    reach = NormalDist().inv_cdf((1 + record.confidence) / 2) * float(values[:, 1].std())
    # What the holdout leaves uncertain is only known of the metric that it was measured by.
    known = record.interval if record.metric == metric.name else (record.score, record.score)
    below, above = (abs(end - record.score) for end in known)
    ends = value - float(np.hypot(reach, below)), value + float(np.hypot(reach, above))
    low, high = np.clip(ends, *metric.range).tolist()
    return Estimate(value, (low, high), len(answers))


def estimate_finding(
    spec: Spec,
    data: Rows,
    predictions_path: Path | None,
    record: TrainingRecord,
    champion: str,
    model: ModelSource,
    measured: float | None,
) -> Finding:
    """The estimate as a finding: a note, or a warning while there is nothing measured.

    Args:
        spec: the metric, `checks.performance` and the seed.
        data: all rows of the window, labelled or not; at most 20,000 of them are looked at.
        predictions_path: the window's part of the prediction log, or None.
        record: the champion's training record.
        champion: the release that is judged.
        model: the champion, or what loads it, for rows that the log lacks; or None.
        measured: the metric on the labels that have arrived, or None.

    Raises:
        DataError: when the log cannot be read.
        ModelError: when the model is asked, and the spec no longer lists a feature of it.
    """
    metric = metric_named(spec.metric)
    if record.calibration is None:
        reason = "the champion states no probabilities"
        if len(record.classes) > MAX_CLASSES:
            reason = f"the champion has more than {MAX_CLASSES} classes"
        elif record.task == "regression" or "log_loss" in record.metrics:
            reason = "the champion's training record holds no calibration; train again"
        return _finding(spec, f"there is none of {metric.name}, because {reason}")
    rows = _some(data, spec.training.seed)
    enough = spec.checks.performance.min_labels
    answered = champion_answers(rows, predictions_path, record, champion, model, enough)
    coded = in_codes(answered.answers, record.classes, record.classes)
    found = None
    if len(coded) and (coded.probability is not None or record.task == "regression"):
        blocks = time_blocks(answered.rows.times)
        seed = spec.training.seed
        found = estimate(metric, coded, blocks, record, record.calibration, seed)
    if found is None:
        because = (
            f"it is not defined for the {len(coded):,} answers" if len(coded) else "no answers"
        )
        return _finding(spec, f"there is none of {metric.name}: {because}")
    beyond = 0.0
    if coded.probability is not None:
        beyond = extrapolated(record.calibration, coded.probability)
    return _judged(spec, record, metric, found, measured, beyond)


def _judged(
    spec: Spec,
    record: TrainingRecord,
    metric: Metric,
    found: Estimate,
    measured: float | None,
    beyond: float,
) -> Finding:
    words = (
        f"{metric.name} {number(found.value)} {span(found.interval)} if the {found.rows:,} answers "
        "are as often right as such answers were on the holdout"
    )
    severity: Severity = "info"
    threshold = None
    if record.metric == metric.name:
        drop = spec.checks.performance.drop
        threshold = record.score - metric.sign * drop
        words += f", {number(record.score)} there"
        best = found.interval[1] if metric.greater_is_better else found.interval[0]
        loss, least = (metric.sign * (record.score - value) for value in (found.value, best))
        if measured is None and loss >= drop and least > 0:
            severity = "warn"
            words += f"; a loss of {number(loss)} is to be expected"
    if measured is not None:
        words += f"; {number(measured)} on the labels that have arrived"
    if beyond > _BEYOND:
        severity = "info"
        words += (
            f"; {percent(beyond)} of the answers lie beyond all that the holdout had, so it is a "
            "guess"
        )
    words += "; it follows the features and cannot see concept drift"
    return _finding(
        spec,
        words,
        severity=severity,
        value=found.value,
        interval=found.interval,
        threshold=threshold,
        count=found.rows,
    )


def _finding(
    spec: Spec,
    words: str,
    *,
    severity: Severity = "info",
    value: float | None = None,
    interval: Bounds | None = None,
    threshold: float | None = None,
    count: int = 0,
) -> Finding:
    return Finding(
        column=spec.columns.target,
        statistic=f"estimated {spec.metric}",
        severity=severity,
        message=f"estimate: {words}",
        value=value,
        interval=interval,
        threshold=threshold,
        count=count,
    )


def _labels(
    answers: Predictions, calibration: Calibration, random: np.random.Generator
) -> Iterator[Array]:
    """Labels (n,) that the answers could have, once a draw."""
    count = len(answers)
    if answers.probability is not None:
        shares = np.cumsum(calibrated(calibration, answers.probability), axis=1)[:, :-1]
        for _ in range(_DRAWS):
            yield (random.random(count)[:, None] >= shares).sum(axis=1)
        return
    sizes = np.array([len(group) for group in calibration.residuals])
    table = np.zeros((len(sizes), sizes.max()))
    for group, residuals in enumerate(calibration.residuals):
        table[group, : len(residuals)] = residuals
    groups = groups_of(calibration, answers.prediction)
    for _ in range(_DRAWS):
        places = (random.random(count) * sizes[groups]).astype(np.int64)
        yield answers.prediction + table[groups, places]


def _usable(answers: Predictions) -> Array:
    if answers.probability is not None:
        return np.asarray(np.isfinite(answers.probability).all(axis=1))
    return np.isfinite(answers.prediction)


def _some(rows: Rows, seed: int) -> Rows:
    if len(rows) <= _ROWS:
        return rows
    chosen = np.random.default_rng(seed).choice(len(rows), _ROWS, replace=False)
    mask = np.zeros(len(rows), dtype=bool)
    mask[chosen] = True
    return rows.where(mask)
