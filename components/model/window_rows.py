"""The rows of a window that is judged: whatever its columns hold, what can be used is used.

Ingest writes every column in its own type, and then nothing is done here. A window from elsewhere
may lack a column or hold something else in it; that is a finding, not an error.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from components.core.verdict import Finding
from components.data.convert import TIME
from components.data.frame import read_rows
from components.drift.values import as_strings, read_numbers
from components.model.rows import Rows, holds_classes, in_order, labelled_rows
from components.spec.model import Spec


def read_window(path: Path, spec: Spec) -> tuple[Rows, Rows, list[Finding]]:
    """Read a window's rows, those among them that have a label, and what could not be used.

    Both are sorted by time, then id. Rows without a time that can be read are left out.

    Raises:
        DataError: when the file is not there or is no Parquet.
    """
    table = read_rows(path)
    columns: dict[str, pa.Array] = {}
    findings: list[Finding] = []
    for name in spec.columns.all:
        columns[name], problem = _usable(table, name, spec)
        if problem:
            findings.append(
                Finding(column=name, statistic="unusable", severity="warn", message=problem)
            )
    usable = pa.table(columns)
    timed = usable.filter(usable.column(spec.columns.time).is_valid())
    return Rows(spec, in_order(timed, spec), 0), labelled_rows(timed, spec), findings


def _usable(table: pa.Table, name: str, spec: Spec) -> tuple[pa.Array, str]:
    """A column in the type that its role asks for, and a sentence where values were lost."""
    if name not in table.column_names:
        nulls = pa.nulls(table.num_rows, _wanted(name, spec))
        return nulls, f"the window has no column {name}; ingest it again"
    given = table.column(name).combine_chunks()
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
