"""The reader reads what ONNX's own library wrote, and nothing more."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto

from components.model.portable.form import Foreign
from components.model.portable.wire import read_model

INTEGERS = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=40)
FLOATS = st.lists(st.floats(width=32, allow_nan=False), max_size=40)


def model(*attributes):
    node = NodeProto(op_type="Any", attribute=attributes)
    return ModelProto(ir_version=10, graph=GraphProto(node=[node])).SerializeToString()


@settings(max_examples=60, deadline=None)
@given(integers=INTEGERS, floats=FLOATS, texts=st.lists(st.binary(max_size=300), max_size=5))
def test_lists_are_read_as_they_were_written(integers, floats, texts):
    given_ = AttributeProto(name="x", type=7, i=-1, f=0.5)
    given_.ints.extend(integers)
    given_.floats.extend(floats)
    given_.strings.extend(texts)

    read = read_model(model(given_, AttributeProto(name="y", s=b"z")))
    found, other = read["graph"]["nodes"][0]["attributes"]

    assert (found["name"], found["type"], found["i"], found["f"]) == (b"x", 7, -1, 0.5)
    assert found["ints"].tolist() == integers
    assert np.array_equal(found["floats"], np.array(floats, dtype=np.float32))
    assert found["strings"] == texts
    assert (other["name"], other["s"], other["ints"].tolist()) == (b"y", b"z", [])


def test_a_list_is_read_to_its_end_wherever_it_stops():
    for length in (1, 2, 127, 128, 129):
        for value in (0, 1, 63, 64, 127, 128, 2**63 - 1, -1):
            given_ = AttributeProto(name="x", ints=[value] * length, type=7)
            found = read_model(model(given_))["graph"]["nodes"][0]["attributes"][0]
            assert found["ints"].tolist() == [value] * length
            assert found["type"] == 7


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x08", "cut off"),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "cut off"),
        (b"\x3a\x05\x0a", "cut off"),
        (b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "cut off"),
        (b"\x08\x0a\x08\x0b", "twice"),
        (b"\x3a\x00\x3a\x00", "twice"),
        (b"\x0a\x01\x00", "of another kind"),
        (b"\x09\x00\x00\x00\x00\x00\x00\x00\x00", "of another kind"),
        (b"\xa2\x01\x00", "a field 20"),
        (b"\xca\x01\x00", "a field 25"),
        (b"\x00\x00", "a field 0"),
    ],
)
def test_what_is_not_of_the_form_is_refused(data, reason):
    with pytest.raises(Foreign, match=reason):
        read_model(data)


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=60))
def test_anything_at_all_is_read_or_refused(data):
    with suppress(Foreign):
        read_model(data)
