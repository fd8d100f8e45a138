"""What can be wrong with a column of numbers, told from its profile."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator

from components.core.verdict import Finding, Severity
from components.core.words import percent
from components.drift.columns import NumericProfile
from components.schema.chance import Chance
from components.schema.column_schema import ColumnSchema, Quartiles, widened
from components.spec.model import SchemaCheck

# A unit changed where the quartiles are at least this many times larger, or smaller. Seasons
# change less, and what is less is the drift check's affair.
_LEAST_FACTOR = 8.0
_SAME_FACTOR = 1.5
_FACTORS = (10, 12, 24, 60, 100, 1_000, 1_024, 3_600, 10_000, 86_400, 1e6, 1_048_576, 1e9)
# Numbers that stand for a missing one, and the largest ones of some types.
_STAND_INS = {sign * 10.0**power - sign for power in range(1, 10) for sign in (1, -1)} | {
    -1.0, -9.0, 32_767.0, -32_768.0, 65_535.0, 2_147_483_647.0, -2_147_483_648.0,
    4_294_967_295.0, 9.223372036854775807e18, -9.223372036854775808e18,
}  # fmt: skip
_OVERFLOW = 3e38


def number_findings(
    name: str,
    column: NumericProfile,
    seen: ColumnSchema,
    before: ColumnSchema,
    limits: SchemaCheck,
) -> Iterator[Finding]:
    """Another unit, or zeros and values beyond the range; and then what the digits tell."""
    if factor := unit_factor(seen, before):
        yield _scale(name, factor, seen, before)
    else:
        zeros = list(_zeros(name, column, seen, before, limits))
        yield from zeros
        yield from _range(name, column, seen, before, limits, 0 if not zeros else zeros[0].count)
    yield from _fractions(name, column, seen, before)
    if seen.rounded and not before.rounded and not before.whole:
        yield Finding(
            column=name,
            statistic="resolution",
            severity="warn",
            answer="drift",
            message=f"{name} takes few different values, evenly spread, where it took any before: "
            "rounded?",
        )


def unit_factor(seen: ColumnSchema, before: ColumnSchema) -> float:
    """How many times larger the quartiles are, if all by one large factor; otherwise 0.

    >>> column = ColumnSchema(
    ...     kind="number", source_types=["double"], rows=99, missing=0, quartiles=[(1, 2, 4)])
    >>> unit_factor(column.model_copy(update={"quartiles": [(98, 203, 401)]}), column)
    100.0
    """
    if not seen.quartiles or seen.present < 20:
        return 0.0
    found = [_factor(seen.quartiles[0], other) for other in before.quartiles]
    return found[0] if found and all(found) else 0.0


def _factor(now: Quartiles, then: Quartiles) -> float:
    spread_now, spread = now[2] - now[0], then[2] - then[0]
    if not (spread > 0 and spread_now > 0 and math.isfinite(spread_now) and math.isfinite(spread)):
        return 0.0
    factor = spread_now / spread
    large = max(factor, 1 / factor) >= _LEAST_FACTOR
    # A quartile near zero has no factor of its own: it may be off by a part of the spread.
    near = all(
        abs(a - factor * b) <= (_SAME_FACTOR - 1) * (abs(factor * b) / 2 + spread_now / 2)
        for a, b in zip(now, then, strict=True)
    )
    if not large or not near:
        return 0.0
    known = [sign for each in _FACTORS for sign in (float(each), 1.0 / each)]
    nearest = min(known, key=lambda each: abs(math.log(factor / each)))
    return nearest if abs(math.log(factor / nearest)) < math.log(1.25) else factor


def _scale(name: str, factor: float, seen: ColumnSchema, before: ColumnSchema) -> Finding:
    now, then = seen.quartiles[0][1], before.quartiles[0][1]
    times = f"{factor:,.6g} times" if factor > 1 else f"1/{1 / factor:,.6g} of"
    return Finding(
        column=name,
        statistic="scale",
        severity="drift",
        answer="drift",
        message=f"{name} is about {times} what it was, its median {then:.6g} -> {now:.6g}: "
        "another unit?",
        value=factor,
        threshold=_LEAST_FACTOR if factor > 1 else 1 / _LEAST_FACTOR,
        count=seen.present,
    )


def _zeros(
    name: str,
    column: NumericProfile,
    seen: ColumnSchema,
    before: ColumnSchema,
    limits: SchemaCheck,
) -> Iterator[Finding]:
    """Zeros in a column whose values all lay above: most of what lies below them now."""
    if not (before.minimum is not None and before.minimum > 0 and column.minimum == 0):
        return
    at_zero = column.counts[bisect_left(column.edges, 0.0)]
    below = column.beyond(before.minimum, math.inf)[0]
    chance = Chance(min(at_zero, below), seen.present, 0, before.present)
    if chance.beyond and chance.hits > 0.5 * below:
        yield chance.on(
            Finding(
                column=name,
                statistic="zeros",
                severity="drift" if chance.share > limits.outside else "warn",
                message=f"{name} is zero in {chance.hits:,} rows ({percent(chance.share)}, limit "
                f"{percent(limits.outside)}); it never was, its least value was "
                f"{before.minimum:.6g}: do zeros stand for missing values?",
                threshold=limits.outside,
                examples=["0"],
            )
        )


def _range(
    name: str,
    column: NumericProfile,
    seen: ColumnSchema,
    before: ColumnSchema,
    limits: SchemaCheck,
    explained: int | None,
) -> Iterator[Finding]:
    low, high = widened(before, limits.range)
    below, above = column.beyond(low, high)
    if not below + above or below + above <= (explained or 0):
        return
    chance = Chance(min(below + above, seen.present), seen.present, 0, before.present)
    severity: Severity = "info"
    if chance.beyond:
        severity = "drift" if chance.share > limits.outside else "warn"
    ends = [column.minimum] * (below > 0) + [column.maximum] * (above > 0)
    cause = _range_cause(column, before, (below, above))
    yield chance.on(
        Finding(
            column=name,
            statistic="range",
            severity=severity,
            message=f"{name} is outside of {low:.6g} to {high:.6g} in {chance.hits:,} rows "
            f"({percent(chance.share)}, limit {percent(limits.outside)}): it goes from "
            f"{column.minimum:.6g} to {column.maximum:.6g}, the reference from "
            f"{before.minimum:.6g} to {before.maximum:.6g}{cause}",
            threshold=limits.outside,
            examples=[f"{end:.6g}" for end in ends],
        )
    )


def _range_cause(column: NumericProfile, before: ColumnSchema, beyond: tuple[int, int]) -> str:
    ends = [
        (end, count)
        for end, count in zip((column.minimum, column.maximum), beyond, strict=True)
        if count and end is not None
    ]
    for end, _ in ends:
        if abs(end) >= _OVERFLOW:
            return f"; {end:.6g} is near the largest number of its type: an overflow?"
    for end, count in ends:
        at_end = column.counts[bisect_left(column.edges, end)]
        if end in _STAND_INS and at_end >= count / 2:
            return f"; {end:.6g} often stands for a missing value"
    if beyond[0] and before.minimum is not None and before.minimum >= 0:
        return "; it never was negative"
    return ""


def _fractions(
    name: str, column: NumericProfile, seen: ColumnSchema, before: ColumnSchema
) -> Iterator[Finding]:
    count = column.fractional
    if not count or not before.whole:
        return
    chance = Chance(count, seen.present, 0, before.present)
    yield chance.on(
        Finding(
            column=name,
            statistic="whole numbers",
            severity="warn" if chance.beyond else "info",
            message=f"{name} has fractions in {count:,} values ({percent(chance.share)}); "
            "all were whole numbers before",
        )
    )
