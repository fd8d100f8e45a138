"""What a profile holds of one column: counts in fixed cells, and little else.

The cells are the reference's: every profile of the same family counts in the same cells, which
is why profiles merge exactly and compare without the rows.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import accumulate
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from components.core.verdict import Document

# Whole numbers of this part of the spread are added up without rounding.
EXCESS_UNIT = 2.0**-16

Count = Annotated[int, Field(ge=0)]


class ColumnCounts(Document):
    """The rows of a column, by whether they hold a value.

    `missing` rows are null or NaN, `unreadable` ones hold something of another kind, and `absent`
    ones come from a file without the column. `types` are the Arrow types met.
    """

    rows: Count = 0
    missing: Count = 0
    unreadable: Count = 0
    absent: Count = 0
    types: list[str] = Field(default_factory=list)

    @property
    def empty(self) -> int:
        """The rows without a value that a model could use."""
        return self.missing + self.unreadable + self.absent

    @property
    def present(self) -> int:
        """The rows with a value."""
        return self.rows - self.empty


class NumericProfile(ColumnCounts):
    """A column of numbers.

    `counts[i]` is the number of values above `edges[i - 1]` and up to `edges[i]`; the first cell
    has no lower end and the last no upper one, and they hold the infinite values too. `minimum`
    and `maximum` are of the finite values. `span` and `spread` are the range and the standard
    deviation (divisor n) of the reference's values; `discrete` says that each of these has a cell
    of its own, and `whole` that each was a whole number: then `fractional` counts the values that
    are not. `excess` is how far the finite values lie below and above the span, all together, in
    units of `EXCESS_UNIT` times the spread; a value farther away than 2**40 units (16.8 million
    standard deviations) counts as lying that far.
    """

    kind: Literal["numeric"] = "numeric"
    discrete: bool = False
    whole: bool = False
    span: tuple[float, float] | None = None
    spread: float | None = None
    edges: list[float] = Field(default_factory=list)
    counts: list[Count]
    negative_infinite: Count = 0
    positive_infinite: Count = 0
    fractional: Count = 0
    excess: tuple[Count, Count] = (0, 0)
    minimum: float | None = None
    maximum: float | None = None

    @property
    def finite(self) -> int:
        """How many values are finite."""
        return self.present - self.negative_infinite - self.positive_infinite

    @property
    def mean(self) -> float | None:
        """The mean of the finite values, to the width of a cell.

        Sums would depend on the order of the rows; counts do not. The values of a cell count as
        spread evenly over it.
        """
        moments = self._moments()
        return moments[0] if moments else None

    @property
    def deviation(self) -> float | None:
        """The standard deviation of the finite values (divisor n), to the width of a cell."""
        moments = self._moments()
        return moments[1] if moments else None

    @property
    def most_common(self) -> int:
        """How often the most frequent value occurs at most; exactly so where it is an edge."""
        return max(self.counts, default=0)

    def beyond(self, low: float, high: float) -> tuple[int, int]:
        """How many finite values lie below `low` and how many above `high`, (2,).

        Exact at the ends of the reference's range and at values with a cell of their own; else
        the values in the limit's own cell are left out, so that neither number is too large.

        Args:
            low: the smallest value that is not counted, in the column's unit.
            high: the largest value that is not counted.
        """
        if self.minimum is None or self.maximum is None:
            return 0, 0
        below = sum(self.counts[: bisect_left(self.edges, low)]) - self.negative_infinite
        above = sum(self.counts[bisect_left(self.edges, high) + 1 :]) - self.positive_infinite
        return (
            self.finite if self.maximum < low else max(below, int(self.minimum < low)),
            self.finite if self.minimum > high else max(above, int(self.maximum > high)),
        )

    def _moments(self) -> tuple[float, float] | None:
        """The mean and the standard deviation, as if every cell were filled evenly."""
        if self.minimum is None or self.maximum is None:
            return None
        counts = np.array(self.counts, dtype=np.float64)
        counts[0] -= self.negative_infinite
        counts[-1] -= self.positive_infinite
        # In units of the largest value, so that no square is beyond a double.
        unit = max(abs(self.minimum), abs(self.maximum)) or 1.0
        ends = np.clip([self.minimum, *self.edges, self.maximum], self.minimum, self.maximum) / unit
        low, high = ends[:-1], ends[1:]
        shares = counts / counts.sum()
        middle = (low + high) / 2
        mean = float(np.sum(shares * middle))
        variance = float(np.sum(shares * ((middle - mean) ** 2 + (high - low) ** 2 / 12)))
        return mean * unit, math.sqrt(variance) * unit

    def quantile(self, share: float) -> float | None:
        """The value that this share of the values does not exceed, to the width of a cell.

        Args:
            share: between 0 and 1.

        Returns:
            A finite number in the column's unit; None where there are no finite values.
        """
        if self.minimum is None or self.maximum is None:
            return None
        counts = list(self.counts)
        counts[0] -= self.negative_infinite
        counts[-1] -= self.positive_infinite
        below = list(accumulate(counts))
        wanted = share * below[-1]
        cell = next(i for i, count in enumerate(below) if count >= wanted and counts[i])
        low = self.edges[cell - 1] if cell > 0 else self.minimum
        high = self.edges[cell] if cell < len(self.edges) else self.maximum
        if math.nextafter(low, high) == high:  # the cell of a single value
            return high
        low, high = max(low, self.minimum), min(high, self.maximum)
        inside = (wanted - (below[cell] - counts[cell])) / counts[cell]
        # A difference of the two could be too large for a double.
        return min(max(low * (1 - inside) + high * inside, low), high)


class CategoryProfile(ColumnCounts):
    """A column of categories.

    `counts` belong to `known`, the reference's categories in the order of their names. Of all
    others, the first ones by name are counted in `others`, and the rows of the rest in `rest`.
    `complete` says that the reference had no other categories than the known ones.
    """

    kind: Literal["category"] = "category"
    complete: bool = True
    known: list[str] = Field(default_factory=list)
    counts: list[Count]
    others: dict[str, Count] = Field(default_factory=dict)
    rest: Count = 0

    @property
    def unknown(self) -> int:
        """The rows whose category is not one of the known."""
        return self.rest + sum(self.others.values())

    @property
    def most_common(self) -> int:
        """How often the most frequent category occurs; where there is a rest, at most."""
        return max([*self.counts, *self.others.values(), self.rest])


ColumnProfile = Annotated[NumericProfile | CategoryProfile, Field(discriminator="kind")]
