import os
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.core.errors import ConflictError, StoreError
from components.core.storage import Store, _condition_failed


@pytest.fixture(params=["disk", "s3"])
def store(request, tmp_path):
    if request.param == "s3":
        return Store(request.getfixturevalue("s3_address"))
    return Store(tmp_path / "store")


def at_once(count, call):
    """Call from several threads that start together; return what each got."""
    barrier, results = threading.Barrier(count), [None] * count

    def one(index):
        barrier.wait()
        results[index] = call(index)

    threads = [threading.Thread(target=one, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_what_was_written_is_read(store):
    store.write("a/b", b"one")
    store.write("a/b", b"two")

    assert store.read("a/b") == b"two"
    assert store.names("a") == ["a/b"]
    assert store.children("") == ["a"]


def test_of_many_that_create_at_once_one_wins(store):
    results = at_once(8, lambda index: store.create("decision", str(index).encode()))

    assert results.count(True) == 1
    assert store.read("decision") == str(results.index(True)).encode()


def test_of_many_that_replace_at_once_one_wins(store):
    store.write("pointer", b"before")

    def replace(index):
        try:
            store.replace("pointer", f"after {index}".encode(), b"before")
        except ConflictError:
            return False
        return True

    results = at_once(6, replace)

    assert results.count(True) == 1
    assert store.read("pointer") == f"after {results.index(True)}".encode()


def test_replace_expects_what_it_was_told(store):
    store.replace("pointer", b"1", None)
    with pytest.raises(ConflictError, match="somebody else"):
        store.replace("pointer", b"2", None)
    with pytest.raises(ConflictError, match="somebody else"):
        store.replace("pointer", b"2", b"0")
    store.replace("pointer", b"2", b"1")

    assert store.read("pointer") == b"2"


def test_a_missing_name_is_a_clear_error(store):
    with pytest.raises(StoreError, match="does not exist"):
        store.read("nothing")
    assert store.names("nothing") == []
    assert store.children("nothing") == []
    store.delete("nothing")


def test_an_interrupted_write_leaves_what_was_there(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.write("a", b"before")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        store.write("a", b"after")

    assert store.read("a") == b"before"
    assert store.names("") == ["a"]
    assert list((tmp_path / ".writing").iterdir()) == []


def test_what_a_killed_writer_left_is_nobodys_content(tmp_path):
    store = Store(tmp_path)
    store.write("release/card.md", b"card")
    (tmp_path / ".writing" / "tmp123").write_bytes(b"half")

    assert store.names("") == ["release/card.md"]
    assert store.children("") == ["release"]
    assert [path.name for path in (tmp_path / "release").iterdir()] == ["card.md"]


def test_a_bucket_that_is_not_there_is_no_empty_store(s3_endpoint):
    store = Store("s3://no-such-bucket/store")
    for call in (store.exists, store.names, store.children, store.read):
        with pytest.raises(StoreError, match="no-such-bucket"):
            call("flights")


def test_credentials_that_are_missing_are_a_clear_error(s3_endpoint, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(StoreError, match="redentials"):
        Store("s3://bucket/store").read("flights")
    s3fs.S3FileSystem.clear_instance_cache()


def test_only_a_refused_condition_is_a_lost_race():
    denied = PermissionError("Access Denied: s3://team-4090/x, request 412409")

    assert not _condition_failed(denied)


def test_a_disk_that_refuses_is_named(tmp_path):
    (tmp_path / "file").write_text("not a folder")

    with pytest.raises(StoreError, match="file/inside cannot be written"):
        Store(tmp_path / "file").write("inside", b"")


def test_an_unknown_protocol_is_a_clear_error():
    with pytest.raises(StoreError, match="nowhere://x"):
        Store("nowhere://x")


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.sampled_from(["create", "write", "delete"]), st.binary(max_size=20))))
def test_a_store_behaves_as_a_dictionary_does(tmp_path, steps):
    store, model = Store(tmp_path / "store"), {}
    store.delete("x")
    for verb, data in steps:
        if verb == "create":
            assert store.create("x", data) == ("x" not in model)
            model.setdefault("x", data)
        elif verb == "write":
            store.write("x", data)
            model["x"] = data
        else:
            store.delete("x")
            model.pop("x", None)
        assert store.names("") == sorted(model)
        assert not model or store.read("x") == model["x"]


def test_a_part_of_an_object_is_read_wherever_it_lies(store):
    store.write("a/x", bytes(range(80)))

    assert store.read("a/x", 8, 16) == bytes(range(8, 16))
    assert store.read("a/x", 72, 80) == bytes(range(72, 80))
    assert store.read("a/x", 0, 80) == store.read("a/x") == bytes(range(80))
