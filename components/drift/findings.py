"""The drift check's findings, and their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from components.core.verdict import Answer, Finding, Severity
from components.drift import distances
from components.drift.columns import CategoryProfile, NumericProfile
from components.drift.describe import notes, sentence
from components.drift.effects import Learned
from components.drift.joint import JOINT
from components.drift.profile import LABEL, PREDICTION
from components.drift.rule import Evidence, Threshold
from components.drift.transport import wasserstein

Column = NumericProfile | CategoryProfile
# What the index, or an AUC, is where nothing drifted.
_NOTHING = {"psi": 0.0, "roc_auc": 0.5}


def column_finding(
    name: str,
    reference: Column,
    current: Column,
    evidence: Evidence,
    threshold: Threshold,
    learned: Learned | None = None,
    floor: float = 0.0,
) -> Finding:
    """What the rule found for one column.

    Where the threshold is learned, a change that is larger than any block of the reference showed,
    but that one more block might show, is not called drift, and no clean bill either.

    Args:
        name: the column.
        reference: its reference.
        current: the window.
        evidence: what the rule found.
        threshold: what it was held against.
        learned: where that comes from, if it is not the spec's.
        floor: the spec's own effect; smaller changes need no explanation.
    """
    answer, ending = evidence.answer, ""
    if learned is not None:
        ending = f"; the threshold is learned from {learned.source()}"
        psi = evidence.psi or 0.0
        if answer == "no drift" and psi >= floor:
            evidence = replace(evidence, answer="drift")  # for what changed
            if psi > learned.largest:
                answer = "underpowered"
                ending = (
                    f"; {learned.source()} showed less, but are too few to call it drift: take a "
                    "longer training.history, or set checks.drift.learn: false"
                )
            else:
                ending = f"; of {learned.source()}, one differs by {learned.largest:.2f}"
    new = current.others if isinstance(current, CategoryProfile) and current.complete else {}
    return Finding(
        column=name,
        statistic="psi",
        severity="drift" if answer == "drift" else "info",
        answer=answer,
        message=sentence(name, reference, current, evidence, threshold) + ending,
        value=evidence.psi,
        threshold=threshold.effect,
        interval=evidence.interval,
        p_value=evidence.p_value,
        minimum_effect=evidence.minimum_effect,
        count=current.rows,
        examples=sorted(new, key=lambda key: (-new[key], key))[:5],
    )


def ignored(finding: Finding) -> Finding:
    """The finding of a column that is only shown: it decides nothing."""
    if finding.answer == "drift":
        message = f"{finding.message}; ignored, as checks.drift.ignore asks"
        changed = {"severity": "info", "answer": "no drift", "message": message}
        return finding.model_copy(update=changed)
    if finding.answer == "underpowered":
        return finding.model_copy(update={"answer": None})
    return finding


def incomparable(name: str, reference: Column | None, current: Column | None) -> Finding:
    """The finding of a column that cannot be judged; that is no clean bill."""
    severity: Severity = "warn"
    answer: Answer | None = "underpowered"
    if current is None and name in (PREDICTION, LABEL):  # they come later, as they should
        severity, answer = "info", None
        problem = f"is not judged: the window has no {name}s yet"
    elif reference is None:
        problem = "is not judged: the champion was trained without it"
    elif current is None:
        problem = "is not judged: it was not profiled"
    else:
        problem = "was counted in other cells than the reference; profile it against that again"
    return Finding(
        column=name,
        statistic="psi",
        severity=severity,
        answer=answer,
        message=f"{name} {problem}",
    )


def noted(name: str, reference: Column, current: Column) -> list[Finding]:
    """Infinite and unreadable values: a warning where the reference had none."""
    before = {statistic for statistic, _, _ in notes(reference)}
    return [
        Finding(
            column=name,
            statistic=statistic,
            severity="info" if statistic in before else "warn",
            message=f"{name}: {count:,} of {current.rows:,} values {what}",
            count=count,
        )
        for statistic, count, what in notes(current)
    ]


def other_distances(reference: Column, current: Column, evidence: Evidence) -> dict[str, float]:
    """Other distances between the two, for those who know them."""
    if evidence.psi is None or evidence.cells is None:
        return {}
    coarse = distances.jensen_shannon(evidence.cells.reference, evidence.cells.current)
    found = {"psi": round(evidence.psi, 6), "jensen_shannon": round(coarse, 6)}
    before, after = (np.array(p.counts, dtype=np.float64) for p in (reference, current))
    if not before.sum() or not after.sum():
        return found
    if isinstance(reference, NumericProfile) and isinstance(current, NumericProfile):
        found["kolmogorov_smirnov"] = round(distances.kolmogorov_smirnov(before, after), 6)
        moved = wasserstein(reference, current)
        if moved is not None:
            found["wasserstein"] = round(moved, 6)
    return found


def rank(finding: Finding, importances: Mapping[str, float]) -> tuple[float, float]:
    """Sorts by the effect, in units of its threshold, times the column's weight, largest first.

    Prediction, label and all columns together weigh as much as the most important feature.

    >>> a, b = (
    ...     Finding(column=name, statistic="psi", severity="drift", message="", value=value,
    ...             threshold=0.1)
    ...     for name, value in (("a", 0.9), ("b", 0.3))
    ... )
    >>> [f.column for f in sorted([a, b], key=lambda f: rank(f, {"a": 0.1, "b": 0.9}))]
    ['b', 'a']
    """
    nothing = _NOTHING.get(finding.statistic, 0.0)
    effect = 0.0
    if finding.value is not None and finding.threshold:
        effect = (finding.value - nothing) / (finding.threshold - nothing)
    largest = max(importances.values(), default=1.0)
    weight = importances.get(finding.column, 0.0) if importances else 1.0
    if finding.column in (PREDICTION, LABEL, JOINT):
        weight = largest
    return -effect * max(weight, 0.0), -effect
