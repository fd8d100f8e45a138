"""Training-serving skew: what the server was given against what training sees for the same ids."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.core.errors import DataError
from components.core.verdict import Finding, Verdict
from components.core.window import Window
from components.data.prediction_log import FEATURE
from components.drift.causes import Cause
from components.drift.differences import Differences, compare_column
from components.drift.explain import find_causes, read_samples
from components.drift.matching import Matched, match_rows, row_findings
from components.drift.skew_findings import EXAMPLES, bad_column, difference, lacking_column
from components.drift.skew_rule import compare_distributions, compare_unmatched
from components.spec.model import Spec


def check_skew(
    data_path: Path,
    predictions_path: Path,
    spec: Spec,
    window: Window,
    champion: str,
    *,
    importances: Mapping[str, float] | None = None,
) -> Verdict:
    """Compare served and trained features, value by value and as distributions.

    Only what the champion answered counts: another release may have other features. Both
    comparisons are of the rows that are on both sides, so that skew is all that can differ; rows
    that were never logged say nothing about how the others were served, so an incomplete log is a
    finding of its own. Where no id is on both sides, the distributions of all logged rows are held
    against those of the window as training reads it; since these may be other rows, what differs
    is a `warn`, and the check as a whole is underpowered.

    A feature has drifted apart when more of its rows differ than `checks.skew.share`, or when the
    drift rule finds different distributions; fewer rows are a `warn`. Numbers differ beyond
    `checks.skew.tolerance`; a value always differs from none. Where nothing differs on so few rows
    that a larger share than the limit could have stayed out of sight, the answer is
    `underpowered`. Bad data is a finding, never an error.

    Args:
        data_path: the window as training reads it.
        predictions_path: the window's part of the prediction log; it may have no rows.
        spec: its columns and limits.
        window: the window judged.
        champion: the release that is serving.
        importances: the features' weights for the champion; findings of one severity are ordered
            by the share that differs times the weight.

    Returns:
        The verdict; its facts hold the rows, the features that are `skewed` and that are
        `underpowered`, and by feature the `causes` found, in `rows` of at most 4,000 that differ
        (of long texts an estimate).
        Where nothing was logged it is a `warn` that says so.

    Raises:
        DataError: when a file is not there or is no Parquet.
    """
    try:
        with _opened(data_path) as data, _opened(predictions_path) as log:
            return _Check(data, log, spec, importances or {}).verdict(window, champion)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"{data_path} or {predictions_path} cannot be read as Parquet: {error}; "
            "ingest the window again"
        ) from error


def _opened(path: Path) -> pq.ParquetFile:
    # What is buffered ahead stays in memory until the file is closed.
    return pq.ParquetFile(path, pre_buffer=False)


class _Check:
    """The two files, open, and what they are compared by."""

    def __init__(
        self,
        data: pq.ParquetFile,
        log: pq.ParquetFile,
        spec: Spec,
        importances: Mapping[str, float],
    ) -> None:
        self._data, self._log, self._spec, self._importances = data, log, spec, importances
        self._causes: dict[str, list[Cause]] = {}

    def verdict(self, window: Window, champion: str) -> Verdict:
        """Match the rows, and compare what can be compared."""
        matched = match_rows(self._data, self._log, self._spec.columns.id, champion)
        findings = list(row_findings(matched, self._spec))
        if not matched.logged and not matched.lacking:
            findings.insert(0, _nothing_logged(window, champion, matched))
        elif not matched.lacking:
            own = self._compared(matched) if matched.rows else self._unmatched(champion)
            findings += _ranked([*self._lacking(), *own], self._importances)
        quiet = f"{matched.rows:,} rows were served as training sees them"
        underpowered = [f.column for f in findings if f.answer == "underpowered" and f.column]
        if underpowered:
            quiet += f"; too few rows to tell for {len(underpowered)} columns"
        facts: dict[str, Any] = {
            "rows": matched.rows,
            "only_served": matched.only_served,
            "only_trained": matched.only_trained,
            "other_releases": matched.other_releases,
            "columns": len(self._spec.columns.features),
            "skewed": sorted({f.column for f in findings if f.severity == "drift"}),
            "underpowered": sorted(set(underpowered)),
            "causes": {
                name: [{"kind": c.kind, "text": c.text, "rows": c.rows} for c in causes]
                for name, causes in self._causes.items()
            },
        }
        return Verdict.of("skew", str(window), champion, findings, quiet=quiet, facts=facts)

    def _compared(self, matched: Matched) -> Iterator[Finding]:
        """Value by value; distributions where so many values differ that theirs could."""
        limits, columns = self._spec.checks.skew, self._spec.columns
        for names in (columns.numeric, columns.categorical):
            found = []
            for name in self._present(names):
                numeric = name in columns.numeric
                log = (self._log, FEATURE + name)
                one = compare_column(name, self._data, log, matched, numeric, limits.tolerance)
                yield from bad_column(one)
                if one.count:
                    found.append(one)
                else:
                    yield difference(one, limits.share, [], None, [])
            yield from self._explained(found, names, matched)

    def _explained(
        self, found: Sequence[Differences], names: Sequence[str], matched: Matched
    ) -> Iterator[Finding]:
        if not found:
            return
        samples = read_samples(found, self._in_window(names), self._data, self._log, matched)
        causes = {one.name: find_causes(samples[one.name], one.numeric) for one in found}
        causes = {name: [_swapped(name, c, causes) for c in own] for name, own in causes.items()}
        self._causes |= {name: own for name, own in causes.items() if own}
        slots = [one.slots[:EXAMPLES] for one in found]
        ids = iter(matched.ids(self._log, np.concatenate(slots)))
        for one, few in zip(found, slots, strict=True):
            shown = list(itertools.islice(ids, len(few)))
            limit = self._spec.checks.skew.share
            yield difference(one, limit, causes[one.name], samples[one.name], shown)
            yield from compare_distributions(one, self._data, self._log, matched, self._spec)

    def _unmatched(self, champion: str) -> Iterator[Finding]:
        present = self._present(self._spec.columns.features)
        return compare_unmatched(present, self._data, self._log, self._spec, champion)

    def _lacking(self) -> Iterator[Finding]:
        logged, windowed = self._log.schema_arrow.names, self._in_window()
        for name in self._spec.columns.features:
            sides = [
                side
                for side, there in (("log", FEATURE + name in logged), ("window", name in windowed))
                if not there
            ]
            if sides:
                yield lacking_column(name, sides)

    def _present(self, names: Sequence[str]) -> list[str]:
        """The features that both sides have."""
        logged = set(self._log.schema_arrow.names)
        return [name for name in self._in_window(names) if FEATURE + name in logged]

    def _in_window(self, names: Sequence[str] | None = None) -> list[str]:
        windowed = set(self._data.schema_arrow.names)
        wanted = self._spec.columns.features if names is None else names
        return [name for name in wanted if name in windowed]


def _ranked(findings: Sequence[Finding], importances: Mapping[str, float]) -> list[Finding]:
    """By the share that differs times the feature's weight, the largest first.

    Features without such a share, since no row is on both sides, come by their index.
    """
    effects: dict[str, float] = {}
    for finding in findings:
        if finding.statistic == "different values" or finding.column not in effects:
            effects[finding.column] = finding.value or 0.0

    def key(finding: Finding) -> tuple[float, float, bool]:
        effect = effects[finding.column]
        weight = importances.get(finding.column, 0.0) if importances else 1.0
        return -effect * max(weight, 0.0), -effect, finding.statistic != "different values"

    return sorted(findings, key=key)


def _swapped(name: str, cause: Cause, causes: Mapping[str, list[Cause]]) -> Cause:
    """Two columns that are served with each other's values are swapped."""
    back = {other.column for other in causes.get(cause.column, [])}
    if not cause.column or name not in back:
        return cause
    text = f"swapped with {cause.column}: each is served with the other's values"
    return replace(cause, kind="swapped", text=text)


def _nothing_logged(window: Window, champion: str, matched: Matched) -> Finding:
    message = f"no predictions were logged in {window}, so serving cannot be compared"
    if others := matched.other_releases:
        message = (
            f"none of the {others:,} predictions logged in {window} is of {champion}, so serving "
            "cannot be compared"
        )
    return Finding(
        column="",
        statistic="rows",
        severity="warn",
        answer="underpowered",
        message=message,
        count=0,
    )
