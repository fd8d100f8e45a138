"""What `driftline schema show` prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.core.storage import Store
from components.core.words import percent
from components.release.accepted import AcceptedSchemas
from components.release.targets import open_target
from components.schema.accept import AcceptedChange
from components.schema.column_schema import ColumnSchema, widened
from components.schema.schema import Schema
from components.spec.model import SchemaCheck, Spec

_SHOWN = 4
_HEADER = ("column", "type", "missing", "values", "tolerated", "accepted")


@dataclass(frozen=True)
class ShownSchema:
    """A champion's schema as later windows are held against it.

    Attributes:
        release: the champion.
        schema: its schema, with the changes accepted since.
        changes: these changes.
        limits: the spec's tolerances.
    """

    release: str
    schema: Schema
    changes: list[AcceptedChange]
    limits: SchemaCheck

    def document(self) -> dict[str, Any]:
        """The schema as JSON: the columns with what is tolerated, and the accepted changes."""
        return {
            "release": self.release,
            "window": self.schema.window,
            "rows": self.schema.rows,
            "columns": {
                name: self._column(name, column) for name, column in self.schema.columns.items()
            },
            "accepted": [
                change.model_dump(mode="json", include={"window", "at", "reason"})
                | {"columns": change.names}
                for change in self.changes
            ],
        }

    def lines(self) -> list[str]:
        """The schema as a table for people."""
        rows = [_HEADER, *(self._row(name, each) for name, each in self.schema.columns.items())]
        widths = [max(len(row[place]) for row in rows) for place in range(len(_HEADER))]
        table = [
            "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        schema = self.schema
        head = f"release {self.release}, trained on {schema.rows:,} rows of {schema.window}"
        told = [
            f"accepted from {change.window} at {change.at}: {', '.join(change.names)} "
            f"({change.reason})"
            for change in self.changes
        ]
        return [head, "", *table, *([""] if told else []), *told]

    def _column(self, name: str, column: ColumnSchema) -> dict[str, Any]:
        missing = _missing(column)
        number = {
            "range": [column.minimum, column.maximum],
            "tolerated_range": None
            if column.minimum is None
            else list(widened(column, self.limits.range)),
            "tolerated_outside": self.limits.outside,
            "whole": column.whole,
        }
        category = {
            "categories": column.categories if column.complete else None,
            "tolerated_others": self.limits.categories,
        }
        return {
            "kind": column.kind,
            "types": column.source_types,
            "missing": missing,
            "tolerated_missing": missing + self.limits.missing,
            **(number if column.kind == "number" else category),
            "accepted": self._windows(name),
        }

    def _row(self, name: str, column: ColumnSchema) -> tuple[str, ...]:
        limits = self.limits
        if column.kind == "number":
            values, tolerated = "no numbers", ""
            if column.minimum is not None:
                low, high = widened(column, limits.range)
                values = f"{column.minimum:.6g} to {column.maximum:.6g}"
                values += ", whole" if column.whole else ""
                tolerated = f"{low:.6g} to {high:.6g}, {percent(limits.outside)} beyond"
        else:
            names = column.categories
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            values = ", ".join(names[:_SHOWN]) + more if column.complete else "any text"
            tolerated = f"{percent(limits.categories)} others" if column.complete else ""
        missing = _missing(column)
        return (
            name,
            " or ".join(column.source_types),
            f"{percent(missing)}, up to {percent(min(missing + limits.missing, 1.0))}",
            values,
            tolerated,
            ", ".join(self._windows(name)),
        )

    def _windows(self, name: str) -> list[str]:
        return [change.window for change in self.changes if name in change.names]


def read_schema(store: Store, spec: Spec) -> ShownSchema:
    """The champion's schema, widened by what was accepted since its training window.

    Raises:
        ReleaseError: when nothing was deployed yet.
    """
    champion = open_target(spec, store).require_champion()
    schema = champion.schema
    accepted = AcceptedSchemas(store, spec.model).read()
    return ShownSchema(
        release=champion.version,
        schema=accepted.widen(schema),
        changes=[change for change in accepted.changes if change.concerns(schema)],
        limits=spec.checks.schema_,
    )


def _missing(column: ColumnSchema) -> float:
    emptiest = column.emptiest
    return emptiest.missing / emptiest.rows if emptiest.rows else 0.0
