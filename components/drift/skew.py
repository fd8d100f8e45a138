"""Training-serving skew: what the server was given against what training sees for the same ids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.core.errors import DataError
from components.core.verdict import Finding, Severity, Verdict
from components.core.window import Window
from components.core.words import percent
from components.data.prediction_log import FEATURE
from components.drift.causes import number_cause, text_cause
from components.drift.describe import pair_text, sentence
from components.drift.matching import Matched, match_rows, read_column, row_findings
from components.drift.profile import profile_arrays
from components.drift.rule import Threshold, judge
from components.drift.values import as_strings, read_numbers
from components.spec.model import Spec

_EXAMPLES = 5
# Enough differences to see a pattern in.
_PATTERN_ROWS = 10_000


def check_skew(
    data_path: Path, predictions_path: Path, spec: Spec, window: Window, champion: str
) -> Verdict:
    """Compare served and trained features, value by value and as distributions.

    Only what the champion answered counts: another release may have other features. Both
    comparisons are of the rows that are on both sides; rows that were never logged say nothing
    about how the others were served, so an incomplete log is a finding of its own.

    A feature has drifted apart when more of its rows differ than `checks.skew.share`, or when the
    drift rule finds different distributions; fewer rows are a `warn`. Numbers differ beyond the
    relative `checks.skew.tolerance`; a value always differs from none.

    Args:
        data_path: the window as training reads it.
        predictions_path: the window's part of the prediction log; it may have no rows.
        spec: its columns and limits.
        window: the window judged.
        champion: the release that is serving.

    Returns:
        The verdict; `ok`, with a finding that says so, where nothing was logged.

    Raises:
        DataError: when a file is not there or is no Parquet.
    """
    try:
        with pq.ParquetFile(data_path) as data, pq.ParquetFile(predictions_path) as log:
            matched = match_rows(data, log, spec.columns.id, champion)
            if not matched.logged:
                return _nothing_logged(window, champion, matched)
            features = spec.columns.features
            compared = [_Feature(name, data, log, matched, spec) for name in features]
            findings = list(row_findings(matched, spec))
            findings += sorted(
                (finding for feature in compared for finding in feature.findings()),
                key=lambda finding: -(finding.value or 0.0),
            )
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"{data_path} or {predictions_path} cannot be read as Parquet: {error}; "
            "ingest the window again"
        ) from error
    rows = len(matched.served)
    return Verdict.of(
        "skew",
        str(window),
        champion,
        findings,
        quiet=f"{rows:,} rows were served as training sees them",
        facts={
            "rows": rows,
            "only_served": matched.only_served,
            "only_trained": matched.only_trained,
            "other_releases": matched.other_releases,
            "columns": len(features),
            "skewed": sorted({f.column for f in findings if f.severity == "drift"}),
        },
    )


class _Feature:
    """One feature on both sides; its columns are read when they are asked for."""

    def __init__(
        self, name: str, data: pq.ParquetFile, log: pq.ParquetFile, matched: Matched, spec: Spec
    ) -> None:
        self.name, self.matched, self.spec = name, matched, spec
        self._data, self._log = data, log
        self._numeric = name in spec.columns.numeric

    def findings(self) -> Iterator[Finding]:
        """How many values differ, and whether the distributions do."""
        served, trained = (
            read_column(self._log, FEATURE + self.name),
            read_column(self._data, self.name),
        )
        if served is None or trained is None:
            lacking = "log" if served is None else "window"
            yield Finding(
                column=self.name,
                statistic="missing column",
                severity="warn",
                message=f"{self.name} is not judged: the {lacking} does not have it",
            )
            return
        pairs = _pairs(served, trained, self.matched)
        differ = self._differ(*pairs)
        if len(differ):
            yield self._difference(pairs, differ)
            yield from self._distribution(*pairs)  # rows that agree one by one need no such test
        elif len(self.matched.served):
            yield Finding(
                column=self.name,
                statistic="different values",
                severity="info",
                message=f"{self.name} was served as training sees it",
                value=0.0,
                threshold=self.spec.checks.skew.share,
                count=0,
            )

    def _differ(self, served: pa.Array, trained: pa.Array) -> NDArray[np.int64]:
        """The matched rows whose values differ, (k,)."""
        if not self._numeric:
            a, b = as_strings(served), as_strings(trained)
            same = pc.fill_null(pc.equal(a, b), pc.and_(a.is_null(), b.is_null()))
            return np.flatnonzero(~same.to_numpy(zero_copy_only=False))
        x, y = read_numbers(served).values, read_numbers(trained).values
        with np.errstate(invalid="ignore", over="ignore"):
            near = np.abs(x - y) <= self.spec.checks.skew.tolerance * np.maximum(
                np.abs(x), np.abs(y)
            )
        near &= np.isfinite(x) & np.isfinite(y)
        return np.flatnonzero(~(near | (x == y) | (np.isnan(x) & np.isnan(y))))

    def _difference(self, pairs: tuple[pa.Array, pa.Array], differ: NDArray[np.int64]) -> Finding:
        rows, limit = len(self.matched.served), self.spec.checks.skew.share
        share = len(differ) / rows
        severity: Severity = "drift" if share > limit else "warn"
        few = pa.array(differ[:_PATTERN_ROWS])
        served, trained = (column.take(few) for column in pairs)
        ids = self.matched.ids.take(few[:_EXAMPLES]).to_pylist()
        examples = [
            f"{row}: {pair_text(a, b)}"
            for row, a, b in zip(
                ids,
                served[:_EXAMPLES].to_pylist(),
                trained[:_EXAMPLES].to_pylist(),
                strict=True,
            )
        ]
        detail = self._detail(served, trained) or examples[0]
        return Finding(
            column=self.name,
            statistic="different values",
            severity=severity,
            message=f"{self.name} was served differently in {len(differ):,} of {rows:,} rows "
            f"({percent(share)}, limit {percent(limit)}): {detail}",
            value=share,
            threshold=limit,
            count=len(differ),
            examples=examples,
        )

    def _detail(self, served: pa.Array, trained: pa.Array) -> str:
        """The likely cause, or how large the differences are."""
        if not self._numeric:
            return text_cause(as_strings(served), as_strings(trained))
        x, y = read_numbers(served).values, read_numbers(trained).values
        if cause := number_cause(x, y):
            return cause
        size = np.abs(x - y)
        size = size[np.isfinite(size)]
        return f"by {np.median(size):.3g} in the median" if size.size else ""

    def _distribution(self, served: pa.Array, trained: pa.Array) -> Iterator[Finding]:
        drift = self.spec.checks.drift
        threshold = Threshold(drift.effect, drift.alpha / len(self.spec.columns.features))
        categorical = () if self._numeric else (self.name,)
        before = profile_arrays({self.name: trained}, categorical=categorical)
        after = profile_arrays({self.name: served}, before).columns[self.name]
        evidence = judge(before.columns[self.name], after, threshold)
        if evidence.answer == "drift":
            text = sentence(self.name, before.columns[self.name], after, evidence, threshold)
            yield Finding(
                column=self.name,
                statistic="psi",
                severity="drift",
                message=f"as served, {text}",
                value=evidence.psi,
                threshold=threshold.effect,
                interval=evidence.interval,
                p_value=evidence.p_value,
                minimum_effect=evidence.minimum_effect,
            )


def _pairs(served: pa.Array, trained: pa.Array, matched: Matched) -> tuple[pa.Array, pa.Array]:
    return served.take(pa.array(matched.served)), trained.take(pa.array(matched.trained))


def _nothing_logged(window: Window, champion: str, matched: Matched) -> Verdict:
    others = matched.other_releases
    message = f"no predictions were logged in {window}, so serving cannot be compared"
    if others:
        message = (
            f"none of the {others:,} predictions logged in {window} is of {champion}, so serving "
            "cannot be compared"
        )
    finding = Finding(column="", statistic="rows", severity="warn", message=message, count=0)
    return Verdict.of(
        "skew",
        str(window),
        champion,
        [finding],
        quiet=message,
        facts={
            "rows": 0,
            "only_served": 0,
            "only_trained": matched.only_trained,
            "other_releases": others,
            "skewed": [],
        },
    )
