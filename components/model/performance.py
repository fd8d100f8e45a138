"""The performance check: the champion's quality now against its quality at training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.core.verdict import Finding, Verdict
from components.core.window import Window
from components.model.answers import Answered, ModelSource, champion_answers
from components.model.concept_check import check_concept
from components.model.concept_state import ConceptMemory
from components.model.coverage import label_coverage
from components.model.estimate import estimate_finding
from components.model.quality import Quality
from components.model.records import TrainingRecord
from components.model.rows import after
from components.model.score import encode
from components.model.window_rows import read_window
from components.spec.model import Spec


def check_performance(
    spec: Spec,
    data_path: Path,
    predictions_path: Path | None,
    record: TrainingRecord,
    window: Window,
    champion: str,
    model: ModelSource,
    memory: ConceptMemory | None = None,
) -> Verdict:
    """Hold the champion's answers on a window against those on its training's holdout.

    - The metric. `drift`: worse by at least `checks.performance.drop`, and the interval of the
      difference, in which both sides' uncertainty counts, excludes zero. `warn`: worse by as much,
      but perhaps by chance; or a slice is worse, beyond chance over all slices together.
    - The errors one by one (`check_concept`), going on where the last window ended. `drift`: their
      rate has risen.
    - How many of the labels that are due have arrived (`label_coverage`).
    - The metric estimated without labels (`estimate_finding`), which is never more than a warning.

    Too few labels, or labels that do not vary, are an `info` that says so. Rows before the
    champion's holdout do not count.

    Args:
        spec: the metric and `checks.performance`.
        data_path: the window, as ingest wrote it, with the labels that have arrived.
        predictions_path: what the log holds of the window, or None.
        record: the champion's training record.
        window: the window judged.
        champion: the release that is judged.
        model: the champion, or what loads it, for rows that the log lacks; or None.
        memory: where the detector's state is kept between windows; None begins anew.

    Returns:
        The verdict. The finding on the target's column whose statistic is the metric is the
        window's: `value` with its `interval`, and `threshold`, the value from which on it alarms.
        `facts` repeat score and interval, and say where the answers came from, over how many
        `blocks` of time the interval was resampled, how many labels are due, where the detector
        stands (`concept`), and the estimate.

    Raises:
        DataError: when the window or the log cannot be read.
        StoreError: when the detector's states cannot be read or written.
    """
    everything, rows, unusable = read_window(data_path, spec)
    since = Window.parse(record.holdout_window).start
    fresh = rows.where(after(rows.times, since))
    enough = spec.checks.performance.min_labels
    answered = champion_answers(fresh, predictions_path, record, champion, model, enough)
    facts: dict[str, Any] = {
        "metric": spec.metric,
        "rows": len(everything),
        "labels": len(rows),
        "before_holdout": len(rows) - len(fresh),
        "from_log": answered.logged,
        "asked_now": answered.asked,
    }
    foreign: list[Finding] = []
    if spec.task == "binary":
        answered, foreign = _known_classes(spec, record, answered)
    quality = Quality(spec, record, answered)
    whole = quality.whole()
    times = answered.rows.times
    concept = check_concept(spec, record, window, champion, quality.wrong, times, memory)
    coverage, counts = label_coverage(spec, data_path, everything.times, len(rows))
    unseen = everything.where(after(everything.times, since))
    estimated = estimate_finding(
        spec, unseen, predictions_path, record, champion, model, whole.value
    )
    findings = [whole, *concept.findings, coverage, estimated, *foreign, *unusable]
    if whole.value is not None:
        findings += quality.slices()
    facts |= quality.facts(whole) | counts | concept.facts
    facts |= {"estimate": estimated.value, "estimate_interval": estimated.interval}
    return Verdict.of(
        "performance", str(window), champion, findings, quiet=whole.message, facts=facts
    )


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
    rows = answered.rows.where(known)
    return Answered(rows, answered.answers.rows(known), answered.logged, answered.asked), [finding]
