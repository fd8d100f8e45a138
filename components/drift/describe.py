"""Sentences about what changed in a column, for people."""

from __future__ import annotations

import math

import numpy as np

from components.core.words import percent
from components.drift.cells import cuts
from components.drift.columns import CategoryProfile, NumericProfile
from components.drift.rule import Evidence, Threshold

# A part of the middle half's width from which on a move is called one.
_MOVED = 0.1
# A share of the values from which on they are worth a sentence.
_MANY = 0.01
_MOST = 0.5
_QUARTERS = (0.25, 0.5, 0.75)
_SHOWN = 3


def sentence(
    name: str,
    reference: NumericProfile | CategoryProfile,
    current: NumericProfile | CategoryProfile,
    evidence: Evidence,
    threshold: Threshold,
) -> str:
    """What the rule found for a column, in one sentence."""
    if evidence.psi is None or evidence.minimum_effect is None:
        return (
            f"{name} cannot be compared: {_rows(current.rows)} against {_rows(reference.rows)} "
            "in the reference are too few"
        )
    measured = f"(PSI {_measured(evidence, threshold)}, threshold {threshold.effect:.2f})"
    if evidence.answer == "drift":
        return f"{name} {change(reference, current, evidence.psi)} {measured}"
    if evidence.answer == "underpowered":
        if evidence.minimum_effect > threshold.effect:
            return (
                f"{name}: {_rows(current.rows)} are too few to tell; a PSI below "
                f"{evidence.minimum_effect:.2f} can be chance {measured}"
            )
        return f"{name}: most rows are in categories too rare to compare {measured}"
    if evidence.p_value is not None and evidence.p_value < threshold.level:
        return f"{name} changed too little to matter {measured}"
    return f"{name} did not drift {measured}"


def change(
    reference: NumericProfile | CategoryProfile,
    current: NumericProfile | CategoryProfile,
    psi: float,
) -> str:
    """What changed most, as the rest of a sentence that begins with the column's name."""
    if current.rows and current.absent == current.rows:
        return "is missing from the window"
    if current.rows and not current.present and reference.present:
        return f"has no values any more; {percent(_empty(reference))} of the rows had none before"
    gap = f"{percent(_empty(reference))} -> {percent(_empty(current))}"
    part = _empty_part(reference, current)
    if part >= psi / 2:
        verb = "lost" if _empty(current) > _empty(reference) else "gained"
        return f"{verb} values: rows without one {gap}"
    if isinstance(reference, NumericProfile) and isinstance(current, NumericProfile):
        what = _numbers_change(reference, current, psi)
    elif isinstance(reference, CategoryProfile) and isinstance(current, CategoryProfile):
        what = _categories_change(reference, current, psi)
    else:
        what = "changed its kind"
    return f"{what}; rows without a value {gap}" if part >= psi / 5 else what


def pair(before: float, after: float) -> str:
    """Two numbers with as few digits as show the difference.

    >>> pair(37.04, 77.0), pair(1017.94, 1018.21), pair(0.0, 1234567.0)
    ('37 -> 77', '1,017.9 -> 1,018.2', '0 -> 1,234,567')
    >>> pair(1704067200.0, 1704153600.0)  # dates, in seconds
    '1.7041e+09 -> 1.7042e+09'
    """
    scale = max(abs(before), abs(after))
    if scale and not 1e-4 <= scale < 1e9:
        return _significant(before, after)
    whole = len(str(int(scale)))
    gap = abs(after - before)
    wanted = max(3 - whole, 0) if scale >= 1 else 2 - math.floor(math.log10(scale or 1.0))
    if gap:
        wanted = max(wanted, -math.floor(math.log10(gap)))
    texts = [_trim(f"{value:,.{min(wanted, 9)}f}") for value in (before, after)]
    return " -> ".join(texts) if len(set(texts)) > 1 or not gap else _significant(before, after)


