"""Patterns in numbers that differ: units, shifts, rounding, defaults, time zones and the like."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from components.drift.causes import Cause, Mask, Pattern, beyond_chance, choose
from components.drift.number_pairs import Explains, Floats, NumberPairs, modes, near, nearer
from components.drift.times_of_day import time_zones
from components.drift.units import FACTORS, TEMPERATURES, unit_of

Function = Callable[[Floats], Floats]

# Steps to which values are rounded: powers of ten, their halves, and those of clocks.
_STEPS = sorted({*(10.0**k for k in range(-9, 7)), 0.5, 0.25, 5.0, 15.0, 60.0, 3600.0, 86400.0})
_WAYS: list[tuple[str, Function]] = [
    ("rounded", np.rint),
    ("rounded, halves away from zero", lambda x: np.trunc(x + np.copysign(0.5, x))),
    ("truncated", np.trunc),
    ("rounded down", np.floor),
    ("rounded up", np.ceil),
]
_FUNCTIONS: list[tuple[str, Function]] = [
    ("the absolute value of trained", np.abs),
    ("the natural logarithm of trained", np.log),
    ("the logarithm of 1 + trained", np.log1p),
    ("the decimal logarithm of trained", np.log10),
    ("the binary logarithm of trained", np.log2),
    ("the exponential of trained", np.exp),
    ("the exponential of trained, minus 1", np.expm1),
    ("the square root of trained", np.sqrt),
    ("the square of trained", np.square),
    ("1 / trained", np.reciprocal),
]
# A line has two parameters: it is claimed for most of the rows or not at all.
_LINE_SHARE = 0.5
_LINES = 64


def number_causes(
    served: Floats,
    trained: Floats,
    population: Floats | None = None,
    others: Mapping[str, Floats] | None = None,
    before: Floats | None = None,
) -> list[Cause]:
    """What turns the trained numbers into the served ones; empty where there is no pattern.

    Args:
        served: (n,) with NaN for missing, of the rows that differ.
        trained: (n,) likewise.
        population: (m,) trained values of rows in general; those that differ where left out.
        others: what training has in other columns for the same rows, (n,) each.
        before: what training has for the rows that were logged just before these, (n,).

    >>> trained = np.array([31.2, 8.7, 55.4, 17.9, 40.3, 26.1])
    >>> number_causes(trained / 10, trained)
    [Cause(kind='unit', text='served is 0.1 times trained', rows=6, column='')]
    """
    with np.errstate(all="ignore"):  # what overflows explains nothing
        pairs = NumberPairs(served, trained, population)
        patterns = [*_gaps(served, trained), *_copies(pairs, others or {}, before)]
        if pairs.enough:
            patterns += [
                *_defaults(pairs),
                *_signs_and_units(pairs),
                *time_zones(pairs),
                *_shifts(pairs),
                *_factors(pairs),
                *_roundings(pairs),
                *_functions(pairs),
                *_lines(pairs),
            ]
    return choose(patterns, len(served))


def _gaps(served: Floats, trained: Floats) -> Iterator[Pattern]:
    """A value on one side only."""
    lost, gained = np.isnan(served) & ~np.isnan(trained), ~np.isnan(served) & np.isnan(trained)
    yield Pattern("missing", "served without a value where training has one", lost)
    filled = "served with a value where training has none"
    if gained.any():
        for value, _ in modes(served[gained], 1, 0.0):
            same = gained & (served == value)
            yield Pattern("default", f"{filled}: {value:.6g}", same)
    yield Pattern("default", filled, gained)
    infinite = np.isinf(served) & ~np.isinf(trained)
    yield Pattern("infinite", "served is infinite", infinite)


def _copies(
    pairs: NumberPairs, others: Mapping[str, Floats], before: Floats | None
) -> Iterator[Pattern]:
    """The values of another column, or of another row."""
    for name, values in others.items():
        if pattern := pairs.copy("column", f"served is what training has in {name}", values):
            yield Pattern(pattern.kind, pattern.text, pattern.explained, pattern.chance, name)
    if before is not None:
        text = "served is the value of the row before, so it is stale"
        if pattern := pairs.copy("stale", text, before):
            yield pattern


def _defaults(pairs: NumberPairs) -> Iterator[Pattern]:
    """One value for many: a default, or a bound at which values are cut off."""
    for value, _ in modes(pairs.served, 3, 0.0):
        pattern = pairs.pattern("default", "", _is(value))
        rows = pattern.explained[pairs.rows]
        explained = pairs.trained[rows]
        for beyond, sign in ((explained > value, 1.0), (explained < value, -1.0)):
            different = int(np.count_nonzero(pairs.population != value)) or 1
            outside = int(np.count_nonzero(sign * pairs.population > sign * value))
            if beyond.all() and beyond_chance(len(beyond), len(beyond), outside / different):
                text = f"served is cut off at {value:.6g}"
                yield pairs.steady(pairs.pattern("clipped", text, _cut_off(value, sign)), least=1)
                break
        else:
            if text := _default_text(pairs, value, rows):
                yield Pattern("default", text, pattern.explained, pattern.chance)


def _default_text(pairs: NumberPairs, value: float, rows: Mask) -> str:
    """What is said of the rows, (k,), served with one value; empty where it is no default.

    A default replaces different values, and those that lie near to it no oftener than others:
    where it does, as at the end of what a column may hold, a sum or a maximum led there.
    """
    few = np.unique(pairs.trained[rows])
    if len(few) == 1:
        # Where all that differ have one trained value there is no other to look at.
        return f"served is {value:.6g} where training has {few[0]:.6g}" if rows.all() else ""
    if not rows.all() and pairs.reaches(value) and nearer(pairs.trained, value, rows):
        return ""
    always = "always " if rows.all() and len(rows) == len(pairs.rows) else ""
    return f"served is {always}{value:.6g}{_typical(value, pairs.population)}"


def _typical(value: float, population: Floats) -> str:
    """Whether a default is one of the values that people fill in."""
    spread = float(np.std(population))
    middles = (("mean", float(np.mean(population))), ("median", float(np.median(population))))
    for name, typical in middles:
        if value not in (0.0, 1.0, -1.0) and spread and abs(value - typical) <= 0.02 * spread:
            return f", about the {name} of training"
    return ""


def _signs_and_units(pairs: NumberPairs) -> Iterator[Pattern]:
    yield pairs.pattern("sign", "the sign is changed", _of(np.negative))
    for slope, start, name in TEMPERATURES:
        yield pairs.pattern(
            "unit",
            f"served in {name}",
            _of(_line(slope, start)),
            noise=slope != 1,
        )
    for factor, name in FACTORS:
        if pairs.looks(factor * pairs.trained):
            yield pairs.pattern(
                "unit",
                f"served is {factor:.6g} times trained: {name}",
                _of(_line(factor, 0.0)),
            )


def _factors(pairs: NumberPairs) -> Iterator[Pattern]:
    """A factor that no unit explains, such as a decimal point in another place."""
    used = pairs.trained != 0
    ratios = pairs.served[used] / pairs.trained[used]
    for factor in pairs.clear_mode(ratios, pairs.trained[used], 1e-6):
        if factor and not unit_of(factor):
            yield pairs.pattern(
                "unit",
                f"served is {factor:.6g} times trained",
                _of(_line(factor, 0.0)),
            )


def _shifts(pairs: NumberPairs) -> Iterator[Pattern]:
    difference = pairs.served - pairs.trained
    for shift in pairs.clear_mode(difference, pairs.trained, 1e-6):
        yield pairs.pattern(
            "shift",
            f"served is trained {'plus' if shift > 0 else 'minus'} {abs(shift):.6g}",
            _of(_line(1.0, shift)),
            noise=False,  # a shift is the same difference everywhere; a clear mode is its guard
        )


def _roundings(pairs: NumberPairs) -> Iterator[Pattern]:
    for step in _STEPS:
        if not pairs.looks(np.rint(pairs.served / step) * step, exact=True):
            continue
        for way, function in _WAYS:
            yield pairs.varied(
                pairs.pattern(
                    "rounding",
                    f"served is {way}{_to(step)}",
                    _of(_stepped(step, function)),
                )
            )
    for kind in (np.float32, np.float16):
        yield pairs.pattern(
            "rounding",
            f"served has the precision of {kind.__name__}",
            _of(_narrow(kind)),
        )
    for digits in range(1, 8):
        for way, function in (_WAYS[0], _WAYS[2]):
            text = f"served is {way} to {digits} significant digit{'s' if digits > 1 else ''}"
            yield pairs.varied(pairs.pattern("rounding", text, _of(_significant(digits, function))))
    for bits in (8, 16, 32):
        yield pairs.pattern("overflow", f"served overflows {bits} bits", _wrapped(bits))


def _to(step: float) -> str:
    if step == 1:
        return " to a whole number"
    digits = round(-np.log10(step))
    if step < 1 and np.isclose(step, 10.0**-digits):
        return f" to {digits} decimal{'s' if digits > 1 else ''}"
    return f" to a multiple of {step:g}"


def _of(function: Function) -> Explains:
    """Served is a function of trained."""
    return lambda a, b: near(a, function(b), b)


def _is(value: float) -> Explains:
    return lambda a, _: a == value


def _cut_off(value: float, sign: float) -> Explains:
    return lambda a, b: (a == value) & (sign * b > sign * value)


def _line(slope: float, start: float) -> Function:
    return lambda b: slope * b + start


def _stepped(step: float, way: Function) -> Function:
    return lambda b: way(b / step) * step


def _narrow(kind: type[np.floating[Any]]) -> Function:
    return lambda b: b.astype(kind).astype(np.float64)


def _significant(digits: int, way: Function) -> Function:
    def rounded(b: Floats) -> Floats:
        size = np.where(b == 0, 1.0, np.abs(b))
        step = 10.0 ** (np.floor(np.log10(size)) - digits + 1)
        return way(b / step) * step

    return rounded


def _wrapped(bits: int) -> Explains:
    size = 2.0**bits

    def explains(a: Floats, b: Floats) -> Mask:
        unsigned, signed = np.mod(b, size), np.mod(b + size / 2, size) - size / 2
        found: Mask = (b == np.trunc(b)) & (a != b) & ((a == unsigned) | (a == signed))
        return found

    return explains


def _functions(pairs: NumberPairs) -> Iterator[Pattern]:
    for name, function in _FUNCTIONS:
        yield pairs.steady(pairs.pattern("transform", f"served is {name}", _of(function)))


def _lines(pairs: NumberPairs) -> Iterator[Pattern]:
    """Served is slope * trained + start; standardising and scaling to a range are such lines."""
    line = pairs.line(_LINES)
    if line is None:
        return
    slope, start = line
    pattern = pairs.pattern(
        "transform",
        _line_text(slope, start, pairs.population),
        _of(_line(slope, start)),
    )
    if np.count_nonzero(pattern.explained) >= _LINE_SHARE * len(pattern.explained):
        yield pattern


def _line_text(slope: float, start: float, population: Floats) -> str:
    centre = -start / slope
    spread = float(np.std(population))
    if spread and abs(centre - population.mean()) < 0.1 * spread and 0.9 < slope * spread < 1.1:
        return f"served is standardised: (trained - {centre:.6g}) / {1 / slope:.6g}"
    sign = "+" if start > 0 else "-"
    return f"served is {slope:.6g} times trained {sign} {abs(start):.6g}"
