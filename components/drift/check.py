"""The drift check: a window's distributions against the champion's reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from components.core.verdict import Finding, Verdict
from components.core.window import Window
from components.drift.effects import above, learn_effects
from components.drift.findings import (
    column_finding,
    ignored,
    incomparable,
    noted,
    other_distances,
    rank,
)
from components.drift.joint import JOINT, Excused, joint_finding, not_asked
from components.drift.logged import read_answers
from components.drift.profile import (
    LABEL,
    PREDICTION,
    Profile,
    merge,
    profile_arrays,
    profile_file,
    profile_labels,
)
from components.drift.rule import Threshold, judge
from components.drift.tally import same_cells
from components.drift.variation import Variation
from components.spec.model import Spec

# So many columns are named in the headline.
_NAMED = 3


def check_drift(
    current: Profile,
    reference: Profile,
    spec: Spec,
    window: Window,
    champion: str,
    *,
    importances: Mapping[str, float] | None = None,
    variation: Variation | None = None,
    samples: tuple[Path, Path] | None = None,
) -> Verdict:
    """Hold the profile of a window against the reference's, column by column.

    Features, and prediction and label where both profiles have them. Each has a finding: `drift`,
    or `info` for no drift and for too few rows to say, with the smallest effect that these rows
    could have shown. Bad data is a finding too, never an error.

    Args:
        current: the window, counted in the reference's cells (`profile_window`).
        reference: the champion's training window.
        spec: its columns and `checks.drift`.
        window: the window judged.
        champion: the release it is judged against.
        importances: the features' weights for the champion; findings of one severity are ordered
            by the effect, in units of its threshold, times the weight.
        variation: how much the reference varies by itself, for `checks.drift.learn`; without it
            every threshold is `checks.drift.effect`.
        samples: the release's sample and the window's file, for `checks.drift.joint`; without
            them a finding says that it was not asked.

    Returns:
        The verdict; `facts` hold the rows, the number of columns judged, the names of those that
        `drifted` and that are `underpowered`, distances for each column, and what was `learned`.

    Raises:
        DataError: when a file of the samples is not there or is no Parquet.
    """
    asked = spec.checks.drift
    judged = [name for name in _names(spec, reference) if name not in asked.ignore]
    level = asked.alpha / max(len(judged) + asked.joint, 1)
    learned = {}
    if variation is not None and asked.learn:
        learned = learn_effects(variation, _names(spec, reference), window, level)
    findings: list[Finding] = []
    excused: dict[Excused, list[str]] = {"varying": [], "slight": []}
    statistics: dict[str, dict[str, float]] = {}
    for name in _names(spec, reference):
        before, column = reference.columns.get(name), current.columns.get(name)
        if before is None or column is None or not same_cells(before, column):
            findings.append(incomparable(name, before, column))
            continue
        own = above(learned.get(name), asked.effect)
        threshold = Threshold(own.effect if own else asked.effect, level)
        # Not every row has a prediction or a label; that says nothing about either.
        evidence = judge(before, column, threshold, missing=name not in (PREDICTION, LABEL))
        statistics[name] = other_distances(before, column, evidence)
        finding = column_finding(name, before, column, evidence, threshold, own, asked.effect)
        if finding.severity != "drift" and finding.p_value is not None and finding.p_value < level:
            kind: Excused = "varying" if (finding.value or 0.0) >= asked.effect else "slight"
            excused[kind].append(name)
        findings.append(finding if name in judged else ignored(finding))
        findings += noted(name, before, column)
    if asked.joint and samples:
        drifted = [finding.column for finding in findings if finding.severity == "drift"]
        findings.append(joint_finding(*samples, spec, level, drifted, importances, excused))
    elif asked.joint:
        findings.append(not_asked())
    ordered = sorted(findings, key=lambda finding: rank(finding, importances or {}))
    underpowered = [f.column for f in ordered if f.answer == "underpowered"]
    unasked = asked.joint and not samples
    quiet = _quiet(len(judged), [name for name in underpowered if name != JOINT or not unasked])
    quiet += "; whether they changed together was not asked" if unasked else ""
    facts = {
        "rows": _rows(current, spec),
        "reference_rows": _rows(reference, spec),
        "columns": len(judged),
        "drifted": [f.column for f in ordered if f.severity == "drift"],
        "underpowered": underpowered,
        "statistics": statistics,
        "learned": {name: own.facts() for name, own in learned.items()},
    }
    return Verdict.of("drift", str(window), champion, ordered, quiet=quiet, facts=facts)


def profile_window(
    data_path: Path,
    predictions_path: Path | None,
    spec: Spec,
    reference: Profile,
    release: str | None = None,
) -> Profile:
    """Profile a window in the reference's cells: its features, labels, and logged predictions.

    Args:
        data_path: the window's Parquet file.
        predictions_path: the window's part of the prediction log, or None.
        spec: its columns and task.
        reference: where the cells are taken from.
        release: take this release's predictions only.

    Raises:
        DataError: when a file is not there or is no Parquet.
    """
    profile = profile_file(data_path, spec.columns.numeric, spec.columns.categorical, reference)
    if LABEL in reference.columns:
        profile = merge(profile, profile_labels(data_path, spec.columns.target, reference))
    if predictions_path is not None:
        profile = merge(profile, profile_predictions(predictions_path, spec, reference, release))
    return profile


def profile_predictions(
    path: Path, spec: Spec, reference: Profile, release: str | None = None
) -> Profile:
    """Profile logged predictions in the reference's cells; without any, or cells, no column.

    Raises:
        DataError: when the file is not there or is no Parquet.
    """
    predictions = read_predictions(path, spec, release)
    if PREDICTION not in reference.columns or not len(predictions):
        return Profile()
    return profile_arrays({PREDICTION: predictions}, reference)


def read_predictions(path: Path, spec: Spec, release: str | None = None) -> pa.Array:
    """What a logged prediction is profiled by, (n,), without nulls.

    The probability of the positive class (the last one) for a binary task, the class for more of
    them, the number for regression.
    """
    table = read_answers(path, release)
    if spec.task != "binary":
        return table.column("prediction").combine_chunks().drop_null()
    pairs = table.column("probability").combine_chunks()
    pairs = pairs.filter(pc.fill_null(pc.equal(pc.list_value_length(pairs), 2), False))
    return pc.list_element(pairs, 1)


def _names(spec: Spec, reference: Profile) -> list[str]:
    extra = [name for name in (PREDICTION, LABEL) if name in reference.columns]
    return [*spec.columns.features, *(name for name in extra if name not in spec.columns.features)]


def _rows(profile: Profile, spec: Spec) -> int:
    features: list[Any] = [profile.columns.get(name) for name in spec.columns.features]
    return max((column.rows for column in features if column is not None), default=0)


def _quiet(judged: int, unsure: list[str]) -> str:
    text = f"none of {judged} columns drifted"
    if not unsure:
        return text
    more = f" and {len(unsure) - _NAMED} more" if len(unsure) > _NAMED else ""
    return f"{text}; too few data to tell for {', '.join(unsure[:_NAMED])}{more}"
