"""The rows of several requests before the model as one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from components.data.feature_rows import FeatureRows


def join(parts: Sequence[FeatureRows]) -> FeatureRows:
    """All rows, in order.

    Args:
        parts: at least one, of the same columns.

    >>> rows = FeatureRows(np.array([[1.0]]), [["a"]])
    >>> more = FeatureRows(np.array([[2.0], [3.0]]), [["b", None]])
    >>> join([rows, more])
    FeatureRows(numeric=array([[1.],
           [2.],
           [3.]]), categorical=[['a', 'b', None]])
    """
    return FeatureRows(
        np.concatenate([part.numeric for part in parts]),
        [
            list(chain.from_iterable(columns))
            for columns in zip(*(part.categorical for part in parts), strict=True)
        ],
    )
