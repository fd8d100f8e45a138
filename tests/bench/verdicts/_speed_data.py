"""The files that the speed is measured on: 12 numeric columns, 8 of up to 200 categories."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.drift.profile import profile_file

NUMERIC = [f"n{index}" for index in range(12)]
CATEGORICAL = [f"c{index}" for index in range(8)]
GROUP = 1_000_000
_CARDINALITIES = (2, 3, 5, 10, 20, 50, 100, 200)
# Row groups that differ; longer files repeat them.
_DIFFERENT = 4


def write_file(path: Path, rows: int, seed: int) -> Path:
    """Write rows in row groups of a million, one group at a time in memory."""
    draw = np.random.default_rng(seed)
    groups: list[pa.Table] = []
    with pq.ParquetWriter(path, rows_of(np.random.default_rng(seed), 1).schema) as writer:
        for number, start in enumerate(range(0, rows, GROUP)):
            count = min(GROUP, rows - start)
            if number < _DIFFERENT:
                groups.append(rows_of(draw, count))
            writer.write_table(groups[number % _DIFFERENT].slice(0, count), row_group_size=GROUP)
    return path


def rows_of(draw: np.random.Generator, rows: int) -> pa.Table:
    """Rows of all columns; every fourth number is missing three times in a hundred."""
    columns: dict[str, pa.Array] = {}
    for index, name in enumerate(NUMERIC):
        values = (
            draw.normal(50, 10, rows),
            draw.lognormal(1, 1, rows),
            draw.exponential(3, rows),
            np.round(draw.lognormal(3, 0.5, rows), 2),
            draw.standard_t(3, rows),
            draw.poisson(4, rows),
        )[index % 6]
        mask = draw.random(rows) < 0.03 if index % 4 == 3 else None
        columns[name] = pa.array(values, mask=mask)
    for name, size in zip(CATEGORICAL, _CARDINALITIES, strict=True):
        weights = 1 / np.arange(1, size + 1)
        codes = draw.choice(size, rows, p=weights / weights.sum()).astype(np.int32)
        names = pa.array([f"value-{number:03}" for number in range(size)])
        columns[name] = pa.DictionaryArray.from_arrays(pa.array(codes), names).cast(pa.string())
    return pa.table(columns)


def write_wide(path: Path, columns: int, rows: int, seed: int) -> Path:
    """Write a file of many columns, of the same kinds."""
    draw = np.random.default_rng(seed)
    found: dict[str, pa.Array] = {}
    while len(found) < columns:
        table = rows_of(draw, rows)
        number = len(found)
        found |= {f"{name}-{number}": table.column(name) for name in table.column_names}
    pq.write_table(pa.table(dict(list(found.items())[:columns])), path)
    return path


def write_reference(path: Path, data: Path) -> Path:
    """Profile a file and save the profile."""
    names = pq.read_schema(data).names
    numeric, categorical = ([name for name in names if name[0] == kind] for kind in "nc")
    path.write_text(profile_file(data, numeric, categorical).model_dump_json(), encoding="utf-8")
    return path
