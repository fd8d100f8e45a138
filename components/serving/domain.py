"""What training saw of each feature, and how a request's rows lie to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from components.core.errors import ReleaseError
from components.data.feature_rows import FeatureRows
from components.schema.column_schema import ColumnSchema, widened
from components.serving.refusal import RequestError
from components.spec.model import Columns, Spec

# The largest number below those from which on a double cannot tell all integers apart.
_EXACT = float(2**53 - 1)


@dataclass(frozen=True)
class Strange:
    """How many values of a column training never saw: unseen categories, numbers out of range."""

    unseen: Mapping[str, int] = field(default_factory=dict)
    outside: Mapping[str, int] = field(default_factory=dict)


NOTHING = Strange()


class Domain:
    """The values that each feature had in training.

    Args:
        columns: the spec's columns.
        ranges: of each numeric column, as wide as the schema check takes it.
        known: each categorical column's texts; None where there were too many to keep them all.
        nulls: the columns that ever were without a value.
        refuse: whether the spec refuses what training never saw; a null in a column that always had
            a value is refused in any case.
    """

    def __init__(
        self,
        columns: Columns,
        ranges: list[tuple[float, float]],
        known: list[frozenset[str] | None],
        nulls: frozenset[str],
        *,
        refuse: bool,
    ) -> None:
        self.columns = columns
        self.known = known
        self.nulls = nulls
        self.refuse = refuse
        self.low = np.array([low for low, _ in ranges])
        self.high = np.array([high for _, high in ranges])
        # A number that may have been rounded on its way into a double is never plain.
        self._low, self._high = np.maximum(self.low, -_EXACT), np.minimum(self.high, _EXACT)
        self._bounds = list(zip(self._low.tolist(), self._high.tolist(), strict=True))
        self._complete = np.array([name not in nulls for name in columns.numeric], dtype=bool)

    def plain(self, numeric: NDArray[np.float64]) -> bool:
        """Whether all numbers are there and in range: all that most requests have to be asked."""
        return bool(((numeric >= self._low) & (numeric <= self._high)).all())

    def plain_row(self, values: Sequence[float | None]) -> bool:
        """The same for one row as it was decoded; for so few numbers numpy takes longer."""
        for value, (low, high) in zip(values, self._bounds, strict=True):
            if value is None or not low <= value <= high:
                return False
        return True

    def look(self, rows: FeatureRows, *, plain: bool = False) -> Strange:
        """How many values are new to the model.

        Args:
            rows: typed rows.
            plain: whether the numbers were found to be plain.

        Raises:
            RequestError: naming row and field: for a null where training had none, and, if the spec
                wants it so, for what training never saw.
        """
        outside = {} if plain or self.plain(rows.numeric) else self._numbers(rows.numeric)
        unseen: dict[str, int] = {}
        for place, seen in enumerate(self.known):
            column = rows.categorical[place]
            if seen is None or not seen.issuperset(column):
                self._texts(place, column, unseen)
        return Strange(unseen, outside) if outside or unseen else NOTHING

    def _numbers(self, numeric: NDArray[np.float64]) -> dict[str, int]:
        names = self.columns.numeric
        wrong = np.isnan(numeric) & self._complete
        if wrong.any():
            row, place = np.argwhere(wrong)[0].tolist()
            raise _null(row, names[place], "a number")
        outside = (numeric < self.low) | (numeric > self.high)
        if self.refuse and outside.any():
            row, place = np.argwhere(outside)[0].tolist()
            raise RequestError(
                f"row {row}: {names[place]} is {numeric[row, place]:g}, outside of the range "
                f"{self.low[place]:g} to {self.high[place]:g} that follows from training; "
                "the spec says serving.unseen: refuse"
            )
        return {
            names[place]: int(outside[:, place].sum()) for place in np.flatnonzero(outside.any(0))
        }

    def _texts(self, place: int, column: list[str | None], unseen: dict[str, int]) -> None:
        name, seen = self.columns.categorical[place], self.known[place]
        if None in column and name not in self.nulls:
            raise _null(column.index(None), name, "a text")
        if seen is None:
            return
        new = [row for row, text in enumerate(column) if text is not None and text not in seen]
        if new and self.refuse:
            raise RequestError(
                f"row {new[0]}: {name} is {column[new[0]]!r:.40}, a category that training "
                "never saw; the spec says serving.unseen: refuse"
            )
        if new:
            unseen[name] = len(new)


def read_domain(schema: str, spec: Spec, release: str) -> Domain:
    """The domain as a release's schema tells it.

    Args:
        schema: the text of `schema.json`.
        spec: the release's spec.
        release: what errors call it.

    Raises:
        ReleaseError: when the schema is of no form that is read here, or does not suffice for a
            spec that refuses unseen categories.
    """
    columns, refuse = spec.columns, spec.serving.unseen == "refuse"
    try:
        # Not the whole document: reading it would import pyarrow, which a server starts without.
        found = json.loads(schema)["columns"]
        learned = {name: ColumnSchema.model_validate(found[name]) for name in columns.features}
    except (ValueError, KeyError, TypeError):
        raise ReleaseError(
            f"release {release}: schema.json is not of a form that this version of driftline "
            "reads; use the version that wrote it, or train again"
        ) from None
    by = spec.checks.schema_.range
    return Domain(
        columns,
        [widened(learned[name], by) for name in columns.numeric],
        [_known(learned[name], name, release, refuse) for name in columns.categorical],
        frozenset(name for name in columns.features if _had_nulls(learned[name])),
        refuse=refuse,
    )


def _known(column: ColumnSchema, name: str, release: str, refuse: bool) -> frozenset[str] | None:
    if column.complete:
        return frozenset(column.categories)
    if refuse:
        raise ReleaseError(
            f"release {release} cannot refuse unseen values of {name}: there were too "
            "many in training to keep them by name; set serving.unseen to answer"
        )
    return None


def _had_nulls(column: ColumnSchema) -> bool:
    """Whether the model ever saw the column without a value, or nothing is known of it."""
    return any(
        each.missing + each.unparsable > 0 or not each.rows for each in (column, *column.accepted)
    )


def _null(row: int, name: str, expected: str) -> RequestError:
    return RequestError(f"row {row}: {name} is null, and in training it never was; send {expected}")
