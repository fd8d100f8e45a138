"""Ids that several shards have: the rows of the later ones are duplicates.

Within a shard, ids are told apart while its rows stream by. Across shards, their sorted hashes are
laid side by side, a range of hashes at a time, so that memory is bounded whatever the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from components.data.hashing import Hashes

# Ranges of equal width whose ends a shard's index holds; hashes are spread evenly over them.
RANGES = 256
# Hashes compared at a time: 64 MB, and a few times that while they are sorted.
_HELD = 8 << 20

Read = Callable[[int, int, int], Hashes]


def index_of(hashes: Hashes) -> list[int]:
    """Where each of the ranges begins among ascending hashes, and where the last one ends.

    >>> index_of(np.array([1, 2, 1 << 63], np.uint64))[:2], index_of(np.zeros(0, np.uint64))[-1]
    ([0, 2], 0)
    """
    ends = np.arange(1, RANGES, dtype=np.uint64) << np.uint64(64 - RANGES.bit_length() + 1)
    return [0, *np.searchsorted(hashes, ends).tolist(), len(hashes)]


def find_repeats(
    indexes: Sequence[Sequence[int]], read: Read, held: int = _HELD
) -> Mapping[int, Hashes]:
    """Which hashes a shard has in common with an earlier one.

    Args:
        indexes: every shard's index, in the shards' order.
        read: gives the hashes of a shard from one place to another, ascending.
        held: about so many hashes are compared at a time.

    Returns:
        For each shard that repeats any: these hashes, ascending.

    >>> shards = [np.array([1, 5], np.uint64), np.array([5, 9], np.uint64)]
    >>> found = find_repeats([index_of(each) for each in shards], lambda k, a, b: shards[k][a:b])
    >>> {shard: hashes.tolist() for shard, hashes in found.items()}
    {1: [5]}
    """
    total = sum(index[-1] for index in indexes)
    step = max(1, RANGES * held // max(total, 1))
    found: dict[int, list[Hashes]] = {}
    for first in range(0, RANGES, step):
        last = min(first + step, RANGES)
        pieces = [read(k, index[first], index[last]) for k, index in enumerate(indexes)]
        for shard, hashes in _repeated(pieces).items():
            found.setdefault(shard, []).append(hashes)
    return {shard: np.concatenate(pieces) for shard, pieces in sorted(found.items())}


def _repeated(pieces: Sequence[Hashes]) -> dict[int, Hashes]:
    owners = np.repeat(np.arange(len(pieces), dtype=np.int32), [len(piece) for piece in pieces])
    hashes = np.concatenate([np.zeros(0, np.uint64), *pieces])
    # Stable: of equal hashes the earliest shard's comes first.
    order: NDArray[np.int64] = np.argsort(hashes, kind="stable")
    hashes, owners = hashes[order], owners[order]
    again = np.append(False, hashes[1:] == hashes[:-1])[: len(hashes)]
    hashes, owners = hashes[again], owners[again]
    return {int(shard): hashes[owners == shard] for shard in np.unique(owners)}
