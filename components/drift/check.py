"""The drift check: a window's distributions against the champion's reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.core.errors import DataError
from components.core.verdict import Finding, Severity, Verdict
from components.core.window import Window
from components.drift import distances
from components.drift.columns import CategoryProfile, NumericProfile
from components.drift.describe import notes, sentence
from components.drift.profile import LABEL, PREDICTION, Profile, merge, profile_arrays, profile_file
from components.drift.rule import Evidence, Threshold, judge
from components.drift.tally import same_cells
from components.spec.model import Spec

Column = NumericProfile | CategoryProfile


def check_drift(
    current: Profile,
    reference: Profile,
    spec: Spec,
    window: Window,
    champion: str,
    *,
    importances: Mapping[str, float] | None = None,
) -> Verdict:
    """Hold the profile of a window against the reference's, column by column.

    Features, and prediction and label where both profiles have them. Each has a finding: `drift`,
    or `info` for no drift and for too few rows to say, with the smallest effect that these rows
    could have shown. Bad data is a finding too, never an error.

    Args:
        current: the window, counted in the reference's cells (`profile_window`).
        reference: the champion's training window.
        spec: its columns and `checks.drift`: effect, alpha over all columns, ignored columns.
        window: the window judged.
        champion: the release it is judged against.
        importances: the features' weights for the champion; findings are ordered by the effect
            times the weight.

    Returns:
        The verdict; `facts` hold the rows, the number of columns judged, the names of those that
        `drifted` and that are `underpowered`, and distances for each column.
    """
    found = {name: current.columns.get(name) for name in _names(spec, reference)}
    judged = [name for name in found if name not in spec.checks.drift.ignore]
    level = spec.checks.drift.alpha / max(len(judged), 1)
    threshold = Threshold(spec.checks.drift.effect, level)
    findings: list[Finding] = []
    answers: dict[str, str] = {}
    statistics: dict[str, dict[str, float]] = {}
    for name, column in found.items():
        before = reference.columns.get(name)
        if before is None or column is None or not same_cells(before, column):
            findings.append(_incomparable(name, before, column))
            continue
        # Not every row has a prediction or a label; that says nothing about either.
        missing = name not in (PREDICTION, LABEL)
        evidence = judge(before, column, threshold, missing)
        answers[name] = evidence.answer
        statistics[name] = _statistics(before, column, evidence)
        findings.append(_finding(name, before, column, evidence, threshold, judged))
        findings += _notes(name, before, column)
    ordered = sorted(findings, key=lambda finding: _rank(finding, importances or {}))
    drifted = [f.column for f in ordered if f.severity == "drift"]
    underpowered = [name for name in judged if answers.get(name) == "underpowered"]
    return Verdict.of(
        "drift",
        str(window),
        champion,
        ordered,
        quiet=_quiet(len(judged), len(underpowered)),
        facts={
            "rows": _rows(current, spec),
            "reference_rows": _rows(reference, spec),
            "columns": len(judged),
            "drifted": drifted,
            "underpowered": underpowered,
            "statistics": statistics,
        },
    )


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
    outputs = {}
    if predictions_path is not None:
        outputs[PREDICTION] = read_predictions(predictions_path, spec, release)
    labels = _read(data_path, [spec.columns.target])
    if spec.columns.target in labels.column_names:
        outputs[LABEL] = labels.column(spec.columns.target).combine_chunks().drop_null()
    known = {name: a for name, a in outputs.items() if name in reference.columns and len(a)}
    return merge(profile, profile_arrays(known, reference))


def read_predictions(path: Path, spec: Spec, release: str | None = None) -> pa.Array:
    """What a logged prediction is profiled by, (n,), without nulls.

    The probability of the positive class (the last one) for a binary task, the class for more of
    them, the number for regression.
    """
    wanted = ["prediction", "probability", "release"]
    table = _read(path, wanted)
    if any(name not in table.column_names for name in wanted):
        return pa.array([], pa.float64())
    if release is not None:
        table = table.filter(pc.equal(table.column("release"), release))
    if spec.task != "binary":
        return table.column("prediction").combine_chunks().drop_null()
    pairs = table.column("probability").combine_chunks()
    pairs = pairs.filter(pc.fill_null(pc.equal(pc.list_value_length(pairs), 2), False))
    return pc.list_element(pairs, 1)


def _read(path: Path, names: list[str]) -> pa.Table:
    try:
        present = set(pq.read_schema(path).names)
        return pq.read_table(path, columns=[name for name in names if name in present])
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"{path} cannot be read as Parquet: {error}; write the window again"
        ) from error


def _names(spec: Spec, reference: Profile) -> list[str]:
    extra = [name for name in (PREDICTION, LABEL) if name in reference.columns]
    return [*spec.columns.features, *(name for name in extra if name not in spec.columns.features)]


def _finding(
    name: str,
    reference: Column,
    current: Column,
    evidence: Evidence,
    threshold: Threshold,
    judged: list[str],
) -> Finding:
    drifted = evidence.answer == "drift"
    ignored = drifted and name not in judged
    message = sentence(name, reference, current, evidence, threshold)
    new = current.others if isinstance(current, CategoryProfile) and current.complete else {}
    return Finding(
        column=name,
        statistic="psi",
        severity="drift" if drifted and not ignored else "info",
        answer="no drift" if ignored else evidence.answer,
        message=f"{message}; ignored, as checks.drift.ignore asks" if ignored else message,
        value=evidence.psi,
        threshold=threshold.effect,
        interval=evidence.interval,
        p_value=evidence.p_value,
        minimum_effect=evidence.minimum_effect,
        count=current.rows,
        examples=sorted(new, key=lambda key: (-new[key], key))[:5],
    )


def _incomparable(name: str, reference: Column | None, current: Column | None) -> Finding:
    severity: Severity = "warn"
    if current is None and name in (PREDICTION, LABEL):
        severity, problem = "info", f"is not judged: the window has no {name}s yet"
    elif reference is None:
        problem = "is not judged: the champion was trained without it"
    elif current is None:
        problem = "is not judged: it was not profiled"
    else:
        problem = "was counted in other cells than the reference; profile it against that again"
    return Finding(column=name, statistic="psi", severity=severity, message=f"{name} {problem}")


def _notes(name: str, reference: Column, current: Column) -> list[Finding]:
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


def _statistics(reference: Column, current: Column, evidence: Evidence) -> dict[str, float]:
    """Other distances between the two, for those who know them."""
    if evidence.psi is None or evidence.cells is None:
        return {}
    coarse = distances.jensen_shannon(evidence.cells.reference, evidence.cells.current)
    found = {"psi": round(evidence.psi, 6), "jensen_shannon": round(coarse, 6)}
    before, after = (np.array(p.counts, dtype=np.float64) for p in (reference, current))
    if not before.sum() or not after.sum():
        return found
    if isinstance(reference, NumericProfile) and reference.edges:
        found["kolmogorov_smirnov"] = round(distances.kolmogorov_smirnov(before, after), 6)
        if reference.deviation:
            edges = np.array(reference.edges)
            area = distances.wasserstein(before, after, edges, reference.discrete)
            found["wasserstein"] = round(area / reference.deviation, 6)
    return found


def _rank(finding: Finding, importances: Mapping[str, float]) -> tuple[float, float]:
    """Sorts by the effect times the weight, the largest first; prediction and label weigh most."""
    effect = finding.value or 0.0
    largest = max(importances.values(), default=1.0)
    weight = importances.get(finding.column, 0.0) if importances else 1.0
    if finding.column in (PREDICTION, LABEL):
        weight = largest
    return -effect * max(weight, 0.0), -effect


def _rows(profile: Profile, spec: Spec) -> int:
    features: list[Any] = [profile.columns.get(name) for name in spec.columns.features]
    return max((column.rows for column in features if column is not None), default=0)


def _quiet(judged: int, underpowered: int) -> str:
    text = f"none of {judged} columns drifted"
    return f"{text}; too few rows to tell for {underpowered}" if underpowered else text
