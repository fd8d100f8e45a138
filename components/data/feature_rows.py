"""Rows of features between a request and a model, without a table or a frame around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FeatureRows:
    """Typed features, column by column in the spec's order.

    `numeric` has shape (n, numeric columns), float64, NaN for missing; `categorical` holds a list
    of n texts for each categorical column, None for missing.
    """

    numeric: NDArray[np.float64]
    categorical: list[list[str | None]]

    def __len__(self) -> int:
        return len(self.numeric)

    def part(self, start: int, end: int) -> FeatureRows:
        """The rows from `start` up to `end`.

        >>> rows = FeatureRows(np.zeros((3, 1)), [["a", None, "b"]])
        >>> rows.part(1, 3).categorical, len(rows.part(1, 3))
        ([[None, 'b']], 2)
        """
        return FeatureRows(
            self.numeric[start:end], [column[start:end] for column in self.categorical]
        )
