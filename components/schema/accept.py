"""Making a wanted change part of the reference: the schema of a window joined to the champion's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from components.core.errors import DataError, UsageError
from components.core.verdict import Document, Finding, Verdict
from components.core.window import Window
from components.schema.column_schema import ColumnSchema
from components.schema.schema import Schema

# What no reference can be widened by, and what to do instead.
_REFUSED = {
    "missing column": "restore the column, or take it out of the spec and train again",
    "unparsable": "mend the source, so that its values can be read",
    "classes": "change the task in the spec and train again",
    "swapped columns": "swap them back in the source",
}


class AcceptedChange(Document):
    """Columns of a window that somebody wants to be taken for the reference's as well.

    `keys` are the types of the id and the time, `extra_columns` those that the spec does not use.
    """

    window: str
    at: str
    reason: str
    columns: dict[str, ColumnSchema] = Field(default_factory=dict)
    keys: dict[str, str] = Field(default_factory=dict)
    extra_columns: list[str] = Field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """All columns that it is about."""
        return [*self.columns, *self.keys, *self.extra_columns]

    def concerns(self, schema: Schema) -> bool:
        """Whether a champion has yet to learn it: its training window ends before this one."""
        return Window.parse(schema.window).end < Window.parse(self.window).end

    def without(self, known: Sequence[AcceptedChange]) -> AcceptedChange:
        """What of it was not accepted already for the same window."""
        same = [other for other in known if other.window == self.window]
        return self.model_copy(
            update={
                "columns": {
                    name: column
                    for name, column in self.columns.items()
                    if all(other.columns.get(name) != column for other in same)
                },
                "keys": {
                    name: kind
                    for name, kind in self.keys.items()
                    if all(other.keys.get(name) != kind for other in same)
                },
                "extra_columns": [
                    name
                    for name in self.extra_columns
                    if all(name not in other.extra_columns for other in same)
                ],
            }
        )


class AcceptedChanges(Document):
    """All changes accepted for a model, oldest first."""

    format: Literal[1] = 1
    changes: list[AcceptedChange] = Field(default_factory=list)

    def widen(self, schema: Schema) -> Schema:
        """The schema with the changes that came after its window.

        >>> column = ColumnSchema(
        ...     kind="category", source_types=["string"], rows=9, missing=0, categories=["x"])
        >>> schema = Schema(window="2024-01", rows=9, rows_read=9, columns={"c": column})
        >>> other = column.model_copy(update={"categories": ["y"]})
        >>> change = AcceptedChange(
        ...     window="2024-02", at="2024-03-01", reason="a new shop", columns={"c": other})
        >>> AcceptedChanges(changes=[change]).widen(schema).columns["c"].categories
        ['x', 'y']
        """
        for change in self.changes:
            if change.concerns(schema):
                schema = _widened(schema, change)
        return schema


def propose(
    verdict: Verdict, observed: Schema, columns: Sequence[str], reason: str, at: str
) -> AcceptedChange:
    """What of a window is to be accepted: the columns that its verdict flagged.

    Args:
        verdict: the schema check's, of the window.
        observed: the window's own schema.
        columns: only these, flagged or not; all flagged ones where there are none.
        reason: why, in words.
        at: the time, in ISO 8601.

    Raises:
        UsageError: when the window has no such column.
        DataError: when one of them has nothing that a reference could be widened by.
    """
    new = [f.column for f in verdict.findings if f.statistic == "new column"]
    known = [*observed.columns, *observed.keys, *new]
    if unknown := [name for name in columns if name not in known]:
        raise UsageError(
            f"the window {observed.window} has no column {unknown[0]!r}; "
            f"choose from {', '.join(known)}"
        )
    flagged = [finding.column for finding in verdict.at_least("warn")]
    wanted = list(dict.fromkeys(columns or [name for name in flagged if name in known]))
    for finding in verdict.at_least("warn"):
        if finding.column in wanted:
            _refuse(finding, observed, [name for name in flagged if name in known])
    return AcceptedChange(
        window=observed.window,
        at=at,
        reason=reason,
        columns={name: observed.columns[name] for name in wanted if name in observed.columns},
        keys={name: observed.keys[name] for name in wanted if name in observed.keys},
        extra_columns=[name for name in wanted if name in new],
    )


def join(before: ColumnSchema, accepted: ColumnSchema) -> ColumnSchema:
    """The column that both are clean against: either's types, values, and share of nulls.

    What was a number cannot be joined with categories, and stays as it was.

    >>> column = ColumnSchema(
    ...     kind="number", source_types=["double"], rows=9, missing=0, minimum=1, maximum=2)
    >>> join(column, column.model_copy(update={"maximum": 7.0, "missing": 3})).maximum
    7.0
    """
    if before.kind != accepted.kind:
        return before
    lows = [each.minimum for each in (before, accepted) if each.minimum is not None]
    highs = [each.maximum for each in (before, accepted) if each.maximum is not None]
    doubtful = max(each.doubtful / max(each.present, 1) for each in (before, accepted))
    return before.model_copy(
        update={
            "source_types": sorted({*before.source_types, *accepted.source_types}),
            "minimum": min(lows, default=None),
            "maximum": max(highs, default=None),
            "whole": before.whole and accepted.whole,
            "step": before.step or accepted.step,
            "five_numbers": [*before.five_numbers, *accepted.five_numbers],
            "categories": sorted({*before.categories, *accepted.categories}),
            "complete": before.complete and accepted.complete,
            "doubtful": math.ceil(doubtful * before.present),
            "accepted": [*before.accepted, accepted],
        }
    )


def _widened(schema: Schema, change: AcceptedChange) -> Schema:
    columns, keys = dict(schema.columns), dict(schema.keys)
    for name in change.columns.keys() & columns.keys():
        columns[name] = join(columns[name], change.columns[name])
    for name in change.keys.keys() & keys.keys():
        keys[name] = ", ".join(sorted({*keys[name].split(", "), change.keys[name]}))
    extra = sorted({*schema.extra_columns, *change.extra_columns})
    return schema.model_copy(update={"columns": columns, "keys": keys, "extra_columns": extra})


def _refuse(finding: Finding, observed: Schema, flagged: list[str]) -> None:
    """Say what to do where there is nothing to accept."""
    name, remedy = finding.column, _REFUSED.get(finding.statistic)
    column = observed.columns.get(name)
    if column is not None and not column.present and remedy is None:
        remedy = "mend the source, or take the column out of the spec and train again"
    if remedy is None:
        return
    others = [other for other in dict.fromkeys(flagged) if other != name]
    rest = f"; accept the others with {' '.join(f'--column {o}' for o in others)}" if others else ""
    raise DataError(f"{name} cannot be accepted: {finding.message}; {remedy}{rest}")
