"""Pairs of texts that differ, and pairs of the same kind in which there is nothing to find."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from components.drift.causes import Mask, Pattern, chance_of

Texts = Sequence[str | None]
Same = Callable[[str, str], bool]

_SEED = 0
_DRAWS = 1000
# Of longer texts fewer rows and pairs by chance are looked at, so that each pattern costs about a
# million characters; but some are.
_CHARACTERS = 1 << 20
_LEAST_LOOK = 50
_LEAST_DRAWS = 100
_TRIES = 16
_LEAST_ROWS = 5
_LEAST_VALUES = 2
# How much oftener than any other one the most frequent beginning or end occurs, if it is one.
_CLEAR = 3.0
_LOOK = 0.04


def spread_rows(served: Texts, trained: Texts) -> list[int] | None:
    """The rows, spread evenly, of which a look at each costs little; None where all rows do.

    >>> spread_rows(["a"] * 9, ["b"] * 9), len(spread_rows(["a" * 99_999] * 200, ["b"] * 200))
    (None, 50)
    """
    rows = max(_affordable(served, trained), _LEAST_LOOK)
    if rows >= len(served):
        return None
    return [place * (len(served) - 1) // (rows - 1) for place in range(rows)]


def _affordable(served: Texts, trained: Texts) -> int:
    """How many pairs have about a million characters."""
    total = sum(len(text) for side in (served, trained) for text in side if text is not None)
    return _CHARACTERS * len(served) // max(total, 1)


class TextPairs:
    """The pairs of the rows that differ; equal pairs are looked at once.

    Args:
        served: (n,) with None for missing.
        trained: (n,) likewise.
        population: (m,) trained values of rows in general.
    """

    def __init__(self, served: Texts, trained: Texts, population: Texts) -> None:
        self.served, self.trained, self.population = served, trained, population
        self.all = list(zip(served, trained, strict=True))
        self.counts: Counter[tuple[str, str]] = Counter(
            (a, b) for a, b in self.all if a is not None and b is not None
        )
        self._random = np.random.default_rng(_SEED)
        self._texts = [text for text in population if text is not None]

    def where(self, test: Callable[[str | None, str | None], bool]) -> Mask:
        """The rows whose pair passes a test, (n,)."""
        return np.fromiter((test(a, b) for a, b in self.all), np.bool_, len(self.all))

    def pattern(self, kind: str, text: str, same: Same, least: int = _LEAST_VALUES) -> Pattern:
        """The pattern that explains the pairs for which `same(served, trained)` is true.

        Args:
            kind: the cause's kind.
            text: the cause's text.
            same: takes two texts that differ.
            least: of fewer different trained texts there is no pattern.
        """
        found = {pair for pair in self.counts if same(*pair)}
        explained = np.fromiter((pair in found for pair in self.all), np.bool_, len(self.all))
        if np.count_nonzero(explained) < _LEAST_ROWS or len({b for _, b in found}) < least:
            return Pattern(kind, text, np.zeros_like(explained))
        return Pattern(kind, text, explained, chance_of([same(a, b) for a, b in self._draws]))

    def copy(self, kind: str, text: str, source: Texts, column: str = "") -> Pattern | None:
        """The pattern that served is what stands in other values, (n,), for the same rows."""
        rows = zip(self.all, source, strict=True)
        same = np.fromiter(
            (a is not None and b is not None and a == other for (a, b), other in rows), np.bool_
        )
        if not len(same) or np.mean(same) < _LOOK:
            return None
        if len({source[i] for i in np.flatnonzero(same)[:1000]}) < _LEAST_VALUES + 1:
            return None
        drawn = self._random.choice(len(source), len(self._draws))
        chance = [a == source[i] for (a, _), i in zip(self._draws, drawn.tolist(), strict=True)]
        return Pattern(kind, text, same, chance_of(chance), column)

    def frequent(self, most: int) -> list[str]:
        """The texts served most often."""
        served: Counter[str] = Counter()
        for (a, _), count in self.counts.items():
            served[a] += count
        return [text for text, _ in served.most_common(most)]

    def clear(self, found: Counter[str]) -> bool:
        """Whether one occurs much oftener than all others."""
        best = found.most_common(2)
        return bool(best) and (len(best) == 1 or best[0][1] >= _CLEAR * best[1][1])

    @cached_property
    def _draws(self) -> list[tuple[str, str]]:
        """Trained texts, each with another one at random: a pair without a pattern."""
        trained = [b for _, b in self.all if b is not None]
        if not trained or not self._texts:
            return []
        size = min(max(_affordable(self.served, self.trained), _LEAST_DRAWS), _DRAWS)
        rows = self._random.integers(0, len(trained), size)
        draws = self._random.integers(0, len(self._texts), (size, _TRIES)).tolist()
        pairs = []
        for row, tries in zip(rows.tolist(), draws, strict=True):
            b = trained[row]
            other = next((self._texts[i] for i in tries if self._texts[i] != b), None)
            if other is not None:
                pairs.append((other, b))
        return pairs
