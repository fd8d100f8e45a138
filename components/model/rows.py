"""The labelled rows of a window, in one order, and their split by time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components.core.errors import DataError, ModelError
from components.data.frame import features_frame, read_rows
from components.model.records import MISSING, Label
from components.model.score import Array
from components.spec.model import Columns, Spec


@dataclass(frozen=True)
class Slice:
    """The positions (rows,) of the rows that share one value of a column."""

    column: str
    value: str
    positions: Array


@dataclass(frozen=True)
class Rows:
    """Rows of a window with their labels, sorted by time, then id."""

    spec: Spec
    table: pa.Table
    unlabelled: int

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def ids(self) -> pa.ChunkedArray:
        """The rows' ids."""
        return self.table.column(self.spec.columns.id)

    @property
    def times(self) -> Array:
        """The rows' event times in UTC, (n,) datetime64[us]."""
        times: Array = np.asarray(self.table.column(self.spec.columns.time).to_numpy())
        return times.astype("datetime64[us]")

    @property
    def labels(self) -> Array:
        """The target, (n,): its own values for classification, float64 for regression."""
        column = self.table.column(self.spec.columns.target)
        if self.spec.task == "regression":
            column = column.cast(pa.float64())
        values: Array = column.to_numpy(zero_copy_only=False)
        return values

    @property
    def classes(self) -> list[Label]:
        """The classes that occur, sorted; the positive class of a binary target is the last."""
        found = pc.unique(self.table.column(self.spec.columns.target)).to_pylist()
        return sorted(found)

    def features(self, columns: Columns | None = None) -> pd.DataFrame:
        """The features as a model sees them, one that was trained by another spec if need be.

        Args:
            columns: the model's own columns; the spec's where left out.

        Raises:
            ModelError: when the spec no longer has a feature of the model, or in another role.
        """
        wanted = columns or self.spec.columns
        for role, present in (
            ("numeric", self.spec.columns.numeric),
            ("categorical", self.spec.columns.categorical),
        ):
            if lost := sorted(set(getattr(wanted, role)) - set(present)):
                raise ModelError(
                    f"the champion needs the {role} column {lost[0]!r}, which columns.{role} of "
                    "the spec no longer lists; list it again, or give the changed model another "
                    "name in the spec"
                )
        return features_frame(self._features(wanted.features), wanted)

    def _features(self, names: list[str]) -> pa.Table:
        return self.table.select(names)

    def part(self, start: int, stop: int | None = None) -> Rows:
        """The rows from one position to another, the second excluded."""
        return Rows(self.spec, self.table.slice(start, None if stop is None else stop - start), 0)

    def where(self, mask: Array) -> Rows:
        """The rows that a mask (n,) keeps."""
        return Rows(self.spec, self.table.filter(pa.array(mask)), 0)

    def slices(self) -> list[Slice]:
        """The slices that the spec asks for, each column's largest first."""
        return [part for column in self.spec.slices for part in _slices_of(self.table, column)]


def read_labelled(path: Path, spec: Spec) -> Rows:
    """Read a window's rows that have a label.

    The order is by time and id, whatever it is in the file, so that nothing depends on the file's.
    Labels that are no finite number count as missing for regression.

    Raises:
        DataError: when a column of the spec is not in the file, or the labels are no classes.
    """
    table = read_rows(path)
    missing = [name for name in spec.columns.all if name not in table.column_names]
    if missing:
        raise DataError(f"{path} has no column {missing[0]!r}; ingest the window again")
    table = table.select(spec.columns.all)
    if spec.task == "regression":
        _check_numbers(table.column(spec.columns.target).type, spec)
    rows = labelled_rows(table, spec)
    if spec.task != "regression":
        _check_classes(rows.table.column(spec.columns.target), spec)
    return rows


def labelled_rows(table: pa.Table, spec: Spec) -> Rows:
    """The rows of a table that have a label, sorted.

    Args:
        table: the spec's columns, each of its own type.
        spec: the model's spec.
    """
    labelled = table.filter(has_label(table, spec))
    return Rows(spec, in_order(labelled, spec), table.num_rows - labelled.num_rows)


def has_label(table: pa.Table, spec: Spec) -> pa.ChunkedArray:
    """Which rows (n,) of a table have a label that can be used."""
    target = table.column(spec.columns.target)
    known = pc.is_valid(target)
    if spec.task == "regression":
        known = pc.and_(known, pc.fill_null(pc.is_finite(target.cast(pa.float64())), False))
    return known


def in_order(table: pa.Table, spec: Spec) -> pa.Table:
    """A table's rows by time, then id."""
    return table.sort_by([(spec.columns.time, "ascending"), (spec.columns.id, "ascending")])


def split_by_time(times: Array, share: float) -> int:
    """Where the latest share of the rows begins; rows of one instant stay together.

    Args:
        times: (n,) sorted.
        share: how much to hold out; the nearest position between two instants is taken.

    Returns:
        The position of the first held-out row, 0 where all rows are of one instant.

    >>> split_by_time(np.array(["2013-01", "2013-02", "2013-02", "2013-03"], "datetime64"), 0.4)
    3
    """
    starts = np.flatnonzero(times[1:] != times[:-1]) + 1
    if len(starts) == 0:
        return 0
    return int(starts[np.argmin(np.abs(starts - len(times) * (1 - share)))])


def moment(time: np.datetime64) -> datetime:
    """A numpy time, taken as UTC.

    >>> moment(np.datetime64("2013-04-01T06:00")).isoformat()
    '2013-04-01T06:00:00+00:00'
    """
    plain: datetime = time.astype("datetime64[us]").item()
    return plain.replace(tzinfo=UTC)


def after(times: Array, start: datetime) -> Array:
    """Which times (n,) lie at or after a moment."""
    naive = start.astimezone(UTC).replace(tzinfo=None)
    return np.asarray(times >= np.datetime64(naive, "us"))


def _slices_of(table: pa.Table, column: str) -> list[Slice]:
    values = table.column(column).cast(pa.string()).fill_null(MISSING).combine_chunks()
    encoded = values.dictionary_encode()
    names, codes = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(names)))[:-1]
    parts = zip(names, np.split(order, ends), strict=True) if names else ()
    slices = [Slice(column, name, positions) for name, positions in parts]
    return sorted(slices, key=lambda part: (-len(part.positions), part.value))


def _check_numbers(kind: pa.DataType, spec: Spec) -> None:
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
        raise DataError(
            f"target {spec.columns.target!r} is of type {kind}, and task regression needs numbers; "
            "choose another target or task"
        )


def holds_classes(kind: pa.DataType) -> bool:
    """Whether a column of this type may hold class labels."""
    return bool(pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_string(kind))


def _check_classes(labels: pa.ChunkedArray, spec: Spec) -> None:
    if not holds_classes(labels.type) and len(labels):
        raise DataError(
            f"target {spec.columns.target!r} holds values such as {labels[0].as_py()!r}, and a "
            "class is a whole number, a text or a boolean; mend the column, or use task regression"
        )
