"""Counting a column batch by batch, in cells that are given."""

from __future__ import annotations

import itertools
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.core.errors import DataError
from components.drift import exact
from components.drift.columns import CategoryProfile, NumericProfile
from components.drift.values import read_numbers, read_texts

# Categories counted by name beside the reference's.
OTHERS = 100
# Beyond this a square could overflow; such numbers count as this large in the spread.
_LARGEST = 1e150


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
    """

    def __init__(
        self,
        edges: NDArray[np.float64],
        *,
        discrete: bool,
        whole: bool,
        span: tuple[float, float] | None,
    ) -> None:
        super().__init__()
        self.edges, self.discrete, self.whole, self.span = edges, discrete, whole, span
        self.fractional = 0
        self.counts = np.zeros(edges.size + 1, dtype=np.int64)
        self.infinite = [0, 0]
        self.extremes: list[float] = []
        self.total = self.squares = 0

    @classmethod
    def like(cls, profile: NumericProfile) -> Self:
        """An empty tally with a profile's cells."""
        edges = np.array(profile.edges, dtype=np.float64)
        return cls(edges, discrete=profile.discrete, whole=profile.whole, span=profile.span)

    def add(self, array: pa.Array) -> None:
        """Count a batch of the column."""
        numbers = read_numbers(array)
        values = np.sort(numbers.values)  # NaN last
        values = values[: values.size - np.count_nonzero(np.isnan(values))]
        absent = len(array) - values.size - numbers.unreadable
        self._count(array, absent, numbers.unreadable)
        below = np.searchsorted(values, self.edges, side="right")
        self.counts += np.diff(below, prepend=0, append=values.size)
        first = int(np.searchsorted(values, -np.inf, side="right"))
        last = int(np.searchsorted(values, np.inf, side="left"))
        self.infinite[0] += first
        self.infinite[1] += values.size - last
        finite = values[first:last]
        if finite.size:
            self._widen(float(finite[0]), float(finite[-1]))
            if self.whole:
                self.fractional += int(np.count_nonzero(np.floor(finite) != finite))
            self.total += exact.exact_sum(finite)
            self.squares += exact.exact_sum(np.square(np.clip(finite, -_LARGEST, _LARGEST)))

    def merge(self, profile: NumericProfile) -> None:
        """Add what another profile counted in the same cells."""
        self._include(profile)
        self.counts += np.array(profile.counts, dtype=np.int64)
        self.infinite[0] += profile.negative_infinite
        self.infinite[1] += profile.positive_infinite
        if profile.minimum is not None and profile.maximum is not None:
            self._widen(profile.minimum, profile.maximum)
        self.fractional += profile.fractional
        self.total += exact.decode(profile.total)
        self.squares += exact.decode(profile.squares)

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
            edges=self.edges.tolist(),
            counts=self.counts.tolist(),
            negative_infinite=self.infinite[0],
            positive_infinite=self.infinite[1],
            fractional=self.fractional,
            minimum=low,
            maximum=high,
            total=exact.encode(self.total),
            squares=exact.encode(self.squares),
        )

    def _widen(self, low: float, high: float) -> None:
        found = [*self.extremes, low, high]
        # Zero has two signs; which came first must not show.
        self.extremes = [min(found) + 0.0, max(found) + 0.0]


class CategoryTally(Tally):
    """Counts of categories by name.

    Args:
        known: the reference's categories, sorted.
        complete: whether it had no others.
    """

    def __init__(self, known: list[str], complete: bool) -> None:
        super().__init__()
        self.known, self.complete = known, complete
        self.counts = dict.fromkeys(known, 0)
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
        for name, count in zip(texts.names, texts.counts, strict=True):
            found = self.counts if name in self.counts else self.others
            found[name] = found.get(name, 0) + count
        self._prune()

    def merge(self, profile: CategoryProfile) -> None:
        """Add what another profile counted by the same categories."""
        self._include(profile)
        for name, count in zip(profile.known, profile.counts, strict=True):
            self.counts[name] += count
        for name, count in profile.others.items():
            self.others[name] = self.others.get(name, 0) + count
        self.rest += profile.rest
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
            counts=list(self.counts.values()),
            others=dict(sorted(self.others.items())),
            rest=self.rest,
        )

    def _prune(self) -> None:
        # The first names of the whole are among the first of every part, so none of them is ever
        # dropped, and their counts do not depend on how the rows were split.
        for name in itertools.islice(sorted(self.others), OTHERS, None):
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