def _significant(before: float, after: float) -> str:
    """Two numbers with three significant digits, or as many more as tell them apart."""
    for digits in range(3, 18):  # 17 tell any two doubles apart
        texts = [f"{value:,.{digits}g}" for value in (before, after)]
        if texts[0] != texts[1] or before == after:
            break
    return " -> ".join(texts)


def pair_text(served: object, trained: object) -> str:
    """One row's value on both sides.

    >>> pair_text(None, 3.25)
    'served none, trained 3.25'
    """
    return f"served {_value(served)}, trained {_value(trained)}"


def notes(current: NumericProfile | CategoryProfile) -> list[tuple[str, int, str]]:
    """Values that a model cannot use as they are: the statistic, the count, and what they are."""
    found = []
    if current.unreadable:
        kinds = ", ".join(current.types)
        what = "numbers" if isinstance(current, NumericProfile) else "texts"
        found.append(("unreadable", current.unreadable, f"are no {what} (type {kinds})"))
    if isinstance(current, NumericProfile):
        infinite = current.negative_infinite + current.positive_infinite
        if infinite:
            found.append(("infinite", infinite, "are infinite"))
    return found


def _measured(evidence: Evidence, threshold: Threshold) -> str:
    """The index, with its standard error where that decided."""
    psi, error = evidence.psi or 0.0, evidence.error or 0.0
    near = evidence.answer == "drift" and psi < threshold.effect
    return f"{psi:.3f} ± {error:.3f}" if near else f"{psi:.2f}"


def _numbers_change(reference: NumericProfile, current: NumericProfile, psi: float) -> str:
    odd = _unusual_change(reference, current, psi)
    if odd is not None:
        return odd
    before, after = ([p.quantile(q) or 0.0 for q in _QUARTERS] for p in (reference, current))
    width, new_width = before[2] - before[0], after[2] - after[0]
    shift = after[1] - before[1]
    if abs(shift) > _MOVED * width:
        return f"moved {'up' if shift > 0 else 'down'}: median {pair(before[1], after[1])}"
    if width and abs(new_width - width) > _MOVED * width:
        return (
            f"{'spread out' if new_width > width else 'narrowed'}: width of the middle half "
            f"{pair(width, new_width)}"
        )
    return f"changed its shape: {_shape(reference, current)}"


def _unusual_change(reference: NumericProfile, current: NumericProfile, psi: float) -> str | None:
    """What is not a matter of degree: constant, infinite, or out of the reference's range."""
    if not reference.finite or not current.finite:
        return "has only infinite values now" if reference.finite else "had no finite values before"
    constant = current.minimum == current.maximum and current.finite == current.present
    if constant and reference.minimum != reference.maximum:
        return f"is constant now: every value is {_number(current.minimum)}"
    if reference.minimum == reference.maximum and not constant:
        return f"is not constant any more: every value was {_number(reference.minimum)}"
    infinite, before = (1 - p.finite / p.present for p in (current, reference))
    counts = [p.present - p.finite for p in (reference, current)]
    part = _part(counts[0], reference.present, counts[1], current.present)
    if infinite > before + _MANY and part >= psi / 2:
        return f"has infinite values: {percent(before)} -> {percent(infinite)} of the values"
    return _outside(reference, current)


def _outside(reference: NumericProfile, current: NumericProfile) -> str | None:
    """The values far beyond the reference's range, such as -999, if there are many but not most."""
    low, high = reference.minimum, reference.maximum
    if low is None or high is None:
        return None
    width = high - low
    below, above = (n / current.present for n in current.beyond(low - width, high + width))
    if not _MANY <= max(below, above) < _MOST:
        return None
    if below > above:
        return (
            f"has values far below its range: {percent(below)} of them, down to "
            f"{_number(current.minimum)}; the lowest was {_number(low)}"
        )
    return (
        f"has values far above its range: {percent(above)} of them, up to "
        f"{_number(current.maximum)}; the highest was {_number(high)}"
    )


