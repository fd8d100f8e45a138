import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from components.data.hashing import SeenHashes, hash_array, hash_texts


@given(st.lists(st.text(max_size=30), max_size=30), st.integers(0, 5))
def test_equal_texts_and_only_they_have_equal_hashes(texts, start):
    hashes = hash_texts(pa.array(texts, pa.string()).slice(start)).tolist()

    pairs = set(zip(texts[start:], hashes, strict=True))
    assert len(pairs) == len(set(texts[start:])) == len(set(hashes))


def test_hashes_are_the_same_everywhere():
    # Fingerprints of earlier runs would no longer compare if these changed.
    assert [f"{value:016x}" for value in hash_texts(pa.array(["", "UA1545-20130101-EWR"]))] == [
        "e220a8397b1dcdaf",
        "59e0b5b4f929fa23",
    ]


def test_many_similar_ids_do_not_collide():
    ids = pa.array([f"{number:08d}" for number in range(300_000)])

    assert len(np.unique(hash_texts(ids))) == 300_000


def test_null_is_unlike_every_value():
    for values in ([0.0, None], [0, None], [False, None], ["", None]):
        hashes = hash_array(pa.array(values))
        assert hashes[0] != hashes[1]


def test_few_and_many_different_texts_hash_alike():
    few = pa.array(["a", "b", None] * 10)

    assert hash_array(few)[:3].tolist() == hash_array(few.slice(0, 3)).tolist()


@given(st.lists(st.lists(st.integers(0, 40), max_size=15), max_size=12))
def test_seen_hashes_are_a_set(batches):
    seen, known = SeenHashes(), set()

    for batch in batches:
        expected = [not (value in known or known.add(value)) for value in batch]
        assert seen.first(np.array(batch, np.uint64)).tolist() == expected


def test_seen_hashes_take_eight_bytes_a_row():
    seen = SeenHashes()
    random = np.random.default_rng(0)
    for _ in range(50):
        seen.first(random.integers(0, 1 << 63, 10_000).astype(np.uint64))

    assert sum(run.nbytes for run in seen._runs) == 8 * 500_000
    assert len(seen._runs) < 10
