"""Pairs of numbers that differ, and pairs of the same kind in which there is nothing to find."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from components.drift.causes import Mask, Pattern, beyond_chance, chance_of

Floats = NDArray[np.float64]
Explains = Callable[[Floats, Floats], Mask]

_SEED = 0
_DRAWS = 2000
# To find a value that differs, in a column that has nearly always the same.
_TRIES = 16
# A parameter is estimated from the rows: fewer different trained values do not pin it down.
_LEAST_VALUES = 3
_LEAST_ROWS = 5
# A function is claimed of so many different trained values at least, and at each it explains
# nearly all that differs: counts read too early are sometimes half of what they become.
_FUNCTION_VALUES = 4
_FUNCTION_SHARE = 0.95
# How much nearer than others values must lie to be called so: in standard errors, and as the
# chance, beyond a half, that one of them is the nearer one of two.
_NEARER = 3.0
_NEARER_CHANCE = 0.05
# A part of the rows that a pattern explains at least, to be worth a closer look.
_LOOK = 0.04
# How much oftener than any other one the most frequent difference occurs, where it is a shift.
_CLEAR = 3.0
_LINE_POINTS = 256


def near(a: Floats, expected: Floats, b: Floats) -> Mask:
    """Whether an expected value explains the difference between served `a` and trained `b`.

    To a millionth of the difference, with some room for a server that works in single precision.
    """
    gap, size = np.abs(a - b), np.abs(a)
    room = np.maximum(1e-6 * gap, np.minimum(1.2e-7 * size, 1e-3 * gap))
    found: Mask = (np.abs(a - expected) <= np.maximum(room, 4e-15 * size)) & (gap > 0)
    return found


def modes(values: Floats, most: int, precision: float) -> list[tuple[float, int]]:
    """The most frequent values, to a relative precision, with how often each occurs.

    >>> modes(np.array([1.0, 2.0, 2.0, 3.0, 3.0, 3.0]), 2, 0.0)
    [(3.0, 3), (2.0, 2)]
    """
    ordered = np.sort(values[np.isfinite(values)])
    if not len(ordered):
        return []
    breaks = np.diff(ordered) > precision * np.abs(ordered[1:])
    starts = np.flatnonzero(np.concatenate([[True], breaks]))
    counts = np.diff(np.append(starts, len(ordered)))
    best = np.argsort(-counts, kind="stable")[:most]
    return [(float(ordered[starts[i] + counts[i] // 2]), int(counts[i])) for i in best.tolist()]


def nearer(values: Floats, point: float, some: Mask) -> bool:
    """Whether some of the values, (k,), lie nearer to a point than the others.

    The rank sum test of Mann and Whitney (1947), by the normal distribution.

    >>> values = np.arange(100.0)
    >>> nearer(values, 0.0, values < 30), nearer(values, 0.0, values % 3 == 0)
    (True, False)
    """
    _, group, counts = np.unique(np.abs(values - point), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[group]
    n = int(np.count_nonzero(some))
    m = len(values) - n
    expected, error = n * (n + m + 1) / 2, np.sqrt(n * m * (n + m + 1) / 12)
    return bool(expected - ranks[some].sum() > max(_NEARER * error, _NEARER_CHANCE * n * m))


class NumberPairs:
    """The finite pairs of the rows that differ, with what chance would make of each pattern.

    Args:
        served: (n,) with NaN for missing.
        trained: (n,) likewise.
        population: (m,) trained values of rows in general; those that differ where left out.
    """

    def __init__(self, served: Floats, trained: Floats, population: Floats | None = None) -> None:
        self.rows = np.isfinite(served) & np.isfinite(trained)
        self.served, self.trained = served[self.rows], trained[self.rows]
        self.population = self.trained
        if population is not None and np.isfinite(population).any():
            self.population = population[np.isfinite(population)]
        self.enough = len(self.served) >= _LEAST_ROWS
        self._random = np.random.default_rng(_SEED)
        if self.enough:
            self._controls()

    def pattern(self, kind: str, text: str, explains: Explains, noise: bool = True) -> Pattern:
        """The pattern that explains the pairs (a, b) for which `explains(a, b)` is true.

        Args:
            kind: the cause's kind.
            text: the cause's text.
            explains: takes served and trained values, (k,) each.
            noise: whether to hold it against values with another row's difference as well.
        """
        explained = np.zeros(len(self.rows), np.bool_)
        with np.errstate(all="ignore"):  # logarithms of negative numbers, overflows: no match
            explained[self.rows] = explains(self.served, self.trained)
            found = self.trained[explained[self.rows]]
            least = 1 if kind in ("default", "clipped") else _LEAST_VALUES
            if len(found) < _LEAST_ROWS or len(np.unique(found[:1000])) < least:
                return Pattern(kind, text, np.zeros_like(explained))
            chance = chance_of(explains(*self._draws))
            if noise:
                chance = max(chance, chance_of(explains(*self._noise)))
        return Pattern(kind, text, explained, chance)

    def steady(self, pattern: Pattern, least: int = _FUNCTION_VALUES) -> Pattern:
        """The pattern, or nothing if the trained values alone do not decide where it holds.

        Args:
            pattern: a function of trained.
            least: of fewer different trained values there is no pattern.
        """
        found = pattern.explained[self.rows]
        every, hits = self._of_value(np.ones_like(found)), self._of_value(found)
        sure = (hits > 0) & (hits >= _FUNCTION_SHARE * every)
        enough = np.count_nonzero(sure) >= least
        if enough and hits[sure].sum() >= _FUNCTION_SHARE * hits.sum():
            return pattern
        return Pattern(pattern.kind, pattern.text, np.zeros_like(pattern.explained))

    def varied(self, pattern: Pattern) -> Pattern:
        """The pattern, or nothing if it holds for few trained values, or mostly of one served.

        What is always zero is a multiple of everything.
        """
        found = pattern.explained[self.rows]
        usual = max((count for _, count in modes(self.served[found], 1, 0.0)), default=0)
        rest = int(np.count_nonzero(found)) - usual
        values = np.count_nonzero(self._of_value(found))
        if values >= _FUNCTION_VALUES and beyond_chance(rest, len(found), pattern.chance):
            return pattern
        return Pattern(pattern.kind, pattern.text, np.zeros_like(pattern.explained))

    def reaches(self, value: float) -> bool:
        """Whether a value is among those of training, or not far beyond them."""
        low, high = float(self.population.min()), float(self.population.max())
        room = float(np.std(self.population))
        return low - room <= value <= high + room

    def _of_value(self, found: Mask) -> NDArray[np.int64]:
        """How many of the pairs, (k,), are found, for each different trained value."""
        group, size = self._groups
        return np.bincount(group, found, size).astype(np.int64)

    @cached_property
    def _groups(self) -> tuple[NDArray[np.intp], int]:
        values, group = np.unique(self.trained, return_inverse=True)
        return group, len(values)

    def copy(self, kind: str, text: str, source: Floats) -> Pattern | None:
        """The pattern that served is what stands in other values, (n,), for the same rows."""
        if not self.enough:
            return None
        other = source[self.rows]
        with np.errstate(all="ignore"):
            same = near(self.served, other, self.trained)
            if np.mean(same) < _LOOK or len(np.unique(other[same])) < _LEAST_VALUES:
                return None
            drawn, trained = self._draws
            chance = chance_of(near(drawn, self._random.choice(other, len(drawn)), trained))
        explained = np.zeros(len(self.rows), np.bool_)
        explained[self.rows] = same
        return Pattern(kind, text, explained, chance)

    def looks(self, expected: Floats, exact: bool = False) -> bool:
        """Whether expected values, (k,), are close enough to the served ones for a closer look."""
        room = 1e-9 if exact else 1e-5
        with np.errstate(all="ignore"):
            close = np.abs(expected - self.served) <= room * np.abs(self.served)
        return bool(np.mean(close) >= _LOOK)

    def clear_mode(self, values: Floats, trained: Floats, precision: float) -> Iterator[float]:
        """The one most frequent value, (k,), if no other occurs nearly as often.

        On a lattice, such as the whole numbers, random differences have modes too, and at its
        lowest value they only go up: without the most frequent trained value it must be as clear.
        """
        if not len(values):
            return
        usual = modes(trained, 1, 0.0)[0][0]
        for part in (values, values[trained != usual]):
            found = modes(part, 2, precision)
            if not found or (len(found) > 1 and found[0][1] < _CLEAR * found[1][1]):
                return
        yield modes(values, 1, precision)[0][0]

    def line(self, tries: int) -> tuple[float, float] | None:
        """The slope and start of the line through two points that most points lie on.

        Random sample consensus (Fischler and Bolles, 1981).
        """
        a, b = self.served, self.trained
        first, second = (self._random.integers(0, len(a), tries) for _ in range(2))
        used = b[first] != b[second]
        if not used.any():
            return None
        first, second = first[used], second[used]
        slopes = (a[first] - a[second]) / (b[first] - b[second])
        starts = a[first] - slopes * b[first]
        some = self._random.integers(0, len(a), _LINE_POINTS)
        fits = near(a[some], slopes[:, None] * b[some] + starts[:, None], b[some])
        best = int(np.argmax(np.count_nonzero(fits, axis=1)))
        slope, start = float(slopes[best]), float(starts[best])
        return (slope, start) if slope and abs(slope - 1) > 1e-9 else None

    def _controls(self) -> None:
        """Pairs without a pattern: another row's value, and the value plus another's difference."""
        b = self._random.choice(self.trained, _DRAWS)
        draws = self._random.choice(self.population, (_DRAWS, _TRIES))
        other = draws != b[:, None]
        found, first = other.any(axis=1), np.argmax(other, axis=1)
        self._draws = draws[np.arange(_DRAWS), first][found], b[found]
        rows = self._random.integers(0, len(self.served), _DRAWS)
        drawn = self._random.integers(0, len(self.population), _DRAWS)
        # With its own value a pair would be what it was.
        other = (rows != drawn) | (self.population is not self.trained)
        b = self.population[drawn[other]]
        self._noise = b + (self.served - self.trained)[rows[other]], b
