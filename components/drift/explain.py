"""Why values differ: the sampled rows are read again, from both sides and from other columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.data.prediction_log import FEATURE
from components.drift.causes import Cause
from components.drift.differences import Differences
from components.drift.matching import Matched, Rows
from components.drift.number_causes import number_causes
from components.drift.rows import take_column
from components.drift.text_causes import text_causes
from components.drift.values import as_strings, read_numbers

_POPULATION_ROWS = 5000
# Another column is looked at closely where some of so many rows agree with it.
_LOOK_ROWS = 200
_LOOK_SHARE = 0.02
_MOST_COLUMNS = 5
_LEAST_ROWS = 5


@dataclass
class Sampled:
    """Some of a column's differing rows: `served` and `trained` as the files have them, (k,).

    `others` are columns whose trained values some of the rows were served with.
    """

    served: pa.Array
    trained: pa.Array
    before: pa.Array
    population: pa.Array
    others: dict[str, pa.Array] = field(default_factory=dict)


def read_samples(
    found: Sequence[Differences],
    columns: Sequence[str],
    data: pq.ParquetFile,
    log: pq.ParquetFile,
    matched: Matched,
) -> dict[str, Sampled]:
    """Read what explains the differences, by column; every column is read once.

    Args:
        found: columns that differ, all of one role.
        columns: the window's columns of that role, with which these may have been swapped.
        data: the window.
        log: the window's part of the prediction log.
        matched: which rows are the same.
    """
    if not found:
        return {}
    served = {d.name: take_column(log, FEATURE + d.name, matched.log_rows(d.slots)) for d in found}
    rows = {d.name: matched.window_rows(d.slots) for d in found}
    spaced = _spaced(data.metadata.num_rows)
    samples: dict[str, Sampled] = {}
    others: dict[str, dict[str, pa.Array]] = {d.name: {} for d in found}
    for name in columns:
        wanted = list(rows.values())
        if name in rows:
            slots = next(d.slots for d in found if d.name == name)
            wanted += [matched.window_rows(np.maximum(slots - 1, 0)), spaced]
        parts = _parts(take_column(data, name, np.concatenate(wanted)), wanted)
        for difference, part in zip(found, parts[: len(found)], strict=True):
            own = difference.name
            if own == name:
                samples[name] = Sampled(served[name], part, parts[-2], parts[-1])
            elif len(others[own]) < _MOST_COLUMNS and _alike(served[own], part, difference.numeric):
                others[own][name] = part
    for name, sample in samples.items():
        sample.others = others[name]
    return samples


def find_causes(sample: Sampled, numeric: bool) -> list[Cause]:
    """The likely causes of a column's differences; none where there is no pattern."""
    if numeric:
        served = read_numbers(sample.served)
        causes = number_causes(
            served.values,
            read_numbers(sample.trained).values,
            read_numbers(sample.population).values,
            {name: read_numbers(values).values for name, values in sample.others.items()},
            read_numbers(sample.before).values,
        )
        if 2 * served.unreadable < len(served.values):
            return causes
        return _text_causes(sample) or [
            Cause("type", f"served as {sample.served.type}, no number", served.unreadable)
        ]
    return _text_causes(sample)


def _text_causes(sample: Sampled) -> list[Cause]:
    return text_causes(
        as_strings(sample.served).to_pylist(),
        as_strings(sample.trained).to_pylist(),
        as_strings(sample.population).to_pylist(),
        {name: as_strings(values).to_pylist() for name, values in sample.others.items()},
        as_strings(sample.before).to_pylist(),
    )


def _spaced(rows: int) -> Rows:
    """Rows from all over a file."""
    return np.linspace(0, max(rows - 1, 0), min(rows, _POPULATION_ROWS)).astype(np.int64)


def _parts(values: pa.Array, wanted: Sequence[Rows]) -> list[pa.Array]:
    ends = np.cumsum([len(rows) for rows in wanted]).tolist()
    return [
        values.slice(end - len(rows), len(rows)) for end, rows in zip(ends, wanted, strict=True)
    ]


def _alike(served: pa.Array, other: pa.Array, numeric: bool) -> bool:
    """Whether enough of the first rows were served with another column's values."""
    if len(served) < _LEAST_ROWS:
        return False
    rows = np.linspace(0, len(served) - 1, min(len(served), _LOOK_ROWS)).astype(np.int64)
    a, b = (side.take(pa.array(rows)) for side in (served, other))
    if numeric:
        same = np.isclose(read_numbers(a).values, read_numbers(b).values, rtol=1e-6, atol=0.0)
    else:
        same = pc.fill_null(pc.equal(as_strings(a), as_strings(b)), False).to_numpy(False)
    return bool(np.mean(same) >= _LOOK_SHARE)
