"""Counting a column batch by batch, in cells that are given."""

from __future__ import annotations

from functools import cached_property
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from components.core.errors import DataError
from components.drift.columns import EXCESS_UNIT, CategoryProfile, NumericProfile
from components.drift.locate import Locator
from components.drift.values import as_mask, as_numpy, present_numbers, read_texts, string_array

# Categories counted by name beside the reference's.
OTHERS = 100
# Distances from the span are taken for no larger, in units, and so many of them are added up at a
# time: their sum fits into 64 bits.
_FARTHEST = 2.0**40
_SLICE = 1 << 17


class Tally:
    """The rows of one column, by whether they hold a value."""

    def __init__(self) -> None:
        self.rows = self.missing = self.unreadable = self.absent = 0
        self.types: set[str] = set()

    def skip(self, rows: int) -> None:
        """Count rows of a file that lacks the column."""
        self.rows += rows
        self.absent += rows

    def _count(self, array: pa.Array, missing: int, unreadable: int) -> None:
        self.rows += len(array)
        self.missing += missing
        self.unreadable += unreadable
        kind = array.type
        self.types.add(str(kind.value_type if pa.types.is_dictionary(kind) else kind))

    def _include(self, profile: NumericProfile | CategoryProfile) -> None:
        self.rows += profile.rows
        self.missing += profile.missing
        self.unreadable += profile.unreadable
        self.absent += profile.absent
        self.types.update(profile.types)


