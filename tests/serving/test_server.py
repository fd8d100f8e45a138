import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components.core.errors import ServingError
from components.core.storage import Store
from components.core.window import Window
from components.data.frame import read_rows
from components.data.predictions import read_predictions
from components.serving.outgoing import to_rows
from components.serving.server import RunningServer, main

ROW = {"load": 0.5, "age": 12, "site": "north", "shift": "day"}
ROOT = Path(__file__).parents[2]


def logged(store, spec, tmp_path):
    """What the log holds of the window."""
    destination = tmp_path / "predictions.parquet"
    report = read_predictions(store, spec, Window.parse("2024-03"), destination)
    return report, pq.read_table(destination)


def said(errors):
    """The messages of the server's own log, which tells of no fault."""
    lines = [json.loads(line) for line in errors.splitlines()]
    assert all(line["level"] == "info" for line in lines), lines
    return [line["message"] for line in lines]


@pytest.fixture(scope="module")
def folder(releases):
    return releases("binary")


@pytest.fixture
def rows(folder, make_spec):
    table = read_rows(folder.with_name("window.parquet"))
    return to_rows(table, make_spec().columns)


@pytest.fixture
def server_lines(folder, tmp_path):
    """Starts the server by its command line; returns the process and its port."""
    started = []

    def start(*arguments, environment=None):
        ports = tmp_path / "port.json"
        command = [sys.executable, "-m", "components.serving.server", "--folder", str(folder)]
        command += ["--port", "0", "--port-file", str(ports), "--drain", "0", *arguments]
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        started.append(process)
        line = process.stdout.readline()
        assert "answers at http://127.0.0.1:" in line, process.stderr.read()
        told = json.loads(ports.read_text())
        assert told["pid"] == process.pid
        return process, told["port"]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_the_real_server_answers_logs_and_ends_in_order(folder, rows, make_spec, tmp_path):
    store = Store(tmp_path / "store")
    with RunningServer(folder, store) as server, server.client() as client:
        pid = server.pid
        answers = client.predict(rows)["predictions"]
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert 0 < server.seconds_to_ready < 60
        assert store.names("pumps") == []  # nothing was due yet

    report, table = logged(store, make_spec(), tmp_path)
    assert report.rows == len(rows) == 600
    assert table.column("row_id").to_pylist() == [one["id"] for one in answers]
    assert table.column("prediction").to_pylist() == [one["prediction"] for one in answers]
    assert b"OMP_NUM_THREADS=1" in environment
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_the_server_ends_whatever_happens_in_the_block(kind, folder, rows, make_spec, tmp_path):
    store = Store(tmp_path / "store")
    server = RunningServer(folder, store)

    def use():
        with server, server.client() as client:
            client.predict(rows[:10])
            raise kind

    with pytest.raises(kind):
        use()
    assert server._process.poll() == 0
    assert logged(store, make_spec(), tmp_path)[0].rows == 10


def test_an_interrupt_while_it_starts_leaves_no_server_behind(folder, monkeypatch):
    server = RunningServer(folder)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(server, "_wait_until_ready", interrupt)
    with pytest.raises(KeyboardInterrupt):
        server.__enter__()

    assert server._process.poll() is not None
    assert not Path(server._scratch.name).exists()


def test_a_server_that_cannot_start_says_why(own_release):
    folder = own_release()
    (folder / "model.skops").write_bytes(b"swapped")

    with pytest.raises(ServingError, match=r"ended with code 1.*model\.skops was changed"):
        RunningServer(folder).__enter__()


def test_a_start_that_takes_too_long_is_given_up(folder):
    server = RunningServer(folder, start_timeout_s=0.0)

    with pytest.raises(ServingError, match=r"was not ready after 0 s"):
        server.__enter__()
    assert server._process.poll() is not None


