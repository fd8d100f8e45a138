"""The joint test: whether a classifier can tell the window's rows from the reference's.

Columns may keep their distributions and still change together; no test of single columns sees
that, but a classifier does that learns to tell the rows of both samples apart. What is excused in a
column on its own is kept from it: movement below the effect, by the column's ranks on each side;
movement that the reference shows as well, with the column, since what it has to do with others
then varies in time, too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

# scipy.special alone: scipy.stats takes most of a second to import.
from scipy.special import ndtr, ndtri

from components.core.verdict import Answer, Finding
from components.drift.classifier import (
    OVERLAP,
    Doubles,
    Separation,
    Table,
    columns_used,
    separate,
)
from components.drift.ranks import dependence, own_ranks
from components.drift.sample import read_sample
from components.drift.values import as_strings, read_numbers
from components.spec.model import Spec

Excused = Literal["slight", "varying"]

JOINT = "(joint)"
# Fewer rows a side than this teach a classifier nothing.
LEAST_ROWS = 500
POWER = 0.8
# More columns than this are slow; the champion's most important ones are taken.
MOST_COLUMNS = 100
_CATEGORIES = 100
_SHOWN = 3
# The part of an index that a classifier finds that learned from a sample: half, as measured.
_FOUND = 0.5
# Above this the booster's bins overflow; the order of the rows is all it looks at.
_LARGEST = 1e100


def not_asked() -> Finding:
    """The finding where the spec asks for the test, and there is only a profile."""
    return Finding(
        column=JOINT,
        statistic="roc_auc",
        severity="info",
        answer="underpowered",
        message="whether the columns together changed was not asked, as checks.drift.joint wants: "
        "that takes rows, and this verdict is from a profile; run monitoring for it",
    )


def joint_finding(
    reference_path: Path,
    current_path: Path,
    spec: Spec,
    level: float,
    drifted: Sequence[str],
    importances: Mapping[str, float] | None = None,
    excused: Mapping[Excused, Sequence[str]] | None = None,
) -> Finding:
    """Hold the joint distribution of the features against the reference's, on samples.

    Args:
        reference_path: the sample that the release keeps.
        current_path: the window.
        spec: its columns and `checks.drift`.
        level: the chance of a false alarm.
        drifted: the columns that drifted on their own.
        importances: the features' weights for the champion.
        excused: the columns that moved beyond chance without drift, `slight` ones by less than
            the effect, `varying` ones by no more than the reference may by itself.

    Raises:
        DataError: when a file is not there or is no Parquet; never because of what it holds.
    """
    names = _names(spec, importances or {})
    sides = [read_sample(path, names) for path in (reference_path, current_path)]
    whole = join(spec, *sides)
    smallest = least_auc(whole, level)
    threshold = auc_of_effect(_FOUND * spec.checks.drift.effect)
    rows = int(whole.current.sum())
    table = whole if smallest is None else without_excused(whole, excused or {})
    if smallest is None or not table.names:
        few = f"{rows:,} rows against {len(whole.current) - rows:,} in the reference's sample"
        why = f"{few} are too few" if table.names else "no column has values on both sides"
        if whole.names and not table.names:
            why = "every column moved on its own, though no more than is excused"
        message = f"the columns together cannot be compared: {why}"
        return _finding(message, "underpowered", threshold, rows)
    found = separate(table)
    answer: Answer = "underpowered" if smallest > threshold else "no drift"
    used: list[str] = []
    if found.auc >= threshold and found.p_value < level:
        answer, used = "drift", columns_used(table, found)
    why = _explained(table, threshold, level, drifted) if answer == "drift" else ""
    message = (
        f"{_sentence(answer, rows, used, why)} (AUC {found.auc:.2f}, threshold {threshold:.2f})"
    )
    if left_out := [name for name in whole.names if name not in table.names]:
        message += f"; left out, since excused on their own: {', '.join(left_out)}"
    return _finding(message, answer, threshold, rows, found, smallest, used)


def _sentence(answer: Answer, rows: int, used: Sequence[str], why: str) -> str:
    if answer == "underpowered":
        return f"the columns together: {rows:,} rows are too few to tell"
    if answer == "no drift":
        return "the columns together did not drift"
    return (
        "the columns together drifted: a classifier tells the window's rows from the reference's "
        f"by {_listed(used)}; {why}"
    )


def join(spec: Spec, reference: Mapping[str, pa.Array], current: Mapping[str, pa.Array]) -> Table:
    """Both samples as one table of numbers; columns that one side lacks are left out.

    A column that is missing or without values on one side is a finding of its own, and the
    classifier would look at nothing else.
    """
    names, columns, coded = [], [], []
    for name in spec.columns.features:
        if name not in reference or name not in current:
            continue
        numeric = name in spec.columns.numeric
        read = _numbers if numeric else _codes
        column = read(reference[name], current[name])
        rows = len(reference[name])
        if all(np.isfinite(side).any() for side in (column[:rows], column[rows:])):
            names.append(name)
            columns.append(column)
            coded.append(not numeric)
    sizes = [len(next(iter(side.values()), ())) for side in (reference, current)]
    values = np.column_stack(columns) if columns else np.empty((sum(sizes), 0))
    return Table(names, values, coded, np.repeat([False, True], sizes))


def without_excused(table: Table, excused: Mapping[Excused, Sequence[str]]) -> Table:
    """The table without the movement of single columns that is no drift."""
    return own_ranks(table.without(excused.get("varying", ())), excused.get("slight", ()))


def auc_of_effect(effect: float) -> float:
    """The AUC at which two normal distributions with one spread have this stability index.

    Their index is the squared distance d of the means in standard deviations, and the AUC of the
    best score is the normal distribution function at d / sqrt(2).

    >>> round(auc_of_effect(0.1), 3)
    0.588
    """
    return float(ndtr(math.sqrt(effect / 2)))


def least_auc(table: Table, level: float) -> float | None:
    """The smallest AUC that so many rows tell from 0.5 in four cases of five; None for too few."""
    m = int(table.current.sum())
    n = len(table.current) - m
    if min(n, m) < LEAST_ROWS:
        return None
    error = math.sqrt(OVERLAP * (n + m + 1) / (12 * n * m))
    return min(0.5 + float(ndtri(1 - level) + ndtri(POWER)) * error, 1.0)


def _finding(
    message: str,
    answer: Answer,
    threshold: float,
    rows: int,
    found: Separation | None = None,
    smallest: float | None = None,
    used: Sequence[str] = (),
) -> Finding:
    return Finding(
        column=JOINT,
        statistic="roc_auc",
        severity="drift" if answer == "drift" else "info",
        answer=answer,
        message=message,
        value=found.auc if found else None,
        threshold=threshold,
        interval=found.interval if found else None,
        p_value=found.p_value if found else None,
        minimum_effect=smallest,
        count=rows,
        examples=list(used[:_SHOWN]),
    )


def _explained(table: Table, threshold: float, level: float, drifted: Sequence[str]) -> str:
    """Whether the columns that drifted on their own are all there is to see."""
    alone = [name for name in table.names if name in drifted]
    if not alone:
        if _drift(dependence(table), threshold, level):
            return "no column drifted on its own, so it is how they go together"
        return "no column moved enough on its own, but together they did"
    others = table.without(alone)
    if rest := _drift(others, threshold, level):
        used = _listed(columns_used(others, rest))
        return f"without those that drifted on their own still by {used}, AUC {rest.auc:.2f}"
    return "without those that drifted on their own it cannot"


def _drift(table: Table, threshold: float, level: float) -> Separation | None:
    """What a classifier finds in so many columns, if it is drift."""
    if not table.names:
        return None
    found = separate(table)
    return found if found.auc >= threshold and found.p_value < level else None


def _names(spec: Spec, importances: Mapping[str, float]) -> list[str]:
    judged = [name for name in spec.columns.features if name not in spec.checks.drift.ignore]
    order = sorted(judged, key=lambda name: -importances.get(name, 0.0))
    return order[:MOST_COLUMNS]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) or "no column in particular"


def _numbers(reference: pa.Array, current: pa.Array) -> Doubles:
    both = np.concatenate([read_numbers(side).values for side in (reference, current)])
    clipped: Doubles = np.clip(both, -_LARGEST, _LARGEST)
    return clipped


def _codes(reference: pa.Array, current: pa.Array) -> Doubles:
    """The most frequent categories of both samples as numbers, all others as one more."""
    texts = pa.concat_arrays([as_strings(side) for side in (reference, current)])
    encoded = texts.dictionary_encode()
    codes: Doubles = encoded.indices.to_numpy(zero_copy_only=False).astype(np.float64)
    present = codes[np.isfinite(codes)].astype(np.int64)
    counts = np.bincount(present, minlength=len(encoded.dictionary))
    rank = np.empty(len(counts))
    rank[np.lexsort((np.arange(len(counts)), -counts))] = np.arange(len(counts))
    codes[np.isfinite(codes)] = np.minimum(rank[present], _CATEGORIES)
    return codes
