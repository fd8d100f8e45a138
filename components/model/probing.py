"""Rows that users will send and a holdout may not hold: values missing, never seen, extreme."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from components.data.feature_rows import FeatureRows
from components.model.score import Array
from components.spec.model import Columns

UNSEEN = "(never seen)"

# From so many rows of the holdout each kind is made, and so many kinds at a time.
_BASES = 3
_AT_ONCE = 64
_WIDTHS = 10.0
_FACTOR = 1e9
# The largest number for estimators that compute in single precision, and one beyond it, which is
# tried in so many columns: they refuse it, and that takes them long.
_MOST = 1e38
_BEYOND = 1e300
_BEYOND_COLUMNS = 20


@dataclass(frozen=True)
class Probes:
    """Rows with what was done to each of them, in words."""

    rows: FeatureRows
    notes: list[str]

    def part(self, start: int, end: int) -> Probes:
        """The rows from `start` up to `end`."""
        return Probes(self.rows.part(start, end), self.notes[start:end])


def probes(rows: FeatureRows, columns: Columns) -> Iterator[Probes]:
    """Rows made from others, one column at a time, and at last all columns at once; in parts.

    Each number becomes missing, lies ten times the column's range below and above it, and is
    enormous in both directions, in the last part beyond single precision; each text becomes
    missing, and one that nobody has seen.

    Args:
        rows: at least one row.
        columns: their columns.
    """
    changes = [*_numbers(rows, columns), *_texts(columns), *_everything(columns)]
    bases = np.linspace(0, len(rows) - 1, min(_BASES, len(rows))).astype(int)
    for start in range(0, len(changes), _AT_ONCE):
        yield _changed(rows, bases, changes[start : start + _AT_ONCE])
    if beyond := list(_beyond(columns)):
        yield _changed(rows, bases[:1], beyond)


@dataclass(frozen=True)
class _Change:
    note: str
    numbers: dict[int, float]
    texts: dict[int, str | None]


def _changed(rows: FeatureRows, bases: Array, changes: list[_Change]) -> Probes:
    taken = np.tile(bases, len(changes))
    numeric = rows.numeric[taken]
    categorical = [[column[row] for row in taken] for column in rows.categorical]
    for position, change in enumerate(changes):
        for row in range(position * len(bases), (position + 1) * len(bases)):
            for place, number in change.numbers.items():
                numeric[row, place] = number
            for place, text in change.texts.items():
                categorical[place][row] = text
    notes = [f"a row with {change.note}" for change in changes for _ in bases]
    return Probes(FeatureRows(numeric, categorical), notes)


def _numbers(rows: FeatureRows, columns: Columns) -> Iterator[_Change]:
    for place, name in enumerate(columns.numeric):
        for value in (np.nan, *_extremes(rows.numeric[:, place])):
            what = "missing" if np.isnan(value) else f"{value:g}"
            yield _Change(f"{name} {what}", {place: value}, {})


def _extremes(values: Array) -> list[float]:
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    reach = _WIDTHS * ((high - low) or max(1.0, abs(high)))
    huge = _FACTOR * max(1.0, abs(low), abs(high))
    return [float(np.clip(v, -_MOST, _MOST)) for v in (low - reach, high + reach, -huge, huge)]


def _texts(columns: Columns) -> Iterator[_Change]:
    for place, name in enumerate(columns.categorical):
        yield _Change(f"{name} missing", {}, {place: None})
        yield _Change(f"{name} never seen", {}, {place: UNSEEN})


def _everything(columns: Columns) -> Iterator[_Change]:
    numbers = dict.fromkeys(range(len(columns.numeric)), float("nan"))
    for note, text in (("missing", None), ("missing or never seen", UNSEEN)):
        texts: dict[int, str | None] = dict.fromkeys(range(len(columns.categorical)), text)
        yield _Change(f"every column {note}", numbers, texts)


def _beyond(columns: Columns) -> Iterator[_Change]:
    count = len(columns.numeric)
    for place in np.unique(np.linspace(0, count - 1, min(count, _BEYOND_COLUMNS)).astype(int)):
        for value in (-_BEYOND, _BEYOND):
            yield _Change(f"{columns.numeric[place]} {value:g}", {int(place): value}, {})
