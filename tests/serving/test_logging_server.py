"""The prediction log of a real server process: when it is written, and what its end costs."""

import os
import signal
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from itertools import count, pairwise

import pyarrow.parquet as pq
import pytest

from components.core.errors import ServingError
from components.core.storage import Store
from components.core.window import Window
from components.data.predictions import read_predictions
from components.serving.server import RunningServer

ROW = {"load": 0.5, "age": 12, "site": "north", "shift": "day"}
AGE_S = 1.0


class Clients:
    """Ask without a pause until the server is gone; remember when each row was answered."""

    def __init__(self, server, clients=4):
        self.answered = []
        self._numbers = count()
        self._server = server
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _ask(self):
        with self._server.client() as client:
            try:
                while True:
                    name = f"asked-{next(self._numbers)}"
                    client.predict([{**ROW, "pump": name}])
                    self.answered.append((time.monotonic(), name))
            except (OSError, HTTPException, ServingError):
                return

    def join(self):
        """Wait until all have noticed; returns when each row was answered."""
        for thread in self._threads:
            thread.join(20)
        return {name: moment for moment, name in self.answered}

    @property
    def longest_pause_s(self):
        """For how long nothing was answered: how much this machine has to do besides."""
        moments = sorted(moment for moment, _ in self.answered)
        return max(after - before for before, after in pairwise(moments))


def logged(store, spec, tmp_path):
    """The report and the ids of what the log holds of these days."""
    now = datetime.now(UTC)
    window = Window(now - timedelta(days=1), now + timedelta(days=1))
    report = read_predictions(store, spec, window, tmp_path / "predictions.parquet")
    return report, pq.read_table(tmp_path / "predictions.parquet").column("row_id").to_pylist()


@pytest.fixture(scope="module")
def folder(releases):
    return releases("binary")


def test_a_kill_loses_only_rows_younger_than_the_age_limit(folder, make_spec, tmp_path, eventually):
    store, seen = Store(tmp_path / "store"), set()

    def has_written_often():
        seen.update(store.names("pumps"))
        return len(seen) >= 4

    server = RunningServer(folder, store, arguments=("--log-max-age", str(AGE_S))).__enter__()
    clients = Clients(server)
    eventually(has_written_often, 60)
    killed_at = time.monotonic()
    os.kill(server.pid, signal.SIGKILL)
    answered = clients.join()
    with pytest.raises(ServingError, match="ended with code -9"):
        server.__exit__(None, None, None)

    for name in store.names("pumps"):
        pq.read_table(store.path(name))  # each is whole
    report, ids = logged(store, make_spec(), tmp_path)
    lost = [killed_at - moment for name, moment in answered.items() if name not in set(ids)]
    assert len(ids) > 10
    assert report.duplicates == 0
    assert max(lost, default=0.0) <= AGE_S + 0.5 + 3 * clients.longest_pause_s

    # The next server finds what this one, or another, left half done.
    left = tmp_path / "store" / ".writing" / "tmpleft"
    left.write_bytes(b"PAR1 half a file")
    os.utime(left, (0, 0))
    later = RunningServer(folder, store, arguments=("--log-max-age", str(AGE_S)))
    with later as server, server.client() as client:
        client.predict([{**ROW, "pump": "later"}])
        eventually(lambda: not left.exists(), 60)
    assert set(logged(store, make_spec(), tmp_path)[1]) == {*ids, "later"}


def test_many_rows_are_written_before_they_are_old(folder, make_spec, tmp_path, eventually):
    store = Store(tmp_path / "store")
    with RunningServer(folder, store, arguments=("--log-max-age", "3600")) as server:
        with server.client() as client:
            for _ in range(19):
                client.predict([ROW] * 1000)
            client.predict([ROW] * 999)
            assert store.names("pumps") == []
            client.predict([ROW])
        eventually(lambda: logged(store, make_spec(), tmp_path)[0].rows == 20_000)


def test_a_store_that_hangs_at_the_end_has_its_time_and_no_more(folder, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as never_answers:
        port = never_answers.getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        arguments = ("--log-store", "s3://bucket/store", "--log-patience", "0.5")
        with (
            pytest.raises(ServingError, match=r"(?s)code 1.*7 answered rows are not in the pred"),
            RunningServer(folder, arguments=arguments) as server,
            server.client() as client,
        ):
            client.predict([ROW] * 7)