def test_lost_rows_make_the_end_a_failure(folder, tmp_path):
    (tmp_path / "store").write_text("a file where the store's folder should be")

    with (
        pytest.raises(ServingError, match="1 answered rows are not in the prediction log"),
        RunningServer(
            folder, Store(tmp_path / "store"), arguments=("--log-patience", "0.1")
        ) as server,
        server.client() as client,
    ):
        client.predict([ROW])


def test_a_log_store_of_no_kind_ends_the_server_with_a_sentence(folder, tmp_path):
    # It is opened beside the answering, so the server was there for a moment.
    with (
        pytest.raises(ServingError, match=r"the store 'nosuch://x' cannot be opened"),
        RunningServer(folder, arguments=("--log-store", "nosuch://x")) as server,
    ):
        assert server._process.wait(60) == 1


def test_the_server_dies_with_its_parent(folder, eventually, tmp_path):
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from components.serving.server import RunningServer\n"
        f"with RunningServer(Path({str(folder)!r})) as server:\n"
        "    print(server.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    pid = int(done.stdout)

    def gone():
        try:
            # Nobody may be there to collect it, so a zombie counts as gone.
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    eventually(gone)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_with_the_log_written(
    number, server_lines, rows, make_spec, tmp_path
):
    from components.serving.client import ServingClient

    process, port = server_lines("--log-store", str(tmp_path / "store"))
    with ServingClient("127.0.0.1", port) as client:
        client.predict(rows[:30])  # the connection stays open
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)

    assert (process.returncode, said(errors)) == (0, ["draining", "ended"])
    assert logged(Store(tmp_path / "store"), make_spec(), tmp_path)[0].rows == 30


def test_it_goes_on_answering_while_it_drains(server_lines, eventually):
    from components.serving.client import ServingClient

    process, port = server_lines("--drain", "3600")
    with ServingClient("127.0.0.1", port) as client:

        def ready():
            return client.request("GET", "/v2/health/ready")

        status, headers, _ = ready()
        assert (status, headers.get("connection")) == (200, None)
        process.send_signal(signal.SIGTERM)
        status, headers, _ = eventually(lambda: (got := ready())[0] == 503 and got)
        assert headers["connection"] == "close"
        assert client.predict([ROW])["predictions"]  # on a new connection
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)  # a second one ends the drain
        _, errors = process.communicate(timeout=60)

    assert (process.returncode, said(errors)) == (0, ["draining", "ended"])


def test_a_request_in_flight_is_answered_before_the_end(server_lines):
    process, port = server_lines()
    body = json.dumps({"rows": [ROW]}).encode()
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.sendall(head + body[:10] + b"")
        with socket.create_connection(("127.0.0.1", port)) as other:  # the server read ours by now
            other.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n")
            assert other.recv(100).startswith(b"HTTP/1.1 200")
        process.send_signal(signal.SIGTERM)
        raw.sendall(body[10:])
        assert raw.recv(100).startswith(b"HTTP/1.1 200")
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_port_that_is_taken_is_named(folder, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = main(["--folder", str(folder), "--port", str(port)])

    assert code == 1
    said = capsys.readouterr().err
    assert said.startswith(f"driftline: cannot listen on 127.0.0.1:{port}: ")
    assert said.count("\n") == 1


def test_a_folder_that_is_no_release_is_named(tmp_path, capsys):
    assert main(["--folder", str(tmp_path / "nothing"), "--port", "0"]) == 1
    assert "holds no manifest.json" in capsys.readouterr().err


def test_help_is_quick_to_import():
    code = "import sys, components.serving.server as s; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()

    assert not {"sklearn", "pandas", "pyarrow", "numpy", "uvicorn", "starlette"} & set(loaded)
    help_ = subprocess.run(
        [sys.executable, "-m", "components.serving.server", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Example: python -m components.serving.server --folder" in help_.stdout


@pytest.mark.parametrize("size", ["0", "-1", "0.5", "inf", "nan", "much"])
def test_a_log_queue_of_no_size_is_wrong_usage(size, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--folder", "x", "--log-queue", size])
    assert "--log-queue" in capsys.readouterr().err
