"""What can be wrong with a column of numbers, told from its profile."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator

from components.core.verdict import Finding, Severity
from components.core.words import percent
from components.drift.columns import NumericProfile
from components.schema.chance import Chance
from components.schema.column_schema import ColumnSchema, FiveNumbers, widened
from components.spec.model import SchemaCheck

# A unit changed where the quartiles are at least this many times larger, or smaller. Seasons
# change less, and what is less is the drift check's affair.
_LEAST_FACTOR = 8.0
_FEWEST_ROWS = 20
# A factor may miss a quartile by this part of the spread.
_TOLERANCE = 0.25
_LEAST_PART = 0.02
# Factors that units have, and how far from one, as a logarithm, the ratio of two samples
# may be.
_FACTORS = [
    power
    for each in (10.0, 60.0, 100.0, 1e3, 3_600.0, 1e4, 86_400.0, 1e5, 1e6, 1e9)
    for power in (each, 1.0 / each)
]
_ALMOST = math.log(3)
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
    if factor := unit_factor(column, before):
        yield _scale(name, factor, column, before)
    else:
        zeros = list(_zeros(name, column, seen, before, limits))
        yield from zeros
        found = list(_range(name, column, seen, before, limits, zeros[0].count if zeros else 0))
        yield from found or _negative(name, column, seen, before)
    yield from _fractions(name, column, seen, before)
    if seen.step and not before.step and not before.whole:
        yield Finding(
            column=name,
            statistic="resolution",
            severity="warn",
            answer="drift",
            message=f"{name} has multiples of {seen.step:.6g} alone, where it had values in "
            "between before: rounded?",
            value=seen.step,
            count=seen.present,
        )


def unit_factor(column: NumericProfile, before: ColumnSchema) -> float:
    """How many times larger all values are, if by one large factor; otherwise 0.

    The factor is that of the quartiles' spread, or of the whole width where the values lie so far
    from the reference's that its cells are too wide for quartiles. It has to take each quartile
    into the cell where it is now: in a tail that is heavy, the width alone does not.

    >>> from components.drift.profile import profile_arrays
    >>> import numpy as np
    >>> import pyarrow as pa
    >>> values = np.random.default_rng(0).gamma(3.0, 20.0, 1000)
    >>> reference = profile_arrays({"a": pa.array(values)})
    >>> cents = profile_arrays({"a": pa.array(values * 100)}, reference).columns["a"]
    >>> from components.data.report import ColumnReport
    >>> from components.schema.column_schema import learn_column
    >>> unit_factor(cents, learn_column(reference.columns["a"], ColumnReport(source_type="double")))
    100.0
    """
    if column.finite < _FEWEST_ROWS:
        return 0.0
    found = [_factor(column, each) for each in before.five_numbers]
    return found[0] if found and all(found) else 0.0


def _factor(column: NumericProfile, then: FiveNumbers) -> float:
    cells = [_cell(column, share) for share in (0.25, 0.5, 0.75)]
    least, *quartiles, largest = then
    spread = then[3] - then[1]
    if not min(then[2] - then[1], then[3] - then[2]) > _LEAST_PART * spread:
        return 0.0  # half of the values are one value: they tell no scale
    ratios = [
        ratio
        for ratio in (
            _ratio(cells[2][0] - cells[0][1], spread),
            _ratio((column.maximum or 0.0) - (column.minimum or 0.0), largest - least),
        )
        if ratio
    ]
    apart = {
        known: min((abs(math.log(known / r)) for r in ratios), default=9) for known in _FACTORS
    }
    close = sorted((known for known in _FACTORS if apart[known] < _ALMOST), key=lambda k: apart[k])
    for factor in (*close, *ratios):
        allowed = _TOLERANCE * factor * spread
        if max(factor, 1 / factor) >= _LEAST_FACTOR and all(
            low - allowed <= factor * quartile <= high + allowed
            for (low, high), quartile in zip(cells, quartiles, strict=True)
        ):
            return factor
    return 0.0


def _ratio(now: float, before: float) -> float:
    """How many times larger, 0 where that cannot be said."""
    ratio = now / before if before > 0 and math.isfinite(before) else 0.0
    return ratio if ratio > 0 and math.isfinite(ratio) else 0.0


def _cell(column: NumericProfile, share: float) -> tuple[float, float]:
    """Where a quantile lies for certain."""
    low, high = column.minimum or 0.0, column.maximum or 0.0
    value = column.quantile(share)
    place = bisect_left(column.edges, value if value is not None else low)
    if place > 0:
        low = max(low, column.edges[place - 1])
    if place < len(column.edges):
        high = min(high, column.edges[place])
    return low, high


def _scale(name: str, factor: float, column: NumericProfile, before: ColumnSchema) -> Finding:
    then = before.five_numbers[0]
    times = f"{factor:,.6g} times" if factor > 1 else f"1/{1 / factor:,.6g} of"
    return Finding(
        column=name,
        statistic="scale",
        severity="blocked",
        answer="drift",
        message=f"{name} is about {times} what it was: its middle half was {then[1]:.6g} to "
        f"{then[3]:.6g}, its values are {column.minimum:.6g} to {column.maximum:.6g} now: "
        "another unit?",
        value=factor,
        threshold=_LEAST_FACTOR if factor > 1 else 1 / _LEAST_FACTOR,
        count=column.finite,
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


def _negative(
    name: str, column: NumericProfile, seen: ColumnSchema, before: ColumnSchema
) -> Iterator[Finding]:
    """Values below zero, near enough to be within the range, where there never was one.

    Never more than a warning: of some quantities, such as temperatures, it is the season.
    """
    if column.minimum is None or not column.minimum < 0 <= (before.minimum or 0.0):
        return
    below = column.beyond(before.minimum or 0.0, math.inf)[0]
    chance = Chance(min(below, seen.present), seen.present, 0, before.present)
    if chance.beyond:
        yield chance.on(
            Finding(
                column=name,
                statistic="negative",
                severity="warn",
                message=f"{name} goes down to {column.minimum:.6g} and never was negative; "
                f"{chance.hits:,} rows ({percent(chance.share)}) lie below the least value that it "
                f"had, {before.minimum:.6g}",
                examples=[f"{column.minimum:.6g}"],
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
            return f"; {end:.16g} often stands for a missing value"
    if column.minimum is not None and column.minimum < 0 <= (before.minimum or 0.0):
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
