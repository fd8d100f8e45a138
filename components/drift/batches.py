"""Profiling a window's rows as they stream by, without a file in between."""

from __future__ import annotations

import pyarrow as pa

from components.drift.profile import LABEL, Profile, merge
from components.drift.tally import tally_like
from components.spec.model import Columns


class BatchProfiler:
    """Counts features and labels in the cells of a reference that has all of them.

    The profile is the one that `profile_window` makes of a file with the same rows.

    >>> from components.drift.profile import profile_arrays
    >>> reference = profile_arrays({"a": pa.array([1.0, 2.0]), "label": pa.array(["no", "yes"])})
    >>> columns = Columns(id="i", time="t", target="y", numeric=["a"])
    >>> profiler = BatchProfiler(columns, reference)
    >>> profiler.add(pa.record_batch({"a": [1.0, None], "y": pa.array([None, "no"])}))
    >>> profile = profiler.profile()
    >>> profile.columns["a"].missing, profile.columns["label"].counts
    (1, [1, 0])
    """

    def __init__(self, columns: Columns, reference: Profile) -> None:
        self._features = {name: tally_like(reference.columns[name]) for name in columns.features}
        self._label = tally_like(reference.columns[LABEL])
        self._target = columns.target

    def add(self, batch: pa.RecordBatch) -> None:
        """Count rows; a null label is none."""
        for name, tally in self._features.items():
            tally.add(batch.column(name))
        self._label.add(batch.column(self._target).drop_null())

    def profile(self) -> Profile:
        """What was counted."""
        features = {name: tally.profile() for name, tally in sorted(self._features.items())}
        labels = {LABEL: self._label.profile()} if self._label.rows else {}
        return merge(Profile(columns=features), Profile(columns=labels))
