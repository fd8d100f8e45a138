"""A column of a window in a few numbers, batch by batch: what the schema check compares."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.data.convert import to_numbers, to_texts

_EXAMPLES = 5
# Beyond this many different categories a column is no set of categories, and counting stops.
MOST_CATEGORIES = 100_000


class NumberSummary:
    """A numeric column.

    Args:
        low: values below are outside.
        high: values above are outside.
    """

    def __init__(self, low: float = -np.inf, high: float = np.inf) -> None:
        self.low, self.high = low, high
        self.rows = self.nulls = self.unfit = self.fractional = 0
        self.below = self.above = 0
        self.minimum: float | None = None
        self.maximum: float | None = None
        self.examples: list[str] = []

    @property
    def present(self) -> int:
        """The rows with a value."""
        return self.rows - self.nulls

    def add(self, array: pa.Array) -> None:
        """Take in a batch of the column, of whatever type."""
        numbers, unfit = to_numbers(array)
        self.rows += len(numbers)
        self.nulls += numbers.null_count
        self.unfit += pc.sum(unfit).as_py() or 0
        values = numbers.drop_null().to_numpy(zero_copy_only=False)
        if not values.size:
            return
        low, high = float(values.min()), float(values.max())
        self.minimum = low if self.minimum is None else min(self.minimum, low)
        self.maximum = high if self.maximum is None else max(self.maximum, high)
        self.fractional += int(np.count_nonzero(values != np.rint(values)))
        if low < self.low or high > self.high:
            self._note_outside(values)

    def _note_outside(self, values: np.ndarray) -> None:
        below, above = values < self.low, values > self.high
        self.below += int(below.sum())
        self.above += int(above.sum())
        for value in np.unique(values[below | above]).tolist():
            text = f"{value:.6g}"
            if len(self.examples) < _EXAMPLES and text not in self.examples:
                self.examples.append(text)


class CategorySummary:
    """A categorical column, or class labels: how often each text occurs."""

    def __init__(self) -> None:
        self.rows = self.nulls = self.unfit = 0
        self.counts: dict[str, int] = {}
        self.complete = True

    @property
    def present(self) -> int:
        """The rows with a value."""
        return self.rows - self.nulls

    def add(self, array: pa.Array) -> None:
        """Take in a batch of the column, of whatever type."""
        texts, unfit = to_texts(array)
        self.rows += len(texts)
        self.nulls += texts.null_count
        self.unfit += pc.sum(unfit).as_py() or 0
        if not self.complete:
            return
        pairs = pc.value_counts(texts.drop_null())
        counts = pairs.field("counts").to_pylist()
        for name, count in zip(pairs.field("values").to_pylist(), counts, strict=True):
            self.counts[name] = self.counts.get(name, 0) + count
        if len(self.counts) > MOST_CATEGORIES:
            self.complete, self.counts = False, {}


Summary = NumberSummary | CategorySummary


def summarise(batches: Iterable[pa.RecordBatch], summaries: dict[str, Summary]) -> None:
    """Take in all batches; a column that a batch lacks is passed over.

    >>> summary = NumberSummary(low=0)
    >>> summarise([pa.record_batch({"a": pa.array([1.5, -2.0, None])})], {"a": summary})
    >>> summary.rows, summary.nulls, summary.minimum, summary.below, summary.examples
    (3, 1, -2.0, 1, ['-2'])
    """
    for batch in batches:
        for name in set(batch.schema.names) & summaries.keys():
            summaries[name].add(batch.column(name))
