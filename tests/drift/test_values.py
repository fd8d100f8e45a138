from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from components.drift.values import as_strings, read_numbers, read_texts

STRANGE = [
    pa.nulls(3),
    pa.array([True, None]),
    pa.array([date(2020, 1, 1)]),
    pa.array([datetime(2020, 1, 1, tzinfo=UTC)]),
    pa.array([Decimal("1.5"), None]),
    pa.array([[1], None]),
    pa.array([{"a": 1}]),
    pa.array([b"\xff", b"1", None]),
    pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
    pa.array(["a", "1"], pa.string_view()),
    pa.array(["a", None]).dictionary_encode(),
    pa.array([2**63], pa.uint64()),
    pa.array([np.float16(1)], pa.float16()),
    pa.chunked_array([["a"], ["b"]]),
    pa.chunked_array([], pa.float64()),
]


@pytest.mark.parametrize("array", STRANGE, ids=lambda array: str(array.type))
def test_every_type_is_read_and_every_row_accounted_for(array):
    numbers, texts = read_numbers(array), read_texts(array)
    missing = np.isnan(numbers.values).sum() - numbers.unreadable
    assert len(numbers.values) == len(array)
    assert missing >= 0
    assert texts.counts.sum() + texts.missing + texts.unreadable == len(array)
    assert len(as_strings(array)) == len(array)


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.binary_view()],
    ids=str,
)
def test_null_is_missing_in_texts_of_every_layout(kind):
    texts = read_texts(pa.array(["a", None, "b", None, "a"]).cast(kind))
    assert dict(zip(texts.names.to_pylist(), texts.counts, strict=True)) == {"a": 2, "b": 1}
    assert (texts.missing, texts.unreadable) == (2, 0)


def test_infinities_are_kept_apart_from_missing_values():
    numbers = read_numbers(pa.array([1.0, float("inf"), float("nan"), None]))
    assert np.isinf(numbers.values).tolist() == [False, True, False, False]
    assert numbers.unreadable == 0


def test_words_in_a_numeric_column_are_unreadable_and_blanks_are_missing():
    numbers = read_numbers(pa.array(["1e3", " 2 ", "many", "", None]))
    assert numbers.values[:2].tolist() == [1000.0, 2.0]
    assert numbers.unreadable == 1


def test_a_dictionary_counts_as_its_values_do():
    plain = pa.array(["x", "y", None, "x"])
    a, b = read_texts(plain), read_texts(plain.dictionary_encode())
    assert _pairs(a) == _pairs(b)
    assert (a.missing, a.unreadable) == (b.missing, b.unreadable) == (1, 0)


def test_dictionary_values_that_read_alike_are_one():
    encoded = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2]), pa.array(["x", None, "x"]))
    texts = read_texts(encoded)
    assert (_pairs(texts), texts.missing) == ({"x": 2}, 1)


def _pairs(texts):
    return dict(zip(texts.names.to_pylist(), texts.counts.tolist(), strict=True))