class NumericTally(Tally):
    """Counts of numbers in fixed cells.

    Args:
        edges: (k,) ascending finite numbers.
        discrete: whether every value of the reference is one of them.
        whole: whether every value of the reference is a whole number.
        span: the range of the reference's values, None where it had none.
        spread: their standard deviation.
    """

    def __init__(
        self,
        edges: NDArray[np.float64],
        *,
        discrete: bool,
        whole: bool,
        span: tuple[float, float] | None,
        spread: float | None,
    ) -> None:
        super().__init__()
        self.edges, self.discrete, self.whole = edges, discrete, whole
        self.span, self.spread = span, spread
        self.fractional = 0
        self.excess = [0, 0]
        self.counts = np.zeros(edges.size + 1, dtype=np.int64)
        self.infinite = [0, 0]
        self.extremes: list[float] = []
        self._expected: NDArray[np.int64] | None = None

    @classmethod
    def like(cls, profile: NumericProfile) -> Self:
        """An empty tally with a profile's cells."""
        made = cls(
            np.array(profile.edges, dtype=np.float64),
            discrete=profile.discrete,
            whole=profile.whole,
            span=profile.span,
            spread=profile.spread,
        )
        made._expected = np.array(profile.counts, dtype=np.int64)
        return made

    def add(self, array: pa.Array) -> None:
        """Count a batch of the column."""
        numbers = present_numbers(array)
        values = numbers.values
        missing = len(array) - values.size - numbers.unreadable
        self._count(array, missing, numbers.unreadable)
        if not values.size:
            return
        self.counts += self._locator.count(values)
        values = self._finite(values)
        if values.size:
            self._widen(values)
        if self.whole and not pa.types.is_integer(array.type):
            self.fractional += int(np.count_nonzero(np.floor(values) != values))

    @cached_property
    def _locator(self) -> Locator:
        return Locator(self.edges, self.span, self._expected)

    def _finite(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The finite ones of some numbers; the others are counted."""
        if np.isfinite(values.min()) and np.isfinite(values.max()):
            return values
        self.infinite[0] += int(np.count_nonzero(values == -np.inf))
        self.infinite[1] += int(np.count_nonzero(values == np.inf))
        return values[np.isfinite(values)]

    def merge(self, profile: NumericProfile) -> None:
        """Add what another profile counted in the same cells."""
        self._include(profile)
        self.counts += np.array(profile.counts, dtype=np.int64)
        self.infinite[0] += profile.negative_infinite
        self.infinite[1] += profile.positive_infinite
        if profile.minimum is not None and profile.maximum is not None:
            self._include_extremes(profile.minimum, profile.maximum)
        self.excess = [self.excess[0] + profile.excess[0], self.excess[1] + profile.excess[1]]
        self.fractional += profile.fractional

    def profile(self) -> NumericProfile:
        """What was counted."""
        low, high = self.extremes or (None, None)
        return NumericProfile(
            rows=self.rows,
            missing=self.missing,
            unreadable=self.unreadable,
            absent=self.absent,
            types=sorted(self.types),
            discrete=self.discrete,
            whole=self.whole,
            span=self.span,
            spread=self.spread,
            edges=self.edges.tolist(),
            counts=self.counts.tolist(),
            negative_infinite=self.infinite[0],
            positive_infinite=self.infinite[1],
            fractional=self.fractional,
            excess=(self.excess[0], self.excess[1]),
            minimum=low,
            maximum=high,
        )

    def _widen(self, values: NDArray[np.float64]) -> None:
        low, high = float(values.min()), float(values.max())
        self._include_extremes(low, high)
        if self.span and self.spread:
            with np.errstate(over="ignore"):
                if low < self.span[0]:
                    self.excess[0] += _whole_sum((self.span[0] - values) / self.spread)
                if high > self.span[1]:
                    self.excess[1] += _whole_sum((values - self.span[1]) / self.spread)

    def _include_extremes(self, low: float, high: float) -> None:
        found = [*self.extremes, low, high]
        # Zero has two signs; which came first must not show.
        self.extremes = [min(found) + 0.0, max(found) + 0.0]


def _whole_sum(distances: NDArray[np.float64]) -> int:
    """The positive ones of some distances in whole units, added up without an error.

    Each is taken for no larger than 2**40 units: 2**24 (16.8 million) standard deviations.
    """
    total = 0
    for start in range(0, distances.size, _SLICE):
        some = distances[start : start + _SLICE]
        units = np.rint(some[some > 0] / EXCESS_UNIT)
        total += int(np.minimum(units, _FARTHEST).astype(np.int64).sum())
    return total


class CategoryTally(Tally):
    """Counts of categories by name.

    Args:
        known: the reference's categories, sorted.
        complete: whether it had no others.
    """

    def __init__(self, known: list[str], complete: bool) -> None:
        super().__init__()
        self.known, self.complete = known, complete
        self.counts = np.zeros(len(known), dtype=np.int64)
        self.others: dict[str, int] = {}
        self.rest = 0

    @classmethod
    def like(cls, profile: CategoryProfile) -> Self:
        """An empty tally with a profile's categories."""
        return cls(profile.known, profile.complete)

    def add(self, array: pa.Array) -> None:
        """Count a batch of the column."""
        texts = read_texts(array)
        self._count(array, texts.missing, texts.unreadable)
        if not len(texts.names):
            return
        found = pc.index_in(texts.names, value_set=self._names)
        known = as_mask(found.is_valid())
        self.counts[as_numpy(found.drop_null())] += texts.counts[known]
        if not known.all():
            self._add_others(texts.names.filter(found.is_null()), texts.counts[~known])

    def merge(self, profile: CategoryProfile) -> None:
        """Add what another profile counted by the same categories."""
        self._include(profile)
        self.counts += np.array(profile.counts, dtype=np.int64)
        for name, count in profile.others.items():
            self.others[name] = self.others.get(name, 0) + count
        self.rest += profile.rest
        self._prune()

    def settle(self) -> None:
        """End the learning: categories that were not among the rows learned from are not known."""
        self.complete = self.complete and not self.others

    @cached_property
    def _names(self) -> pa.StringArray:
        return string_array(self.known)

    def _add_others(self, names: pa.StringArray, counts: NDArray[np.int64]) -> None:
        first = pc.select_k_unstable(names, OTHERS, [("", "ascending")])
        chosen = as_numpy(first)
        self.rest += int(counts.sum() - counts[chosen].sum())
        for name, count in zip(names.take(first).to_pylist(), counts[chosen].tolist(), strict=True):
            self.others[name] = self.others.get(name, 0) + count
        self._prune()

    def profile(self) -> CategoryProfile:
        """What was counted."""
        return CategoryProfile(
            rows=self.rows,
            missing=self.missing,
            unreadable=self.unreadable,
            absent=self.absent,
            types=sorted(self.types),
            complete=self.complete,
            known=self.known,
            counts=self.counts.tolist(),
            others=dict(sorted(self.others.items())),
            rest=self.rest,
        )

    def _prune(self) -> None:
        # The first names of the whole are among the first of every part, so none of them is ever
        # dropped, and their counts do not depend on how the rows were split.
        for name in sorted(self.others)[OTHERS:]:
            self.rest += self.others.pop(name)


def same_cells(a: NumericProfile | CategoryProfile, b: NumericProfile | CategoryProfile) -> bool:
    """Whether two profiles of a column counted in the same cells, so that they compare."""
    if isinstance(a, NumericProfile) and isinstance(b, NumericProfile):
        return (a.edges, a.discrete, a.whole, a.span) == (b.edges, b.discrete, b.whole, b.span)
    if isinstance(a, CategoryProfile) and isinstance(b, CategoryProfile):
        return a.known == b.known and a.complete == b.complete
    return False


def tally_like(profile: NumericProfile | CategoryProfile) -> NumericTally | CategoryTally:
    """An empty tally that counts in the cells of a profile."""
    if isinstance(profile, NumericProfile):
        return NumericTally.like(profile)
    return CategoryTally.like(profile)


def merge_columns(
    a: NumericProfile | CategoryProfile, b: NumericProfile | CategoryProfile, name: str
) -> NumericProfile | CategoryProfile:
    """The profile of both parts of a column.

    Raises:
        DataError: when they counted in different cells.
    """
    if not same_cells(a, b):
        raise DataError(
            f"the profiles of column {name!r} do not merge, their cells differ; "
            "make both against the same reference"
        )
    tally = tally_like(a)
    for part in (a, b):
        _include(tally, part)
    return tally.profile()


def _include(tally: NumericTally | CategoryTally, part: NumericProfile | CategoryProfile) -> None:
    match tally, part:
        case NumericTally(), NumericProfile():
            tally.merge(part)
        case CategoryTally(), CategoryProfile():
            tally.merge(part)
