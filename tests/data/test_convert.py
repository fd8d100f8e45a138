import uuid
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.convert import plain, to_labels, to_numbers, to_texts, widen

TEXTS = st.one_of(
    st.sampled_from(["1", "-2.5", "+3", " 4 ", "1e3", "inf", "nan", "NA", "", "true", "True", "x"]),
    st.floats().map(repr),
    st.integers().map(str),
    st.text(max_size=5),
    st.none(),
)


def both(convert, values, kind=None):
    converted, bad = convert(pa.array(values, kind))
    return converted.to_pylist(), bad.to_pylist()


@pytest.mark.parametrize(
    ("values", "kind", "expected", "bad"),
    [
        ([1, None], pa.int8(), [1.0, None], 0),
        ([2**63], pa.uint64(), [float(2**63)], 0),
        ([1.5, float("nan"), float("inf"), None], pa.float32(), [1.5, None, None, None], 1),
        ([True, False, None], None, [1.0, 0.0, None], 0),
        ([Decimal("1.25")], None, [1.25], 0),
        (["1", " 2 ", "+3", ".5", "5.", "1e2"], None, [1.0, 2.0, 3.0, 0.5, 5.0, 100.0], 0),
        (["NA", "", "  ", "null", None], None, [None] * 5, 0),
        (["one", "1,5", "0x10", "1e999", "inf", "1_0"], None, [None] * 6, 6),
        (["true", "FALSE", "x"], None, [1.0, 0.0, None], 1),
        ([datetime(2013, 1, 1), None], None, [None, None], 1),
        ([[1], None], None, [None, None], 1),
        ([None, None], None, [None, None], 0),
    ],
)
def test_numbers(values, kind, expected, bad):
    converted, flags = both(to_numbers, values, kind)

    assert converted == expected
    assert sum(flags) == bad


@pytest.mark.parametrize(
    ("values", "kind", "expected", "bad"),
    [
        (["a", "", None], None, ["a", "", None], 0),
        ([7, None], None, ["7", None], 0),
        ([7.0, 0.5, float("nan"), None], None, ["7", "0.5", None, None], 0),
        ([1e16, 1e-7, float("inf")], None, ["10000000000000000", "1e-07", None], 1),
        ([True, False], None, ["true", "false"], 0),
        ([Decimal("7.00"), Decimal("7.50")], None, ["7", "7.5"], 0),
        ([b"caf\xc3\xa9", b"caf\xe9", None], None, ["café", "caf\\xe9", None], 0),
        ([date(2013, 1, 1)], None, ["2013-01-01"], 0),
        ([[1], None], None, [None, None], 1),
    ],
)
def test_texts(values, kind, expected, bad):
    converted, flags = both(to_texts, values, kind)

    assert converted == expected
    assert sum(flags) == bad


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array(["a", "b", "a", None]).dictionary_encode(), pa.string()),
        (pa.array(["a", None], pa.large_string()), pa.string()),
        (pa.array(["a", None], pa.string_view()), pa.string()),
        (pa.array([b"ab", None], pa.binary(2)), pa.string()),
        (pa.RunEndEncodedArray.from_arrays([2, 3], [1, 2]), pa.int64()),
    ],
)
def test_encodings_are_undone(values, kind):
    assert plain(values).type == kind
    assert plain(values).to_pylist()[0] in ("a", "ab", 1)


def test_a_uuid_is_its_usual_text():
    value = uuid.UUID("12345678-1234-5678-1234-567812345678")
    values = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([value.bytes], pa.binary(16)))

    assert to_texts(values)[0].to_pylist() == [str(value)]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, 0, None], pa.int8(), pa.int64()),
        ([1.0, 0.0, None], pa.float64(), pa.int64()),
        ([1.0, 0.5], pa.float64(), pa.string()),
        ([True, None], None, pa.bool_()),
        (["0", "1"], None, pa.string()),
        ([None], pa.string(), pa.string()),
        ([None], pa.float64(), pa.null()),
        ([Decimal(3)], None, pa.int64()),
    ],
)
def test_labels_keep_the_source_s_type(values, kind, expected):
    assert to_labels(pa.array(values, kind), typed=True)[0].type == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["0", "1", "NA"], [0, 1, None]),
        (["1.0", "0.0"], [1, 0]),
        (["True", "false"], [True, False]),
        (["007", "1"], ["007", "1"]),
        (["True", "yes"], ["true", "yes"]),
        (["-3", "4"], [-3, 4]),
        (["9" * 30, "1"], ["9" * 30, "1"]),
        ([None, ""], [None, None]),
    ],
)
def test_labels_without_types_are_what_all_of_them_spell(values, expected):
    assert to_labels(pa.array(values), typed=False)[0].to_pylist() == expected


def test_an_infinite_label_does_not_fit():
    labels, bad = to_labels(pa.array([1.0, float("inf"), float("nan"), None]), typed=True)

    assert labels.to_pylist() == [1, None, None, None]
    assert bad.to_pylist() == [False, True, False, False]


def test_labels_of_two_types_become_texts():
    assert widen(pa.null(), pa.int64()) == pa.int64()
    assert widen(pa.int64(), pa.null()) == pa.int64()
    assert widen(pa.int64(), pa.bool_()) == pa.string()


@given(st.lists(TEXTS, min_size=1, max_size=12))
def test_no_value_depends_on_its_neighbours(values):
    for convert in (to_numbers, to_texts):
        together, alone = both(convert, values, pa.string()), ([], [])
        for value in values:
            one, bad = both(convert, [value], pa.string())
            alone[0].extend(one)
            alone[1].extend(bad)
        assert repr(together) == repr(alone)


@given(st.lists(TEXTS, min_size=1, max_size=12))
def test_labels_are_the_same_however_they_are_split(values):
    whole = to_labels(pa.array(values, pa.string()), typed=False)[0]
    parts = [to_labels(pa.array([value], pa.string()), typed=False)[0] for value in values]
    kind = pa.null()
    for part in parts:
        kind = widen(kind, part.type)

    assert kind == whole.type
    # Cast one step at a time, as ingest does.
    assert [part.cast(kind)[0].as_py() for part in parts] == whole.to_pylist()
