"""What a column looked like in a training window, with what it takes to judge others fairly."""

from __future__ import annotations

import math
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from components.core.verdict import Document
from components.data.convert import to_numbers
from components.schema.summary import CategorySummary, NumberSummary

Kind = Literal["number", "category"]

# More categories than this are not kept by name: such a column is text, not a set.
_KEPT_CATEGORIES = 5_000


class ColumnSchema(Document):
    """A column of a training window.

    `source_type` is the source's own type. `nulls` are the rows without a value, among them the
    `unparsable` ones, whose value could not be read. Numbers have their range and whether
    all were whole; categories their counts, or none where there were too many (`complete` false).
    `most_common` is how many rows had the most frequent value.
    """

    kind: Kind
    source_type: str
    rows: int
    nulls: int
    unparsable: int = 0
    most_common: int = 0
    minimum: float | None = None
    maximum: float | None = None
    whole: bool = False
    categories: dict[str, int] = Field(default_factory=dict)
    complete: bool = True

    @property
    def present(self) -> int:
        """The rows with a value."""
        return self.rows - self.nulls

    @property
    def missing(self) -> int:
        """The rows that never had a value."""
        return max(self.nulls - self.unparsable, 0)


def learn_column(
    column: pa.Array, kind: Kind, source_type: str, unparsable: int = 0
) -> ColumnSchema:
    """Learn a column's schema.

    Args:
        column: its values.
        kind: what they are to be.
        source_type: the source's own type.
        unparsable: how many of the nulls are values that ingest could not read.

    >>> learn_column(pa.array([3.0, 4.0, 4.0, None]), "number", "double").most_common
    2
    """
    if kind == "number":
        return _learn_numbers(column, source_type, unparsable)
    summary = CategorySummary()
    summary.add(column)
    complete = summary.complete and len(summary.counts) <= _KEPT_CATEGORIES
    return ColumnSchema(
        kind=kind,
        source_type=source_type,
        rows=summary.rows,
        nulls=summary.nulls,
        unparsable=unparsable + summary.unfit,
        most_common=max(summary.counts.values(), default=0),
        categories=dict(sorted(summary.counts.items())) if complete else {},
        complete=complete,
    )


def widened(before: ColumnSchema | None, by: float) -> tuple[float, float]:
    """The range within which a number raises no doubt.

    The reference's own, wider by a share of its width at each end. A range that begins at exactly
    zero stays there (amounts, counts, durations), and that of a constant stays a point.

    >>> column = ColumnSchema(
    ...     kind="number", source_type="double", rows=9, nulls=0, minimum=10, maximum=20)
    >>> widened(column, 0.5)
    (5.0, 25.0)
    """
    if before is None or before.minimum is None or before.maximum is None:
        return -math.inf, math.inf
    width = before.maximum - before.minimum
    low = before.minimum if before.minimum == 0 else before.minimum - by * width
    return low, before.maximum + by * width


def _learn_numbers(column: pa.Array, source_type: str, unparsable: int) -> ColumnSchema:
    summary = NumberSummary()
    summary.add(column)
    common = pc.mode(to_numbers(column)[0], 1).to_pylist()
    return ColumnSchema(
        kind="number",
        source_type=source_type,
        rows=summary.rows,
        nulls=summary.nulls,
        unparsable=unparsable + summary.unfit,
        most_common=common[0]["count"] if common else 0,
        minimum=summary.minimum,
        maximum=summary.maximum,
        whole=bool(summary.present) and not summary.fractional,
    )
