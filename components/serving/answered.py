"""What a server remembers of answered requests until the prediction log has written them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.data.feature_rows import FeatureRows
from components.spec.model import Columns

# What Python's own objects take besides the values, measured with tracemalloc: the arrays, lists
# and texts of a moment, then those of each row.
_REQUEST_BYTES = 1200
_ROW_BYTES = 200
_TEXT_BYTES = 60


@dataclass(slots=True)  # frozen, it would take three times as long to make, for each request
class Answered:
    """Rows that were answered at one moment, by one request or several, column by column.

    `features` holds them as the client sent them after typing, in the order of `columns`;
    `prediction` has shape (n,), `probability` (n, k) in class order or None; ids are a row's own
    and its request's, (n,); times carry a time zone.
    """

    row_ids: Sequence[str]
    event_times: Sequence[datetime]
    served_at: datetime
    release: str
    request_ids: Sequence[str]
    columns: Columns
    features: FeatureRows
    prediction: NDArray[Any]
    probability: NDArray[np.float64] | None

    @property
    def rows(self) -> int:
        """How many rows these are."""
        return len(self.row_ids)

    @property
    def size(self) -> int:
        """About how many bytes they take."""
        ids, features = self.row_ids, self.features
        size = _REQUEST_BYTES + len(ids) * _ROW_BYTES + features.numeric.nbytes
        size += sum(map(len, ids))
        for array in (self.prediction, self.probability):
            size += 0 if array is None else array.nbytes
        for column in features.categorical:
            for text in column:
                if text is not None:
                    size += _TEXT_BYTES + len(text)
        return size
