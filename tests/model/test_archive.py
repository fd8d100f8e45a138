import io
import json
import zipfile

import numpy as np
import pytest
import skops.io

from components.model.archive import SCHEMA, canonical, pack, unpack


def canonical_of(value):
    return canonical(skops.io.dumps(value), {"extra": b"1"})


def test_equal_objects_give_equal_bytes():
    def made():
        return {"a": np.arange(3.0), "b": [np.zeros(2)], "c": b"bytes", "d": (1, "x")}

    assert skops.io.dumps(made()) != skops.io.dumps(made())
    assert canonical_of(made()) == canonical_of(made())


def test_what_it_holds_stays_what_it_was():
    shared = np.arange(4.0)
    value = {"one": shared, "two": shared, "bytes": b"\x00\x01", "set": {"b", "a"}, "none": None}
    members = unpack(canonical_of(value))
    members.pop("extra")

    again = skops.io.loads(pack(members))

    assert again.keys() == value.keys()
    assert np.array_equal(again["one"], shared)
    assert again["one"] is again["two"], "what was shared is shared"
    assert (again["bytes"], again["set"]) == (value["bytes"], value["set"])


def test_a_sets_order_is_not_kept():
    # Two insertion orders of colliding integers iterate differently.
    first, second = {0, 8}, {8, 0}
    assert list(first) != list(second)

    assert canonical_of(first) == canonical_of(second)


def test_members_have_no_times_and_no_compression():
    with zipfile.ZipFile(io.BytesIO(canonical_of([np.zeros(3)]))) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.namelist() == [SCHEMA, "extra", "0.npy"]


def test_addresses_in_memory_are_gone():
    schema = json.loads(unpack(canonical_of([np.zeros(3), [1], [1]]))[SCHEMA])

    assert '"__id__"' not in json.dumps(schema)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", b"1")
        archive.writestr("a", b"2")

    with pytest.raises(ValueError, match="one name"):
        unpack(buffer.getvalue())
