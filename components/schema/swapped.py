"""Columns that changed places, told from both looking like the other one's reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from components.core.verdict import Finding
from components.schema.column_schema import ColumnSchema, FiveNumbers

# FiveNumbers are alike when they differ by less than this part of the spread.
_ALIKE = 0.25


def swapped_columns(
    seen: Mapping[str, ColumnSchema], before: Mapping[str, ColumnSchema]
) -> Iterator[Finding]:
    """The pairs of columns that each look like the other's reference and no longer like their own.

    Args:
        seen: the window's columns.
        before: the reference's.
    """
    for one, other in combinations(sorted(seen.keys() & before.keys()), 2):
        if (
            _fits(seen[one], before[other])
            and _fits(seen[other], before[one])
            and not _fits(seen[one], before[one])
            and not _fits(seen[other], before[other])
        ):
            for name, like in ((one, other), (other, one)):
                yield Finding(
                    column=name,
                    statistic="swapped columns",
                    severity="drift",
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
        return any(_alike(a, b) for a in now.five_numbers for b in then.five_numbers)
    names, known = set(now.categories), set(then.categories)
    return bool(names) and len(names & known) >= 0.5 * len(names)


def _alike(now: FiveNumbers, then: FiveNumbers) -> bool:
    spread = max(now[3] - now[1], then[3] - then[1])
    quartiles = zip(now[1:4], then[1:4], strict=True)
    return all(abs(a - b) <= _ALIKE * spread for a, b in quartiles)
