"""What the model card says of the data it was made from, and of what later data is held to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from components.core.window import Window
from components.core.words import percent
from components.model.markdown import cell, table
from components.spec.model import Spec

if TYPE_CHECKING:
    from components.drift.variation import Variation
    from components.schema.column_schema import ColumnSchema
    from components.schema.schema import Schema

# So many columns and categories are listed.
_COLUMNS, _CATEGORIES = 40, 5
# Windows as long as these are what people monitor.
_LENGTHS = {"1 day": timedelta(days=1), "7 days": timedelta(days=7), "28 days": timedelta(days=28)}


def data_section(schema: Schema | None) -> Iterable[str]:
    """The columns of the training window, as far as they are listed."""
    if schema is None:
        return
    yield "### Its columns"
    rows = [
        (name, " or ".join(column.source_types), _missing(column), _values(column))
        for name, column in [*schema.columns.items()][:_COLUMNS]
    ]
    yield table(("column", "type", "missing", "values"), rows)
    if (more := len(schema.columns) - _COLUMNS) > 0:
        yield f"And {more:,} more columns, in `schema.json`."
    if problems := {name: count for name, count in schema.problems.items() if count}:
        told = "; ".join(f"{name}: {count:,}" for name, count in problems.items())
        yield f"Of {schema.rows_read:,} rows read, those with a problem: {cell(told)}."


def monitoring_section(spec: Spec, variation: Variation | None) -> str:
    """The thresholds of the checks, and those that were learned from the training window."""
    checks = spec.checks
    drift, performance = checks.drift, checks.performance
    rows = [
        (
            "schema",
            "what the footer shows to be another form; a share of missing values that grew by "
            f"more than {percent(checks.schema_.missing)}; new categories in more than "
            f"{percent(checks.schema_.categories)} of the rows; more than "
            f"{percent(checks.schema_.outside)} of the rows outside of the range, which is "
            f"widened by {checks.schema_.range:g} times its width on each side",
        ),
        (
            "data drift",
            f"a population stability index of {drift.effect:g} or more, beyond chance: at most "
            f"one false alarm in {1 / drift.alpha:.0f} windows, over all columns together",
        ),
        (
            "skew",
            f"serving and training disagree in more than {percent(checks.skew.share)} of the rows "
            f"that both have, by more than {checks.skew.tolerance:g} of the value",
        ),
        (
            "performance",
            f"{spec.metric} worse by {performance.drop:g} or more, beyond chance, on at least "
            f"{performance.min_labels:,} labels, which arrive {spec.label.delay} later; or errors "
            f"that come more often: one false alarm in {performance.run_length:,} labels",
        ),
    ]
    parts = [table(("check", "it alarms on"), rows)]
    if drift.ignore:
        parts.append(f"Only shown, never judged: {cell(', '.join(drift.ignore))}.")
    if drift.learn and variation is not None:
        parts.append(_learned(spec, variation))
    return "\n\n".join(parts)


def _learned(spec: Spec, variation: Variation) -> str:
    """Effects that exceed the spec's, by column and length of the monitored window."""
    from components.drift.effects import above, learn_effects

    drift = spec.checks.drift
    names = [name for name in variation.columns if name not in drift.ignore]
    level = drift.alpha / max(len(names) + drift.joint, 1)
    found: dict[str, dict[str, str]] = {}
    for length, duration in _LENGTHS.items():
        window = Window(variation.start.astimezone(UTC), variation.start.astimezone(UTC) + duration)
        for name, own in learn_effects(variation, names, window, level).items():
            if higher := above(own, drift.effect):
                found.setdefault(name, {})[length] = f"{higher.effect:.2f}"
    if not found:
        return "No column varied so much by itself, in the training window, that more is allowed."
    rows = [
        (name, *(effects.get(length, f"{drift.effect:g}") for length in _LENGTHS))
        for name, effects in [*found.items()][:_COLUMNS]
    ]
    head = ("column", *(f"in a window of {length}" for length in _LENGTHS))
    return (
        "These columns varied by themselves in the training window; they alarm only from these "
        f"indices on, learned from it:\n\n{table(head, rows)}"
    )


def _missing(column: ColumnSchema) -> str:
    return percent(column.missing / column.rows) if column.rows else "no rows"


def _values(column: ColumnSchema) -> str:
    if column.kind == "number":
        if column.minimum is None or column.maximum is None:
            return "no numbers"
        return f"{column.minimum:.6g} to {column.maximum:.6g}{', whole' if column.whole else ''}"
    if not column.complete:
        return "any text"
    names = column.categories
    more = f" and {len(names) - _CATEGORIES} more" if len(names) > _CATEGORIES else ""
    return ", ".join(names[:_CATEGORIES]) + more
