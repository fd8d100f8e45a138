"""A fingerprint of rows that does not depend on their order, taken while they stream by."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa

from components.data.hashing import hash_array, mix

_WORD = (1 << 64) - 1
_LANE = np.uint64(0xD1B54A32D192ED03)


class Fingerprint:
    """The content of rows, added batch by batch: the same rows in any order give the same.

    Each row becomes a 64-bit hash of its names and values; the fingerprint is a digest of the
    number of rows and of two sums of differently mixed row hashes, so that repeated rows count
    (a multiset hash, Clarke et al., 2003). It tells accidents apart, it is no signature.

    >>> one, other = Fingerprint(), Fingerprint()
    >>> one.add(pa.record_batch({"a": [1.0, 2.0], "b": ["x", None]}))
    >>> other.add(pa.record_batch({"a": [2.0], "b": pa.array([None], pa.string())}))
    >>> other.add(pa.record_batch({"a": [1.0], "b": ["x"]}))
    >>> one.digest() == other.digest()
    True
    >>> other.add(pa.record_batch({"a": [1.0], "b": ["x"]}))
    >>> one.digest() == other.digest()
    False
    """

    def __init__(self) -> None:
        self._rows = 0
        self._sums = [0, 0]

    @property
    def sums(self) -> tuple[int, int]:
        """What was added up; fingerprints of parts add up to that of the whole."""
        return self._sums[0], self._sums[1]

    def include(self, rows: int, sums: tuple[int, int]) -> None:
        """Add the rows of a part, by their number and the sums of its fingerprint."""
        self._rows += rows
        self._sums = [(mine + more) & _WORD for mine, more in zip(self._sums, sums, strict=True)]

    def add(self, batch: pa.RecordBatch) -> None:
        """Add rows; batches may differ in the order of their columns."""
        hashes = np.zeros(batch.num_rows, np.uint64)
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            hashes += mix(hash_array(column) ^ _salt(name))  # a sum: columns in any order
        rows = mix(hashes)
        self._rows += len(rows)
        for lane, words in enumerate((rows, mix(rows ^ _LANE))):
            self._sums[lane] = (self._sums[lane] + int(words.sum(dtype=np.uint64))) & _WORD

    def digest(self, extra: str = "") -> str:
        """The fingerprint as 32 hexadecimal digits; `extra` goes into it, such as the types."""
        text = f"{self._rows}|{self._sums[0]:016x}|{self._sums[1]:016x}|{extra}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def _salt(name: str) -> np.uint64:
    digest = hashlib.sha256(name.encode()).digest()
    return np.uint64(int.from_bytes(digest[:8], "little"))
