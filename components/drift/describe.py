"""Sentences about what changed in a column, for people."""

from __future__ import annotations

import math

from components.core.words import percent
from components.drift.columns import CategoryProfile, NumericProfile
from components.drift.rule import Evidence, Threshold

# A part of the middle half's width from which on a move is called one.
_MOVED = 0.1
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
    measured = f"(PSI {evidence.psi:.2f}, threshold {threshold.effect:.2f})"
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
        what = _numbers_change(reference, current)
    elif isinstance(reference, CategoryProfile) and isinstance(current, CategoryProfile):
        what = _categories_change(reference, current)
    else:
        what = "changed its kind"
    return f"{what}; rows without a value {gap}" if part >= psi / 5 else what


def pair(before: float, after: float) -> str:
    """Two numbers with as few digits as show the difference.

    >>> pair(37.04, 77.0), pair(1017.94, 1018.21), pair(0.0, 1234567.0)
    ('37 -> 77', '1,017.9 -> 1,018.2', '0 -> 1,234,567')
    """
    scale = max(abs(before), abs(after))
    if scale and not 1e-4 <= scale < 1e9:
        return f"{before:.3g} -> {after:.3g}"
    whole = len(str(int(scale)))
    gap = abs(after - before)
    wanted = max(3 - whole, 0) if scale >= 1 else 2 - math.floor(math.log10(scale or 1.0))
    if gap:
        wanted = max(wanted, -math.floor(math.log10(gap)))
    return " -> ".join(_trim(f"{value:,.{min(wanted, 9)}f}") for value in (before, after))


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


def _numbers_change(reference: NumericProfile, current: NumericProfile) -> str:
    constant = current.minimum == current.maximum and current.finite == current.present
    if current.minimum is not None and constant and reference.minimum != reference.maximum:
        return f"is constant now: every value is {_trim(f'{current.minimum:.6g}')}"
    before, after = ([p.quantile(q) for q in (0.25, 0.5, 0.75)] for p in (reference, current))
    low, middle, high = (number or 0.0 for number in before)
    new_low, new_middle, new_high = (number or 0.0 for number in after)
    if None in before or None in after:
        return "has only infinite values on one side"
    width, new_width = high - low, new_high - new_low
    shift = new_middle - middle
    if abs(shift) > _MOVED * width:
        return f"moved {'up' if shift > 0 else 'down'}: median {pair(middle, new_middle)}"
    if width and abs(new_width - width) > _MOVED * width:
        return (
            f"{'spread out' if new_width > width else 'narrowed'}: width of the middle half "
            f"{pair(width, new_width)}"
        )
    return f"changed its shape: {_shape(reference, current)}"


def _shape(reference: NumericProfile, current: NumericProfile) -> str:
    mean, new_mean = reference.mean or 0.0, current.mean or 0.0
    spread, new_spread = reference.deviation or 0.0, current.deviation or 0.0
    if abs(new_mean - mean) > _MOVED * spread:
        return f"mean {pair(mean, new_mean)}"
    if abs(new_spread - spread) > _MOVED * spread:
        return f"standard deviation {pair(spread, new_spread)}"
    return f"mean {pair(mean, new_mean)}, standard deviation {pair(spread, new_spread)}"


def _categories_change(reference: CategoryProfile, current: CategoryProfile) -> str:
    if reference.complete and current.unknown / current.present > _MOVED / 10:
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
    p = (reference.empty + 0.5) / (reference.rows + 1)
    q = (current.empty + 0.5) / (current.rows + 1)
    return (q - p) * math.log(q / p) + (p - q) * math.log((1 - q) / (1 - p))


def _value(value: object) -> str:
    if value is None:
        return "none"
    return f"{value:.10g}" if isinstance(value, float) else repr(value)


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


def _trim(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
