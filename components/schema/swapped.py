"""Columns that changed places, told from both looking like the other one's reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations, product

from components.core.verdict import Finding
from components.schema.column_schema import ColumnSchema, FiveNumbers

# Quartiles are alike when they differ by less than this part of the spread, and apart when each
# of them differs by more than this part.
_ALIKE, _APART = 0.25, 0.5


def swapped_columns(
    seen: Mapping[str, ColumnSchema], before: Mapping[str, ColumnSchema]
) -> Iterator[Finding]:
    """The pairs of columns that each look like the other's reference and no longer like their own.

    Args:
        seen: the window's columns.
        before: the reference's.
    """
    both = sorted(seen.keys() & before.keys())
    left = [name for name in both if _left(seen[name], before[name])]
    for one, other in combinations(left, 2):
        if _fits(seen[one], before[other]) and _fits(seen[other], before[one]):
            for name, like in ((one, other), (other, one)):
                yield Finding(
                    column=name,
                    statistic="swapped columns",
                    severity="blocked",
                    answer="drift",
                    message=f"{name} holds what {like} held before, and the other way round: "
                    f"{name} and {like} are swapped",
                    count=seen[name].present,
                    examples=[like],
                )


def _fits(now: ColumnSchema, then: ColumnSchema) -> bool:
    if now.kind != then.kind or not now.present or not then.present:
        return False
    if now.kind == "number":
        pairs = product(now.five_numbers, then.five_numbers)
        return any(_distance(a, b, max) <= _ALIKE for a, b in pairs)
    names, known = set(now.categories), set(then.categories)
    return bool(names) and len(names & known) >= 0.5 * len(names)


def _left(now: ColumnSchema, then: ColumnSchema) -> bool:
    """Whether a column is clearly no longer what it was."""
    if now.kind == "number":
        pairs = product(now.five_numbers, then.five_numbers)
        return all(_distance(a, b, min) > _APART for a, b in pairs)
    return bool(now.categories) and not _fits(now, then)


def _distance(now: FiveNumbers, then: FiveNumbers, choose: Callable[[list[float]], float]) -> float:
    """How far the quartiles moved, the least or the most of them, in spreads."""
    spread = max(now[3] - now[1], then[3] - then[1])
    moved = [abs(a - b) for a, b in zip(now[1:4], then[1:4], strict=True)]
    return choose(moved) / spread if spread > 0 else 0.0
