"""What happens to each batch on its way from a source to a window: filter, convert, count."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from components.core.window import Window
from components.data.convert import (
    TIME,
    Converted,
    to_categories,
    to_labels,
    to_numbers,
    to_texts,
    widen,
)
from components.data.fingerprint import Fingerprint
from components.data.hashing import Hashes, SeenHashes, hash_texts
from components.data.sources import UNTYPED
from components.data.times import to_times
from components.spec.model import Columns, Spec

EXAMPLES = 5
_EXAMPLE_LENGTH = 60


class Intake:
    """Turns batches as a source has them into batches of the window, and counts what it drops.

    Args:
        spec: the columns' roles, and the labels' delay.
        window: the event times to keep.
        as_of: labels of rows whose event time plus the delay lies after it are not known yet.
        known: hashes of ids that were met before: their rows are duplicates.

    Attributes:
        rows_read, rows_outside, rows_bad_time, rows_no_id, duplicates, rows: see `IngestReport`.
        labels: rows with a label that is known by `as_of`.
        labels_not_due: labels dropped because they were not known then.
        label_type: the type that holds all labels so far; null where there is none.
        unparsable, examples: by column, the values that could not be converted, and some of them.
        fingerprint: that of all rows taken.
    """

    def __init__(
        self, spec: Spec, window: Window, as_of: datetime, known: Hashes | None = None
    ) -> None:
        self.window = window
        self.as_of = as_of
        self.rows_read = self.rows_outside = self.rows_bad_time = self.rows_no_id = 0
        self.duplicates = self.rows = self.labels = self.labels_not_due = 0
        self._columns = spec.columns
        self._known_until = as_of - spec.label_delay
        self._is_regression = spec.task == "regression"
        self.label_type = pa.float64() if self._is_regression else pa.null()
        self.unparsable = dict.fromkeys(spec.columns.all, 0)
        self.examples: dict[str, list[str]] = {name: [] for name in spec.columns.all}
        self.fingerprint = Fingerprint()
        self._seen = SeenHashes(known)

    def take(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch's rows that belong to the window, with the spec's columns and types."""
        self.rows_read += batch.num_rows
        batch, times = self._inside(batch)
        batch, times, ids = self._identified(batch, times)
        arrays = {self._columns.id: ids, self._columns.time: times}
        for name in self._columns.numeric:
            arrays[name] = self._converted(name, to_numbers(_column(batch, name)), batch)
        for name in self._columns.categorical:
            arrays[name] = self._converted(name, to_categories(_column(batch, name)), batch)
        arrays[self._columns.target] = self._labels(batch, times)
        schema = window_schema(self._columns, self.label_type)
        taken = pa.RecordBatch.from_arrays(list(arrays.values()), schema=schema)
        self.rows += taken.num_rows
        self.fingerprint.add(self._comparable(taken))
        return taken

    def schema(self) -> pa.Schema:
        """The window's columns; a classification without any label has labels of type string."""
        return window_schema(self._columns, final_label(self.label_type))

    def ids(self) -> Hashes:
        """The hashes of the ids met so far, ascending."""
        return self._seen.all()

    def _inside(self, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.Array]:
        name = self._columns.time
        converted = to_times(_column(batch, name))
        times = self._converted(name, converted, batch)
        start, end = pa.scalar(self.window.start, TIME), pa.scalar(self.window.end, TIME)
        inside = pc.and_(pc.greater_equal(times, start), pc.less(times, end)).fill_null(False)
        self.rows_bad_time += times.null_count
        self.rows_outside += len(times) - times.null_count - inside.true_count
        return _kept(inside, batch), _kept(inside, times)

    def _identified(
        self, batch: pa.RecordBatch, times: pa.Array
    ) -> tuple[pa.RecordBatch, pa.Array, pa.Array]:
        name = self._columns.id
        ids = self._converted(name, to_texts(_column(batch, name)), batch)
        present = pc.not_equal(ids, "").fill_null(False)
        self.rows_no_id += len(ids) - present.true_count
        batch, times, ids = (_kept(present, rows) for rows in (batch, times, ids))
        first = pa.array(self._seen.first(hash_texts(ids)))
        self.duplicates += len(ids) - first.true_count
        return _kept(first, batch), _kept(first, times), _kept(first, ids)

    def _labels(self, batch: pa.RecordBatch, times: pa.Array) -> pa.Array:
        """The labels that are known by `as_of`; the others are null, as if never seen."""
        name = self._columns.target
        values = _column(batch, name)
        due = pc.less_equal(times, pa.scalar(self._known_until, TIME))
        if self._is_regression:
            labels, bad = to_numbers(values)
        else:
            untyped = UNTYPED.items() <= (batch.schema.metadata or {}).items()
            labels, bad = to_labels(values, typed=not untyped)
            self.label_type = widen(self.label_type, labels.type)
            labels = labels.cast(self.label_type)
        labels = self._converted(name, (labels, pc.and_(bad, due)), batch)
        known = pc.if_else(due, labels, pa.scalar(None, labels.type))
        self.labels += len(known) - known.null_count
        self.labels_not_due += known.null_count - labels.null_count
        return known

    def _converted(self, name: str, converted: Converted, batch: pa.RecordBatch) -> pa.Array:
        """Count the values that did not fit, and remember some."""
        values, bad = converted
        if count := bad.true_count:
            self.unparsable[name] += count
            examples = self.examples[name]
            if len(examples) < EXAMPLES:
                # All of them, if need be: what is shown must not depend on where a batch ends.
                for value in _different(batch.column(name).filter(bad)):
                    text = str(value.as_py())[:_EXAMPLE_LENGTH]
                    if text not in examples:
                        examples.append(text)
                    if len(examples) == EXAMPLES:
                        break
        return values

    def _comparable(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with labels as texts: their type may still change, their text does not."""
        if self._is_regression:
            return batch
        place = batch.num_columns - 1
        return batch.set_column(place, self._columns.target, batch.column(place).cast(pa.string()))


def window_schema(columns: Columns, label: pa.DataType) -> pa.Schema:
    """The columns of a window, whose labels have this type."""
    return pa.schema(
        [
            (columns.id, pa.string()),
            (columns.time, TIME),
            *((name, pa.float64()) for name in columns.numeric),
            *((name, pa.string()) for name in columns.categorical),
            (columns.target, label),
        ]
    )


def final_label(label: pa.DataType) -> pa.DataType:
    """The type of a window's labels: text where there is no label."""
    return pa.string() if pa.types.is_null(label) else label


def _different(values: pa.Array) -> pa.Array:
    try:
        return values.unique()
    except pa.ArrowNotImplementedError:  # lists and structs cannot be compared
        return values


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    if name in batch.schema.names:
        return batch.column(name)
    return pa.nulls(batch.num_rows)


def _kept(mask: pa.Array, rows: Any) -> Any:
    """The rows, or the values, where the mask is true."""
    return rows if mask.true_count == len(mask) else rows.filter(mask)
