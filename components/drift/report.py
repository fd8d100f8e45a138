"""The drift report for people: our verdict first, then Evidently's plots of a sample."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from components.core.verdict import Verdict
from components.drift.check import read_predictions
from components.drift.page import EMPTY_PAGE, open_page
from components.drift.profile import PREDICTION
from components.drift.sample import SAMPLE_ROWS, chosen_rows, read_sample
from components.drift.values import as_strings, read_numbers
from components.spec.model import Spec

# A plot of more categories than this says nothing.
_CATEGORIES = 30
# More plots than this nobody looks at, and Evidently is slow.
_PLOTS = 40


@dataclass
class Plots:
    """What Evidently is given, and why some columns are not."""

    reference: dict[str, pd.Series] = field(default_factory=dict)
    current: dict[str, pd.Series] = field(default_factory=dict)
    numeric: list[str] = field(default_factory=list)
    categorical: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def write_report(
    sample_path: Path,
    data_path: Path,
    predictions_path: Path | None,
    verdict: Verdict,
    spec: Spec,
    destination: Path,
) -> None:
    """Write one self-contained HTML page; the same inputs give the same plots.

    Args:
        sample_path: rows of the champion's training window, with its predictions.
        data_path: the window.
        predictions_path: the window's part of the prediction log, or None.
        verdict: the drift check's verdict, which opens the page.
        spec: its columns and the effect threshold.
        destination: the file to write.

    Raises:
        DataError: when a file is not there or is no Parquet.
    """
    names = [*spec.columns.features, PREDICTION]
    reference, current = (read_sample(path, names) for path in (sample_path, data_path))
    if predictions_path is not None:
        predicted = read_predictions(predictions_path, spec, verdict.champion or None)
        current = {**current, PREDICTION: predicted.take(pa.array(chosen_rows(len(predicted))))}
    plots = _plots(reference, current, spec, [finding.column for finding in verdict.findings])
    drawn = _evidently(plots, spec) if plots.numeric or plots.categorical else EMPTY_PAGE
    destination.parent.mkdir(parents=True, exist_ok=True)
    destination.write_text(open_page(drawn, verdict, plots.left_out, SAMPLE_ROWS), encoding="utf-8")


def write_page(verdict: Verdict, destination: Path) -> None:
    """Write the same page for a verdict that was reached without rows: there is nothing to draw."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    destination.write_text(open_page(EMPTY_PAGE, verdict, {}, 0), encoding="utf-8")


def _plots(
    reference: dict[str, pa.Array], current: dict[str, pa.Array], spec: Spec, order: list[str]
) -> Plots:
    """Choose what Evidently draws: what changed most comes first."""
    plots = Plots()
    names = [*spec.columns.features, PREDICTION]
    for name in sorted(names, key=lambda n: order.index(n) if n in order else len(order)):
        if len(plots.reference) == _PLOTS:
            plots.left_out[name] = f"{_PLOTS} columns changed more"
            continue
        if name not in reference or name not in current:
            where = "reference sample" if name not in reference else "window"
            plots.left_out[name] = f"not in the {where}"
            continue
        as_number = name in spec.columns.numeric
        if name == PREDICTION:
            as_number = spec.task != "multiclass"
        read = _numbers if as_number else _texts
        before, after = read(reference[name]), read(current[name])
        if not as_number:
            before, after = _frequent(before, after)
        if reason := _unfit(before, after):
            plots.left_out[name] = reason
            continue
        shown = _harmless(name)
        plots.reference[shown], plots.current[shown] = before, after
        (plots.numeric if as_number else plots.categorical).append(shown)
    return plots


def _unfit(before: pd.Series, after: pd.Series) -> str:
    """Why Evidently cannot draw a column; empty when it can."""
    for values, where in ((before, "reference sample"), (after, "window")):
        if not values.count():
            return f"without values in the {where}"
    if pd.concat([before, after]).nunique() < 2:
        return "constant, and the same on both sides"
    return ""


def _frequent(before: pd.Series, after: pd.Series) -> tuple[pd.Series, pd.Series]:
    """The categories that are most frequent on either side; all others together."""
    shares = before.value_counts(normalize=True).add(
        after.value_counts(normalize=True), fill_value=0
    )
    kept = set(shares.sort_values(ascending=False, kind="stable").index[:_CATEGORIES])
    if len(kept) == len(shares):
        return before, after
    return _lumped(before, kept), _lumped(after, kept)


def _lumped(texts: pd.Series, kept: set[str]) -> pd.Series:
    return texts.where(texts.isin(kept) | texts.isna(), "(others)")


def _numbers(array: pa.Array) -> pd.Series:
    values = read_numbers(array).values.copy()
    values[~np.isfinite(values)] = np.nan
    return pd.Series(values, dtype="float64")


def _texts(array: pa.Array) -> pd.Series:
    texts = [None if text is None else _harmless(text) for text in as_strings(array).to_pylist()]
    return pd.Series(texts, dtype="object")


def _harmless(text: str) -> str:
    """A text that Evidently may put into its scripts as it stands, which is what it does."""
    return text.replace("<", "[").replace(">", "]")


def _evidently(plots: Plots, spec: Spec) -> str:
    """Evidently's page; it is imported here alone, because that takes seconds."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    with warnings.catch_warnings():
        # Evidently and its dependencies warn about their own use of older interfaces.
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        definition = DataDefinition(
            numerical_columns=plots.numeric, categorical_columns=plots.categorical
        )
        current, reference = (
            Dataset.from_pandas(pd.DataFrame(side), definition)
            for side in (plots.current, plots.reference)
        )
        columns = [*plots.numeric, *plots.categorical]
        preset = DataDriftPreset(
            columns=columns,
            method="psi",
            threshold=spec.checks.drift.effect,
            drift_share=0.01,  # one column of those drawn is enough
        )
        return str(Report([preset]).run(current, reference).get_html_str(as_iframe=False))
