"""The drift rule between what was served and what training sees."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.core.verdict import Finding
from components.data.prediction_log import FEATURE
from components.drift.describe import sentence
from components.drift.differences import Differences
from components.drift.matching import Matched, Rows, batches
from components.drift.profile import profile_arrays
from components.drift.rows import take_column
from components.drift.rule import Threshold, judge
from components.drift.values import as_strings
from components.spec.model import Spec

# More evenly spaced rows than these do not make the rule's answer any surer.
_ROWS = 1 << 20


def compare_distributions(
    found: Differences, data: pq.ParquetFile, log: pq.ParquetFile, matched: Matched, spec: Spec
) -> Iterator[Finding]:
    """The rule on the rows of both sides: a finding where the distributions differ.

    Rows that agree one by one need no test, nor do so few others that the index stays below the
    threshold wherever they went.
    """
    effect = spec.checks.drift.effect
    if largest_index(found.share, found.rows) < effect:
        return
    slots = _spaced(found.rows)
    trained = take_column(data, found.name, matched.window_rows(slots))
    served = take_column(log, FEATURE + found.name, matched.log_rows(slots))
    finding = _judged(found.name, served, trained, found.numeric, spec)
    if finding.answer == "drift":
        yield finding


def largest_index(share: float, rows: int) -> float:
    """No move of that share of the rows makes a larger population stability index.

    The worst is to empty one cell and to fill another one, both with half a row added.

    >>> largest_index(1.0, 1000) > 10, largest_index(1e-4, 1_000_000) < 0.05
    (True, True)
    """
    return 2 * share * math.log(2 * share * rows + 1)


def compare_unmatched(
    names: Sequence[str], data: pq.ParquetFile, log: pq.ParquetFile, spec: Spec, champion: str
) -> Iterator[Finding]:
    """The rule on all rows of the window and all that the champion answered, whichever these are.

    Args:
        names: features that both files have.
        data: the window.
        log: the window's part of the prediction log.
        spec: roles and thresholds.
        champion: the release whose rows count.
    """
    own = _own(log, champion)
    own = own[_spaced(len(own))]
    rows = _spaced(data.metadata.num_rows)
    for name in names:
        served, trained = take_column(log, FEATURE + name, own), take_column(data, name, rows)
        finding = _judged(name, served, trained, name in spec.columns.numeric, spec)
        drifted = finding.answer == "drift"
        message = f"{finding.message}; these may be other rows" if drifted else finding.message
        severity = "warn" if drifted else "info"
        yield finding.model_copy(update={"severity": severity, "message": message})


def _judged(name: str, served: pa.Array, trained: pa.Array, numeric: bool, spec: Spec) -> Finding:
    drift = spec.checks.drift
    threshold = Threshold(drift.effect, drift.alpha / len(spec.columns.features))
    before = profile_arrays({name: trained}, categorical=() if numeric else (name,))
    after = profile_arrays({name: served}, before).columns[name]
    evidence = judge(before.columns[name], after, threshold)
    text = sentence(name, before.columns[name], after, evidence, threshold)
    return Finding(
        column=name,
        statistic="psi",
        severity="drift" if evidence.answer == "drift" else "info",
        answer=evidence.answer,
        message=f"as served, {text}",
        value=evidence.psi,
        threshold=threshold.effect,
        interval=evidence.interval,
        p_value=evidence.p_value,
        minimum_effect=evidence.minimum_effect,
    )


def _own(log: pq.ParquetFile, champion: str) -> Rows:
    """The log's rows that the champion answered."""
    found = [np.zeros(0, np.int64)]
    for start, column in batches(log, "release"):
        same = pc.fill_null(pc.equal(as_strings(column), champion), False)
        found.append(start + np.flatnonzero(same.to_numpy(zero_copy_only=False)))
    return np.concatenate(found)


def _spaced(rows: int) -> Rows:
    return np.linspace(0, max(rows - 1, 0), min(rows, _ROWS)).astype(np.int64)
