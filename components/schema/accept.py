"""Making a wanted change part of the reference: the schema of a window joined to the champion's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from components.core.errors import DataError, UsageError
from components.core.verdict import Document, Finding, Verdict
from components.core.window import Window
from components.schema.column_schema import ColumnSchema
from components.schema.schema import Schema, Types

# What no reference can be widened by, and what to do instead.
_REFUSED = {
    "missing column": "restore the column, or take it out of the spec and train again",
    "unparsable": "mend the source, so that its values can be read",
    "classes": "change the task in the spec and train again",
    "swapped columns": "swap them back in the source",
}


def _readable(text: str) -> str:
    try:
        Window.parse(text)
    except UsageError as error:
        raise ValueError(str(error)) from None  # so that the document counts as damaged
    return text


WindowText = Annotated[str, AfterValidator(_readable)]


class Observation(Document):
    """What a schema check saw and said, in one piece: neither is ever read without the other.

    `at` is when it was checked, in ISO 8601 with microseconds, and `observed` the window's own
    schema, which `verdict` is about.
    """

    format: Literal[1] = 1
    window: WindowText
    purpose: str
    at: str
    verdict: Verdict
    observed: Schema

    @property
    def new(self) -> list[str]:
        """The columns that the source did not have before and that the spec does not use."""
        return [f.column for f in self.verdict.findings if f.statistic == "new column"]

    @property
    def names(self) -> list[str]:
        """All columns that can be named."""
        return [*self.observed.columns, *self.observed.keys, *self.new]

    @property
    def flagged(self) -> list[str]:
        """The columns with a finding that is more than `info`, the worst first."""
        found = [finding.column for finding in self.verdict.at_least("warn")]
        return [name for name in dict.fromkeys(found) if name in self.names]


class AcceptedChange(Document):
    """Columns of a window that somebody wants to be taken for the reference's as well.

    `keys` are the types of the id and the time, `extra_columns` those that the spec does not use.
    """

    window: WindowText
    at: str
    reason: str
    columns: dict[str, ColumnSchema] = Field(default_factory=dict)
    keys: dict[str, Types] = Field(default_factory=dict)
    extra_columns: list[str] = Field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """All columns that it is about."""
        return [*self.columns, *self.keys, *self.extra_columns]

    def concerns(self, schema: Schema) -> bool:
        """Whether a champion has yet to learn it: its training window ends before this one."""
        return ends_later(Window.parse(self.window), schema)

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


def ends_later(window: Window, schema: Schema) -> bool:
    """Whether a window holds something that a champion cannot have learned yet.

    >>> schema = Schema(window="2024-01..2024-03", rows=9, rows_read=9, columns={})
    >>> ends_later(Window.parse("2024-02"), schema), ends_later(Window.parse("2024-03"), schema)
    (False, True)
    """
    return Window.parse(schema.window).end < window.end


def propose(
    observations: Sequence[Observation],
    schema: Schema,
    columns: Sequence[str],
    reason: str,
    at: str,
) -> AcceptedChange:
    """What of a window is to be accepted: the columns that any check of it flagged.

    Each column is taken as the newest check saw it that flagged it. What one check refuses, a
    newer one of another purpose does not hide.

    Args:
        observations: the window's checks, one or more.
        schema: the champion's, which is to be widened.
        columns: only these, flagged or not; all flagged ones where there are none.
        reason: why, in words.
        at: the time, in ISO 8601.

    Raises:
        UsageError: when the window has no such column.
        DataError: when one of them has nothing that this schema could be widened by.
    """
    newest = sorted(observations, key=lambda each: each.at, reverse=True)
    window = newest[0].window
    known = list(dict.fromkeys(name for each in newest for name in each.names))
    if unknown := [name for name in columns if name not in known]:
        raise UsageError(
            f"the window {window} has no column {unknown[0]!r}; choose from {', '.join(known)}"
        )
    flagged = list(dict.fromkeys(name for each in newest for name in each.flagged))
    wanted = list(dict.fromkeys(columns or flagged))
    for each in newest:
        for finding in each.verdict.at_least("warn"):
            if finding.column in wanted:
                _refuse(finding, each, flagged, older=each is not newest[0])
    taken = {name: _seen_by(name, newest) for name in wanted}
    for name, each in taken.items():
        _refuse_foreign(name, each, schema, flagged)
    return AcceptedChange(
        window=window,
        at=at,
        reason=reason,
        columns={
            name: each.observed.columns[name]
            for name, each in taken.items()
            if name in each.observed.columns
        },
        keys={
            name: each.observed.keys[name]
            for name, each in taken.items()
            if name in each.observed.keys
        },
        extra_columns=[name for name, each in taken.items() if name in each.new],
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
        keys[name] = sorted({*keys[name], *change.keys[name]})
    extra = sorted({*schema.extra_columns, *change.extra_columns})
    return schema.model_copy(update={"columns": columns, "keys": keys, "extra_columns": extra})


def _seen_by(name: str, newest: Sequence[Observation]) -> Observation:
    """The newest check that flagged a column, or else the newest that knows it."""
    flagging = [each for each in newest if name in each.flagged]
    return (flagging or [each for each in newest if name in each.names])[0]


def _refuse(finding: Finding, seen: Observation, flagged: list[str], *, older: bool) -> None:
    """Say what to do where there is nothing to accept."""
    name, remedy = finding.column, _REFUSED.get(finding.statistic)
    column = seen.observed.columns.get(name)
    if column is not None and not column.present and remedy is None:
        remedy = "mend the source, or take the column out of the spec and train again"
    if remedy is None:
        return
    if older:
        at = seen.at.partition(".")[0]
        remedy += f"; the {seen.purpose} check of {at} says so: run it again where that was mended"
    raise DataError(
        f"{name} cannot be accepted: {finding.message}; {remedy}{_others(name, flagged)}"
    )


def _refuse_foreign(name: str, seen: Observation, schema: Schema, flagged: list[str]) -> None:
    """The same for a column that the champion does not have, or has as another kind."""
    if name in seen.new:
        return
    now, before = seen.observed.columns.get(name), schema.columns.get(name)
    if now is None:
        wrong = "" if name in schema.keys else "the champion's schema does not know its type"
    elif before is None:
        wrong = "the champion's schema has no such column"
    else:
        wrong = (
            f"it is a {now.kind} in the spec and was a {before.kind} for the champion"
            if now.kind != before.kind
            else ""
        )
    if wrong:
        raise DataError(f"{name} cannot be accepted: {wrong}; train again{_others(name, flagged)}")


def _others(name: str, flagged: list[str]) -> str:
    others = [f"--column {other}" for other in flagged if other != name]
    return f"; accept the others with {' '.join(others)}" if others else ""