def _shape(reference: NumericProfile, current: NumericProfile) -> str:
    """The mean or the standard deviation where it moved, and the cell that changed most."""
    mean, new_mean = reference.mean or 0.0, current.mean or 0.0
    spread, new_spread = reference.deviation or 0.0, current.deviation or 0.0
    cell = _changed_most(reference, current)
    if abs(new_mean - mean) > _MOVED * spread:
        return f"mean {pair(mean, new_mean)}; {cell}"
    if abs(new_spread - spread) > _MOVED * spread:
        return f"standard deviation {pair(spread, new_spread)}; {cell}"
    return cell


def _changed_most(reference: NumericProfile, current: NumericProfile) -> str:
    """Of the reference's tenths and finer tails, the one with the largest part of the index."""
    counts = [np.array(p.counts, dtype=np.float64) for p in (reference, current)]
    ends = cuts(reference, counts[0])
    starts = np.append(0, ends + 1)
    sides = [np.add.reduceat(c, starts) for c in counts]
    p, q = ((side + 0.5) / (side.sum() + 0.5 * side.size) for side in sides)
    most = int(np.argmax((q - p) * np.log(q / p)))
    low = _number(reference.edges[ends[most - 1]]) if most else None
    high = _number(reference.edges[ends[most]]) if most < ends.size else None
    gap = " -> ".join(percent(float(side[most] / side.sum())) for side in sides)
    if reference.discrete and most < ends.size and starts[most] == ends[most]:
        return f"values of {high} {gap}"
    if low is None or high is None:
        where = "of any size" if low == high else f"up to {high}" if low is None else f"above {low}"
        return f"values {where} {gap}"
    return f"values from {low} to {high} {gap}"


def _categories_change(reference: CategoryProfile, current: CategoryProfile, psi: float) -> str:
    if reference.complete and _unknown_part(reference, current) >= psi / 4:
        names = sorted(current.others, key=lambda name: -current.others[name])
        shown = ", ".join(f"{_short(name)!r}" for name in names[:_SHOWN])
        more = "" if len(names) <= _SHOWN and not current.rest else " and others"
        return (
            f"has new categories, {percent(current.unknown / current.present)} of the values: "
            f"{shown}{more}"
        )
    n, m = max(reference.present, 1), max(current.present, 1)
    moves = [
        ((after + 0.5) / m, (before + 0.5) / n, name)
        for name, before, after in zip(
            reference.known, reference.counts, current.counts, strict=True
        )
    ]
    moves.sort(key=lambda move: -abs((move[0] - move[1]) * math.log(move[0] / move[1])))
    shown = ", ".join(
        f"{_short(name)!r} {percent(max(before - 0.5 / n, 0))} -> "
        f"{percent(max(after - 0.5 / m, 0))}"
        for after, before, name in moves[:_SHOWN]
    )
    return f"changed its mix: {shown or 'other categories than before'}"


def _empty(profile: NumericProfile | CategoryProfile) -> float:
    return profile.empty / max(profile.rows, 1)


def _empty_part(
    reference: NumericProfile | CategoryProfile, current: NumericProfile | CategoryProfile
) -> float:
    """The part of the index that comes from the rows without a value."""
    return _part(reference.empty, reference.rows, current.empty, current.rows)


def _part(before: int, n: int, after: int, m: int) -> float:
    """The part of the index that comes from some of the rows: `before` of n, `after` of m."""
    p, q = (before + 0.5) / (n + 1), (after + 0.5) / (m + 1)
    return (q - p) * math.log(q / p) + (p - q) * math.log((1 - q) / (1 - p))


def _unknown_part(reference: CategoryProfile, current: CategoryProfile) -> float:
    """The part of the index that comes from categories that the reference never had."""
    once = sum(count == 1 for count in reference.counts)
    p, q = (once + 0.5) / (reference.rows + 1), current.unknown / (current.rows + 1)
    return (q - p) * math.log(q / p) if q > p else -1.0


def _value(value: object) -> str:
    if value is None:
        return "none"
    return f"{value:.10g}" if isinstance(value, float) else repr(value)


def _number(value: float | None) -> str:
    return "none" if value is None else _trim(f"{value:,.4g}")


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


def _trim(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
