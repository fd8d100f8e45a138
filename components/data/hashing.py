"""Vectorised 64-bit hashes of Arrow arrays, and the set of the hashes seen so far.

The same value has the same hash on every machine and in every version: fingerprints are compared
across runs, so neither Python's `hash` nor a library's private one would do.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Hashes = npt.NDArray[np.uint64]

_SEED = np.uint64(0x9E3779B97F4A7C15)
_NULL = np.uint64(0x6A09E667F3BCC909)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
# The bytes of a word that belong to a text when 0..8 of its bytes are left.
_MASKS = np.array([(1 << (8 * left)) - 1 for left in range(9)], np.uint64)


def mix(words: Hashes) -> Hashes:
    """Spread each word over all 64 bits: the finaliser of SplitMix64 (Steele et al., 2014).

    It is a bijection, so different words stay different.

    >>> [hex(word) for word in mix(np.array([0, 1], np.uint64))]
    ['0x0', '0x5692161d100b05e5']
    """
    mixed = (words ^ (words >> np.uint64(30))) * _FIRST
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), np.uint64)


def hash_array(values: pa.Array) -> Hashes:
    """Hash doubles, 64-bit integers, booleans, timestamps or strings; a null has its own hash.

    >>> first, again, other = hash_array(pa.array(["a", "a", None]))
    >>> first == again, first == other
    (np.True_, np.False_)
    """
    if pa.types.is_string(values.type):
        # Few different texts are hashed once each; ids, all different, directly.
        encoded = values.dictionary_encode()
        if len(encoded.dictionary) * 2 < len(values):
            hashes = hash_texts(encoded.dictionary)
            filled = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)
            hashes = hashes[filled] if len(hashes) else np.zeros(len(values), np.uint64)
        else:
            hashes = hash_texts(values)
    else:
        hashes = mix(_words(values) + _SEED)
    if values.null_count:
        hashes = np.where(pc.is_null(values).to_numpy(zero_copy_only=False), _NULL, hashes)
    return hashes


def hash_texts(texts: pa.StringArray) -> Hashes:
    """Hash strings eight bytes at a time, all strings at once; a null counts as empty here."""
    _, ends, content = texts.buffers()
    count = len(texts)
    if not count:
        return np.zeros(0, np.uint64)
    offsets = np.frombuffer(ends, "<i4")[texts.offset : texts.offset + count + 1].astype(np.int64)
    lengths = np.diff(offsets)
    size = int(offsets[-1] - offsets[0])
    padded = np.zeros(size + 8, np.uint8)  # the last word may reach beyond the last byte
    if size:
        padded[:size] = np.frombuffer(content, np.uint8)[offsets[0] : offsets[-1]]
    words = np.ndarray((size + 1,), "<u8", padded, strides=(1,))
    starts = offsets[:-1] - offsets[0]
    hashes = mix(lengths.astype(np.uint64) + _SEED)
    for position in range(0, int(lengths.max()), 8):
        active = np.flatnonzero(lengths > position)
        left = np.minimum(lengths[active] - position, 8)
        word = words[starts[active] + position] & _MASKS[left]
        hashes[active] = mix((hashes[active] ^ word) + _SEED)
    return hashes


def _words(values: pa.Array) -> Hashes:
    """A word for each value of a type of fixed width."""
    if pa.types.is_boolean(values.type):
        return np.asarray(values.cast(pa.uint8()).fill_null(0).to_numpy().astype(np.uint64))
    if pa.types.is_null(values.type):
        return np.zeros(len(values), np.uint64)
    if pa.types.is_float64(values.type):
        return np.asarray(values.fill_null(0.0).to_numpy().view(np.uint64))
    integers = values.cast(pa.int64()).fill_null(0)
    return np.asarray(integers.to_numpy().view(np.uint64))


class SeenHashes:
    """The hashes met so far, at 8 bytes each (up to three times that while runs are merged).

    Two different ids share a hash, and the later row is then taken for a duplicate, with a chance
    of n^2 / 2^65 for n ids: one in a million at six million rows.

    Args:
        known: hashes that count as met from the beginning.

    >>> seen = SeenHashes()
    >>> seen.first(np.array([7, 8, 7], np.uint64)).tolist()
    [True, True, False]
    >>> seen.first(np.array([9, 8], np.uint64)).tolist()
    [True, False]
    """

    def __init__(self, known: Hashes | None = None) -> None:
        # Sorted runs, each longer than the next: a lookup visits few, a merge is rare.
        self._runs: list[Hashes] = []
        if known is not None:
            self._remember(np.unique(known))

    def all(self) -> Hashes:
        """The hashes met so far, ascending."""
        return np.sort(np.concatenate([np.zeros(0, np.uint64), *self._runs]))

    def first(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Which of these are met for the first time; they are remembered."""
        values, positions = np.unique(hashes, return_index=True)
        new = np.ones(len(values), np.bool_)
        for run in self._runs:
            place = np.minimum(np.searchsorted(run, values), len(run) - 1)
            new &= run[place] != values
        first = np.zeros(len(hashes), np.bool_)
        first[positions[new]] = True
        self._remember(values[new])
        return first

    def _remember(self, run: Hashes) -> None:
        if not len(run):
            return
        while self._runs and len(self._runs[-1]) <= len(run):
            run = np.sort(np.concatenate([self._runs.pop(), run]))
        self._runs.append(run)
