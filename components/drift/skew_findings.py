"""The skew check's findings: how many values differ, by how much, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from scipy.special import betaincinv

from components.core.verdict import Answer, Finding, Severity
from components.core.words import percent
from components.drift.causes import Cause, describe
from components.drift.describe import pair_text
from components.drift.differences import Differences
from components.drift.explain import Sampled
from components.drift.values import read_numbers

EXAMPLES = 5
_LEVEL = 0.05


def difference(
    found: Differences,
    limit: float,
    causes: Sequence[Cause],
    sample: Sampled | None,
    ids: Sequence[object],
) -> Finding:
    """The finding on one feature's values.

    `value` is the share of the compared rows that differ, with its Clopper-Pearson interval, and
    `minimum_effect` the smallest share of which so many rows would show at least one in nineteen
    cases of twenty.

    Args:
        found: what differs.
        limit: the share from which on the feature has drifted apart.
        causes: why, as far as that is known.
        sample: the rows that the causes are of; None where nothing differs.
        ids: the first of their ids.
    """
    smallest = float(1 - _LEVEL ** (1 / max(found.rows, 1)))
    answer: Answer = "drift" if found.share > limit else "no drift"
    if answer == "no drift" and smallest > limit > 0:
        answer = "underpowered"
    severity: Severity = "info"
    if found.count:
        severity = "drift" if answer == "drift" else "warn"
    return Finding(
        column=found.name,
        statistic="different values",
        severity=severity,
        answer=answer,
        message=_message(found, limit, causes, sample),
        value=found.share,
        threshold=limit,
        interval=share_interval(found.count, found.rows),
        minimum_effect=smallest,
        count=found.count,
        examples=_examples(sample, ids) if sample else [],
    )


def share_interval(count: int, rows: int) -> tuple[float, float]:
    """The exact 95 % confidence interval of a share (Clopper and Pearson, 1934).

    >>> share_interval(0, 3000)[0], round(share_interval(0, 3000)[1], 5)
    (0.0, 0.00123)
    """
    tail = _LEVEL / 2
    low = float(betaincinv(count, rows - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, rows - count, 1 - tail)) if count < rows else 1.0
    return low, high


def bad_column(found: Differences) -> Iterator[Finding]:
    """Values that cannot be compared as what the column's role asks for."""
    if found.unreadable:
        kind = "numbers" if found.numeric else "texts"
        yield Finding(
            column=found.name,
            statistic="unreadable",
            severity="warn",
            message=f"{found.name}: {found.unreadable:,} values in the window and the log are no "
            f"{kind} and count as missing",
            count=found.unreadable,
        )
    if found.empty:
        yield Finding(
            column=found.name,
            statistic="no values",
            severity="warn",
            message=f"{found.name} has no value in any of {found.rows:,} compared rows, on either "
            "side",
            count=found.rows,
        )


def lacking_column(name: str, sides: Sequence[str]) -> Finding:
    """A feature that one of the files, or both, lack."""
    lacks = "the log does" if sides == ["log"] else "the window does"
    if len(sides) > 1:
        lacks = "the log and the window do"
    return Finding(
        column=name,
        statistic="missing column",
        severity="warn",
        message=f"{name} is not judged: {lacks} not have it",
    )


def _message(
    found: Differences, limit: float, causes: Sequence[Cause], sample: Sampled | None
) -> str:
    if not found.count or sample is None:
        return f"{found.name} was served as training sees it"
    parts = [
        describe(causes, len(sample.served), len(sample.served) < found.count),
        _size(found, sample),
    ]
    if not any(parts):
        parts = [f"such as {pair_text(sample.served[0].as_py(), sample.trained[0].as_py())}"]
    detail = "; ".join(part for part in parts if part)
    return (
        f"{found.name} was served differently in {found.count:,} of {found.rows:,} rows "
        f"({percent(found.share)}, limit {percent(limit)}): {detail}"
    )


def _size(found: Differences, sample: Sampled) -> str:
    """How large the differences of numbers are."""
    if not found.numeric or found.largest is None:
        return ""
    with np.errstate(invalid="ignore", over="ignore"):
        sizes = np.abs(read_numbers(sample.served).values - read_numbers(sample.trained).values)
    sizes = sizes[np.isfinite(sizes)]
    if not len(sizes):
        return ""
    median = float(np.sort(sizes)[len(sizes) // 2])
    text = f"by {median:.3g} in the median and {found.largest:.3g} at most"
    if found.deviation:
        text += (
            f" ({median / found.deviation:.2g} and {found.largest / found.deviation:.2g} standard "
            "deviations)"
        )
    return text


def _examples(sample: Sampled, ids: Sequence[object]) -> list[str]:
    served, trained = (_shown(side) for side in (sample.served, sample.trained))
    return [f"{i}: {pair_text(a, b)}" for i, a, b in zip(ids, served, trained, strict=False)]


def _shown(side: pa.Array) -> list[object]:
    values: list[object] = side[:EXAMPLES].to_pylist()
    return values
