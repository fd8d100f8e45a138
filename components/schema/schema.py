"""The schema of a window: what later windows must look like."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from components.core.verdict import Document
from components.data.report import ColumnReport, IngestReport
from components.drift.columns import CategoryProfile, NumericProfile
from components.drift.profile import LABEL, Profile
from components.schema.column_schema import Column, ColumnSchema, Kind, learn_column
from components.schema.row_anomalies import row_problems
from components.spec.model import Spec

_OPENING, _CLOSING = "[(<", "])>"


def split_types(source_type: Any) -> Any:
    """The single types of a report's `source_type`, which has several where files differ.

    Commas within brackets are part of a type. A list is returned as it is.

    >>> split_types("int64, timestamp[us, tz=UTC]")
    ['int64', 'timestamp[us, tz=UTC]']
    """
    if not isinstance(source_type, str):
        return source_type
    types, depth = [""], 0
    for letter in source_type:
        depth += (letter in _OPENING) - (letter in _CLOSING)
        if letter == "," and not depth:
            types.append("")
        else:
            types[-1] += letter
    return sorted({each.strip() for each in types})


# Documents that hold them as one text, as a report does, are read as well.
Types = Annotated[list[str], BeforeValidator(split_types)]


class Schema(Document):
    """The columns of a window, and how many of its rows had a problem.

    It holds what a later window may look like, not how often: the counts are the profile's.
    `keys` are the source's types of the id and the time column. A document of format 1, which had
    the counts of the categories, is read as well.
    """

    format: Literal[1, 2] = 2
    window: str
    rows: int
    rows_read: int
    problems: dict[str, int] = Field(default_factory=dict)
    extra_columns: list[str] = Field(default_factory=list)
    keys: dict[str, Types] = Field(default_factory=dict)
    columns: dict[str, ColumnSchema]


def learn_schema(
    report: IngestReport, profile: Profile, spec: Spec, rows_due: int | None = None
) -> Schema:
    """Learn the schema of a window from what ingest said of it and from its profile.

    Args:
        report: the window's ingest report.
        profile: its features, and its labels as the column `label`.
        spec: its features and target are the schema's columns.
        rows_due: how many rows' labels were due when the window was read: the target is learned
            from these alone, as a later window is held against it when all of its labels are.
            All rows where it is left out.
    """
    due = report.rows if rows_due is None else rows_due
    columns = {}
    for name in columns_of(spec):
        column = column_of(profile, spec, name, report.rows)
        source = report.columns.get(name) or ColumnReport(source_type="missing")
        is_target = name == spec.columns.target
        columns[name] = learn_column(column, source, due if is_target else None, target=is_target)
    keys = (spec.columns.id, spec.columns.time)
    return Schema(
        window=report.window,
        rows=report.rows,
        rows_read=report.rows_read,
        problems=row_problems(report),
        extra_columns=sorted(report.extra_columns),
        keys={
            name: split_types(report.columns[name].source_type)
            for name in keys
            if name in report.columns
        },
        columns=columns,
    )


def columns_of(spec: Spec) -> list[str]:
    """The columns that a schema is about: the features and the target."""
    return [*spec.columns.features, spec.columns.target]


def kind_of(spec: Spec, name: str) -> Kind:
    """What the spec takes a column for."""
    if name == spec.columns.target:
        return "number" if spec.task == "regression" else "category"
    return "number" if name in spec.columns.numeric else "category"


def column_of(profile: Profile, spec: Spec, name: str, rows: int) -> Column:
    """A column's profile, that of the label for the target; one without values if there is none."""
    is_target = name == spec.columns.target
    return profile.columns.get(LABEL if is_target else name) or nothing(spec, name, rows)


def nothing(spec: Spec, name: str, rows: int) -> Column:
    """The profile of a column that has no values."""
    rows = 0 if name == spec.columns.target else rows  # of labels, only those that are there
    if kind_of(spec, name) == "number":
        return NumericProfile(rows=rows, missing=rows, counts=[0])
    return CategoryProfile(rows=rows, missing=rows, counts=[])
