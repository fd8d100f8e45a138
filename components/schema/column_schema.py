"""What a column looked like in a window, with what it takes to judge others fairly."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from components.core.verdict import Document
from components.drift.columns import CategoryProfile, NumericProfile

if TYPE_CHECKING:
    from components.data.report import ColumnReport

Kind = Literal["number", "category"]
Column = NumericProfile | CategoryProfile
# The least value, the quartiles, and the largest (Tukey, 1977).
FiveNumbers = tuple[float, float, float, float, float]

_FEWEST_CELLS = 20
# How unlikely it has to be that values without a step look as if they had one, in nats.
_NATS = 25.0
_MOST_CELLS = 0.7


class ColumnSchema(Document):
    """A column of a window: its types, its domain, and how often it had no value.

    `source_types` are the types that the source had. Of the `rows`, the `missing` ones never had a
    value and the `unparsable` ones had one of another kind. Numbers have their range, their
    `five_numbers`, whether all were `whole`, and the `step` that they were rounded to; categories
    have their names where there were few enough to be `complete`. `most_common` is how many rows
    at most had the same value.

    What later windows are judged by without the counts: `rare` is how many categories occurred
    once and twice, and `doubtful`, where the names are not complete, how many rows may have a
    category that is not among the reference's most frequent ones.

    `accepted` are the windows' own schemas of the column that somebody took for the reference's as
    well; the types and the domain hold theirs already.
    """

    kind: Kind
    source_types: list[str]
    rows: int
    missing: int
    unparsable: int = 0
    most_common: int = 0
    minimum: float | None = None
    maximum: float | None = None
    whole: bool = False
    step: float = 0.0
    five_numbers: list[FiveNumbers] = Field(default_factory=list)
    categories: list[str] = Field(default_factory=list)
    complete: bool = True
    rare: tuple[int, int] = (0, 0)
    doubtful: int = 0
    accepted: list[ColumnSchema] = Field(default_factory=list)

    @property
    def emptiest(self) -> ColumnSchema:
        """The one with the largest share of missing values, of this and the accepted ones."""
        return max((self, *self.accepted), key=lambda each: each.missing / max(each.rows, 1))

    @property
    def most_constant(self) -> ColumnSchema:
        """The one with the most frequent value, of this and the accepted ones."""
        return max((self, *self.accepted), key=lambda each: each.most_common / max(each.present, 1))

    @property
    def present(self) -> int:
        """The rows with a value."""
        return max(self.rows - self.missing - self.unparsable, 0)

    @model_validator(mode="before")
    @classmethod
    def _read_older(cls, document: Any) -> Any:
        """A column of format 1 had one type, counted categories, and nulls of both kinds."""
        if not isinstance(document, dict) or "source_type" not in document:
            return document
        older = dict(document)
        nulls, unparsable = older.pop("nulls"), older.get("unparsable", 0)
        counts = list(older.get("categories", {}).values())
        return older | {
            "source_types": [older.pop("source_type")],
            "missing": max(nulls - unparsable, 0),
            "categories": sorted(older.get("categories", {})),
            "rare": (counts.count(1), counts.count(2)),
            "doubtful": 0 if older.get("complete", True) else older["rows"] - nulls,
        }


def learn_column(
    column: Column, source: ColumnReport, rows: int | None = None, *, target: bool = False
) -> ColumnSchema:
    """What a window's profile and its ingest report say of a column.

    Args:
        column: its profile; ingest has made nulls of the values that it could not read.
        source: how it arrived.
        rows: how many rows could have had a value, where the profile is of those alone that did.
        target: whether it is the target, of which the profile has the labels alone.

    >>> import pyarrow as pa
    >>> from components.data.report import ColumnReport
    >>> from components.drift.profile import profile_arrays
    >>> profile = profile_arrays({"a": pa.array([3.0, 4.0, 4.0, None])}).columns["a"]
    >>> learned = learn_column(profile, ColumnReport(source_type="double"))
    >>> learned.minimum, learned.whole, learned.missing, learned.present
    (3.0, True, 1, 3)
    """
    infinite = 0
    if isinstance(column, NumericProfile):
        infinite = column.negative_infinite + column.positive_infinite
    unreadable = column.unreadable + infinite
    total = column.rows if rows is None else rows
    labelled = column.present - infinite
    empty = total - labelled - unreadable if target else column.missing + column.absent
    common = {
        "source_types": [source.source_type],
        "rows": total,
        "missing": max(empty - source.unparsable, 0),
        "unparsable": source.unparsable + unreadable,
        "most_common": min(column.most_common, labelled),
    }
    if isinstance(column, NumericProfile):
        return ColumnSchema(kind="number", **common, **_numbers(column))
    return ColumnSchema(kind="category", **common, **_categories(column))


def widened(before: ColumnSchema | None, by: float) -> tuple[float, float]:
    """The range within which a number raises no doubt.

    The reference's own, wider by a share of its width at each end. That of a constant stays a
    point. One that begins at zero stays there, and that of a quantity which never is negative by
    its nature goes no lower: its values lie close to zero and reach far up (amounts, durations).

    >>> column = ColumnSchema(
    ...     kind="number", source_types=["double"], rows=9, missing=0, minimum=10, maximum=20)
    >>> widened(column, 0.5)
    (5.0, 25.0)
    """
    if before is None or before.minimum is None or before.maximum is None:
        return -math.inf, math.inf
    # Half the ends are subtracted: a width may be larger than the largest double.
    more = 2 * by * (before.maximum / 2 - before.minimum / 2)
    low = before.minimum - more
    if before.minimum == 0 or _is_amount(before):
        low = max(low, 0.0)
    return low, before.maximum + more


def _is_amount(column: ColumnSchema) -> bool:
    if column.minimum is None or column.maximum is None or not column.five_numbers:
        return False
    middle = column.five_numbers[0][2]
    return 0 < column.minimum < middle and middle - column.minimum <= (column.maximum - middle) / 2


def _numbers(column: NumericProfile) -> dict[str, Any]:
    quartiles = [column.quantile(share) for share in (0.25, 0.5, 0.75)]
    found = [column.minimum, *quartiles, column.maximum]
    return {
        "minimum": column.minimum,
        "maximum": column.maximum,
        "whole": bool(column.finite) and column.whole and not column.fractional,
        "step": rounding(column),
        "five_numbers": [] if None in found else [tuple(found)],
    }


def _categories(column: CategoryProfile) -> dict[str, Any]:
    counts = column.counts
    complete = column.complete and not column.rest
    named = {name for name, count in zip(column.known, counts, strict=True) if count}
    # The known ones were chosen for their counts, and so have more than their due: by up to three
    # deviations of a Poisson count, which the largest of a thousand seldom exceeds.
    sure = (
        0.0
        if column.rest and column.complete
        else sum(max(count - 3 * math.sqrt(count), 0.0) for count in counts)
    )
    return {
        "categories": sorted(named | column.others.keys()) if complete else [],
        "complete": complete,
        "rare": (counts.count(1), counts.count(2)),
        "doubtful": 0 if complete else column.present - math.floor(sure),
    }


def rounding(column: NumericProfile) -> float:
    """The step that numbers are rounded to which were not before, or 0.

    Between the first and the last tenth of the values, every cell with a value then holds a
    multiple of the step, although many of the reference's cells hold none. Of values that are not
    rounded each filled cell would hold one by chance alone.

    >>> import pyarrow as pa
    >>> from components.drift.profile import profile_arrays
    >>> values = np.random.default_rng(0).normal(0, 20, 4000)
    >>> reference = profile_arrays({"a": pa.array(values)})
    >>> fresh = profile_arrays({"a": pa.array(np.rint(values))}, reference)
    >>> rounding(reference.columns["a"]), rounding(fresh.columns["a"])
    (0.0, 1.0)
    """
    if column.discrete or not column.finite or len(column.edges) < _FEWEST_CELLS:
        return 0.0
    below = np.cumsum(column.counts)
    first, last = np.searchsorted(below, [0.1 * below[-1], 0.9 * below[-1]])
    first, last = max(int(first), 1), min(int(last), len(column.edges) - 1)
    if last - first < _FEWEST_CELLS:
        return 0.0
    filled = np.array(column.counts[first : last + 1]) > 0
    edges = np.array(column.edges[first - 1 : last + 1])
    widths = np.diff(edges)
    top = math.floor(math.log10(edges[-1] - edges[0]))
    for step in (each * 10.0**power for power in range(top, top - 5, -1) for each in (5, 2, 1)):
        near = 1e-9 * step
        holds = np.floor((edges[1:] + near) / step) > np.floor((edges[:-1] - near) / step)
        # Narrow cells are filled less often, so the widths count as well.
        share = max(holds.mean(), widths[holds].sum() / widths.sum())
        if 0 < share <= _MOST_CELLS and holds[filled].all():
            return float(step) if -filled.sum() * math.log(share) > _NATS else 0.0
    return 0.0
