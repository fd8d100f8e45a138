import os
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from components.core.errors import StoreError
from components.core.storage import Store
from components.data.prediction_log import log_partition, log_prefix
from components.serving import delivery as module
from components.serving.delivery import Delivery, File
from components.serving.leftovers import remove_leftovers


class Framing(Store):
    """Keeps what wraps an upload's checksum as if it were content, some times."""

    def __init__(self, address, times):
        super().__init__(address)
        self.times = times

    def write(self, name, data):
        self.times -= 1
        wrapped = b"5;chunk-signature=0\r\n" + data + b"\r\n0\r\n"
        super().write(name, wrapped if self.times >= 0 else data)


@pytest.fixture
def remote(tmp_path):
    return f"memory://{tmp_path.name}"


def test_what_the_store_did_not_keep_as_it_was_is_written_again(remote, monkeypatch, caplog):
    monkeypatch.setattr(module, "_RETRY_S", (0.0,))
    monkeypatch.setattr(module, "_CLOSING_RETRY_S", 0.0)
    store, arrived = Framing(remote, 3), []
    delivery = Delivery(store, arrived.append)
    file = File("a.parquet", b"hello", 1, 0)
    delivery.add(file)

    assert delivery.close(20) == []
    assert arrived == [file]
    assert store.read("a.parquet") == b"hello"
    assert caplog.text.count("does not hold what was written") == 3


def test_what_is_never_kept_right_does_not_stay_there(remote):
    store = Framing(remote, 10**6)
    delivery = Delivery(store, lambda file: None)
    file = File("a.parquet", b"hello", 1, 0)
    delivery.add(file)

    assert delivery.close(0.1) == [file]
    assert store.names("") == []


def test_a_replaced_version_goes_after_a_while(remote, monkeypatch, eventually):
    store, arrived = Store(remote), []
    delivery = Delivery(store, arrived.append)

    def bring(name, replaced=None):
        delivery.add(File(name, b"x", 1, 0, replaced))
        eventually(lambda: arrived and arrived[-1].name == name)

    bring("a.0000.parquet")
    bring("a.0001.parquet", "a.0000.parquet")
    bring("b.parquet")
    assert "a.0000.parquet" in store.names("")  # a reader may have listed it just now

    clock = time.monotonic
    monkeypatch.setattr(module.time, "monotonic", lambda: clock() + 60)
    bring("c.parquet")
    eventually(lambda: store.names("") == ["a.0001.parquet", "b.parquet", "c.parquet"])
    assert delivery.close(20) == []


def test_the_store_is_opened_by_who_needs_it_first(tmp_path):
    delivery = Delivery("nosuch://x", lambda file: None)
    with pytest.raises(StoreError, match="cannot be opened"):
        delivery.open()

    delivery = Delivery(str(tmp_path / "store"), lambda file: None)
    assert not (tmp_path / "store").exists()
    delivery.add(File("a", b"x", 1, 0))
    assert delivery.close(20) == []
    assert (tmp_path / "store" / "a").read_bytes() == b"x"


def test_many_files_use_few_threads_and_none_is_left_at_the_end(tmp_path, eventually):
    delivery = Delivery(Store(tmp_path), lambda file: None)

    def threads():
        return sum(thread.name == "delivery" for thread in threading.enumerate())

    before = threads()
    for number in range(100):
        delivery.add(File(f"{number}", b"x", 1, 0))
        assert threads() - before <= 8

    assert delivery.close(20) == []
    eventually(lambda: threads() <= before)
    assert len(os.listdir(tmp_path)) == 101  # with the folder of what is being written


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path):
    store, today = Store(tmp_path), datetime.now(UTC)
    folder = log_partition("m", today)
    yesterday = log_partition("m", today - timedelta(days=1))
    long_ago = log_partition("m", today - timedelta(days=9))
    kept = [f"{folder}/a.0001.parquet", f"{folder}/notes.txt", f"{folder}/b.parquet"]
    kept += [f"{yesterday}/c.0007.parquet", f"{long_ago}/d.0000.parquet"]
    gone = [f"{folder}/a.0000.parquet", f"{yesterday}/c.0002.parquet", ".writing/tmp1"]
    young = [".writing/tmp2", f"{folder}/b.0000.parquet", f"{folder}/b.0001.parquet"]
    for name in [*kept, *gone, *young]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        if name not in young:
            past = (today - timedelta(hours=2)).timestamp()
            os.utime(path, (past, past))

    assert sorted(remove_leftovers(store, "m")) == sorted(gone)
    assert set(store.names(log_prefix("m"))) == {*kept, *young[1:]}
    assert remove_leftovers(store, "other") == []
