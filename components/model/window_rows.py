"""The rows of a window that is judged: whatever its columns hold, what can be used is used.

Ingest writes every column in its own type, and then nothing is done here. A window from elsewhere
may lack a column or hold something else in it; that is a finding, not an error.

A window may be large, and most of it are features, of which few rows' are ever asked for: only the
ids, the times, the labels and the slices are held, and the features are read when they are needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.core.errors import DataError
from components.core.verdict import Finding
from components.data.convert import TIME
from components.data.frame import read_rows
from components.drift.values import as_strings, read_numbers
from components.model.rows import Rows, has_label, holds_classes
from components.model.score import Array
from components.spec.model import Spec


@dataclass(frozen=True)
class WindowRows(Rows):
    """Rows that hold no features: those are read from `path`, at `positions` (n,) in the file."""

    path: Path
    positions: Array

    def part(self, start: int, stop: int | None = None) -> WindowRows:
        """The rows from one position to another, the second excluded."""
        mask = np.zeros(len(self), dtype=bool)
        mask[start:stop] = True
        return self.where(mask)

    def where(self, mask: Array) -> WindowRows:
        """The rows that a mask (n,) keeps."""
        if mask.all():
            return self
        kept = self.table.filter(pa.array(mask))
        return WindowRows(self.spec, kept, 0, self.path, self.positions[mask])

    def _features(self, names: list[str]) -> pa.Table:
        places = pa.array(self.positions)
        count = _schema(self.path)[1]
        # One at a time: each is converted as a whole, as it is for the finding, and then cut.
        return pa.table(
            {name: _usable(self.path, name, self.spec, count)[0].take(places) for name in names}
        )


def read_window(path: Path, spec: Spec) -> tuple[WindowRows, WindowRows, list[Finding]]:
    """Read a window's rows, those among them that have a label, and what could not be used.

    Both are sorted by time, then id. Rows without a time that can be read are left out.

    Raises:
        DataError: when the file is not there or is no Parquet.
    """
    schema, count = _schema(path)
    held = {spec.columns.id, spec.columns.time, spec.columns.target, *spec.slices}
    columns: dict[str, pa.Array] = {}
    findings: list[Finding] = []
    for name in spec.columns.all:
        own = name in schema.names and schema.field(name).type == _wanted(name, spec)
        if own and name not in held:
            continue
        column, problem = _usable(path, name, spec, count)
        if name in held:
            columns[name] = column
        if problem:
            findings.append(
                Finding(column=name, statistic="unusable", severity="warn", message=problem)
            )
    usable = pa.table(columns)
    keys = [(spec.columns.time, "ascending"), (spec.columns.id, "ascending")]
    order = pc.sort_indices(usable, sort_keys=keys).to_numpy()  # rows without a time come last
    order = order[: count - usable.column(spec.columns.time).null_count]
    rows = WindowRows(spec, usable.take(pa.array(order)), 0, path, order)
    known = np.asarray(has_label(rows.table, spec).to_numpy())
    return rows, rows.where(known), findings


def _schema(path: Path) -> tuple[pa.Schema, int]:
    """The columns of a file and its number of rows."""
    try:
        with pq.ParquetFile(path) as file:
            return file.schema_arrow, file.metadata.num_rows
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from error


def _usable(path: Path, name: str, spec: Spec, count: int) -> tuple[pa.Array, str]:
    """A column in the type that its role asks for, and a sentence where values were lost."""
    if name not in _schema(path)[0].names:
        nulls = pa.nulls(count, _wanted(name, spec))
        return nulls, f"the window has no column {name}; ingest it again"
    given = read_rows(path, [name]).column(name).combine_chunks()
    array = _labels(given) if _wanted(name, spec) is None else _converted(given, name, spec)
    lost = array.null_count - given.null_count
    if lost <= 0 or array is given:
        return array, ""
    return array, (
        f"{name} is of type {given.type}: {lost:,} of {len(given):,} values are no "
        f"{_noun(name, spec)} and cannot be used; ingest the window again"
    )


def _wanted(name: str, spec: Spec) -> pa.DataType | None:
    """The type of a column; None for class labels, which may have several."""
    if name == spec.columns.time:
        return TIME
    if name == spec.columns.target:
        return pa.float64() if spec.task == "regression" else None
    return pa.float64() if name in spec.columns.numeric else pa.string()


def _converted(given: pa.Array, name: str, spec: Spec) -> pa.Array:
    wanted = _wanted(name, spec)
    if given.type == wanted:
        return given
    if wanted == TIME:
        return given.cast(TIME) if pa.types.is_timestamp(given.type) else pa.nulls(len(given), TIME)
    if wanted == pa.float64():
        return pa.array(read_numbers(given).values, from_pandas=True)
    return as_strings(given)


def _labels(given: pa.Array) -> pa.Array:
    """Class labels; floating-point ones where all are whole, as ingest reads them."""
    if pa.types.is_dictionary(given.type):
        given = given.dictionary_decode()
    if holds_classes(given.type):
        return given
    if pa.types.is_floating(given.type):
        try:
            return pc.cast(given, pa.int64(), safe=True)
        except pa.ArrowInvalid:
            pass
    return pa.nulls(len(given), pa.string())


def _noun(name: str, spec: Spec) -> str:
    wanted = _wanted(name, spec)
    nouns = {None: "classes", TIME: "times", pa.float64(): "numbers", pa.string(): "texts"}
    return nouns[wanted]
