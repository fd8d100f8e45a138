"""The likely causes of values that differ between serving and training.

A pattern turns a trained value into the served one. It is claimed where it explains more of the
differences than chance could, and the largest part comes first: several things may be wrong with
one column. Chance is what the same pattern explains of pairs in which there is nothing to explain:
a value held against another row's, and against itself plus another row's difference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc

from components.core.words import percent

Mask = NDArray[np.bool_]

# Fewer rows, or a smaller part of those that differ, show no pattern.
_LEAST_ROWS = 5
_LEAST_SHARE = 0.05
# The chance of one false claim; a column is held against about a hundred patterns.
_LEVEL = 1e-6
# Chance is measured on a few thousand pairs: what never occurred there may still occur.
_LEAST_CHANCE = 0.01
# The simplest pattern that explains nearly as much as the best one is the likely one.
_NEARLY = 0.98
_MOST = 3


@dataclass(frozen=True)
class Cause:
    """Why `rows` of the differing values differ: its kind for machines, its text for people.

    `column` is the other column in question, where there is one; `estimated` says that not all of
    the values were looked at.
    """

    kind: str
    text: str
    rows: int
    column: str = ""
    estimated: bool = field(default=False, repr=False)


@dataclass(frozen=True)
class Pattern:
    """What a cause would explain: which of the differing values, and how many of them by chance.

    `explained` is (n,); `chance` is between 0 and 1.
    """

    kind: str
    text: str
    explained: Mask
    chance: float = 0.0
    column: str = ""


def choose(patterns: Sequence[Pattern], rows: int) -> list[Cause]:
    """The patterns that hold beyond chance, the one that explains most first; at most three.

    Each is judged by a binomial test on the rows that those before it leave unexplained; all rows
    count as tried.

    Args:
        patterns: in the order in which equally good ones are preferred.
        rows: how many values differ.

    >>> every, tenth = np.ones(50, bool), np.arange(50) < 5
    >>> choose([Pattern("a", "one", tenth), Pattern("b", "other", every)], 50)
    [Cause(kind='b', text='other', rows=50, column='')]
    >>> choose([Pattern("a", "one", every, chance=0.9)], 50)
    []
    """
    left = np.ones(rows, np.bool_)
    causes: list[Cause] = []
    while len(causes) < _MOST:
        counts = [int(np.count_nonzero(pattern.explained & left)) for pattern in patterns]
        sure = [
            (count, pattern)
            for count, pattern in zip(counts, patterns, strict=True)
            if beyond_chance(count, rows, pattern.chance) and count >= _LEAST_SHARE * rows
        ]
        if not sure:
            break
        most = max(count for count, _ in sure)
        count, pattern = next(pair for pair in sure if pair[0] >= _NEARLY * most)
        causes.append(Cause(pattern.kind, pattern.text, count, pattern.column))
        left &= ~pattern.explained
    return causes


def beyond_chance(count: int, rows: int, chance: float) -> bool:
    """Whether so many of the rows are more than a pattern explains by chance.

    >>> beyond_chance(5, 5, 0.0), beyond_chance(5, 500, 0.0), beyond_chance(400, 500, 0.9)
    (True, False, False)
    """
    if count < _LEAST_ROWS:
        return False
    return bool(bdtrc(count - 1, rows, min(max(chance, _LEAST_CHANCE), 1.0)) < _LEVEL)


def chance_of(found: Sequence[bool] | Mask) -> float:
    """How often a pattern holds of pairs without one, with three standard errors of that share.

    >>> chance_of([True, False, False, False]) > 0.25, chance_of([])
    (True, 0.0)
    """
    if not len(found):
        return 0.0
    share = float(np.mean(found))
    return min(share + 3 * math.sqrt(share * (1 - share) / len(found)), 1.0)


def describe(causes: Sequence[Cause], rows: int, sampled: bool = False) -> str:
    """The causes as a part of a sentence, with their shares where they are not the whole.

    Args:
        causes: of which rows each is the cause.
        rows: of how many.
        sampled: whether more rows differ than these, so that shares are all that is known.

    >>> describe([Cause("sign", "the sign is changed", 480)], 500)
    'in 480 of 500: the sign is changed'
    >>> describe([Cause("sign", "the sign is changed", 480)], 500, sampled=True)
    'in about 96.0 %: the sign is changed'
    """
    if len(causes) == 1 and causes[0].rows == rows:
        return causes[0].text
    parts = []
    for cause in causes:
        about = sampled or cause.estimated
        share = f"about {percent(cause.rows / rows)}" if about else f"{cause.rows:,} of {rows:,}"
        parts.append(f"in {share}: {cause.text}")
    return "; ".join(parts)
