"""The real model server as a child process, for as long as a `with` block."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from components.core.errors import ServingError
from components.core.storage import Store
from components.serving.client import ServingClient

_POLL_S = 0.01
_LINES = 12


class RunningServer:
    """Starts `python -m components.serving.server` and waits until it is ready to answer.

    The server takes a free port by itself. It ends with the block, whatever happens in it: by
    SIGTERM, so that the prediction log is written, and by SIGKILL if that takes too long; and it
    ends by itself when this process dies.

    Args:
        folder: the release to serve.
        log_store: where the server logs its predictions; None for no log.
        allow_candidate: whether the folder may be a candidate that passed no gate.
        allowed_prefixes: packages whose classes the model may hold, besides scikit-learn.
        start_timeout_s: how long the start may take.
        stop_timeout_s: how long ending may take, writing the log included.
        manifest_sha256: the digest that the release's manifest must have; None for any.
        arguments: further arguments for the server's command line.

    Raises:
        ServingError: on entering, when the server does not become ready, with its last output; on
            leaving, when it ended badly, for example because logged rows were lost.
    """

    def __init__(
        self,
        folder: Path,
        log_store: Store | None = None,
        *,
        allow_candidate: bool = False,
        allowed_prefixes: Sequence[str] = (),
        start_timeout_s: float = 60.0,
        stop_timeout_s: float = 40.0,
        manifest_sha256: str | None = None,
        arguments: tuple[str, ...] = (),
    ) -> None:
        self._folder = folder
        self._start_timeout_s = start_timeout_s
        self._stop_timeout_s = stop_timeout_s
        self._arguments = [*arguments]
        if manifest_sha256 is not None:
            self._arguments += ["--manifest-sha256", manifest_sha256]
        if log_store is not None:
            self._arguments += ["--log-store", log_store.address]
        if allow_candidate:
            self._arguments.append("--allow-candidate")
        for prefix in allowed_prefixes:
            self._arguments += ["--allow-prefix", prefix]
        self.host = "127.0.0.1"
        self.port = 0
        self.seconds_to_ready = 0.0

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://{self.host}:{self.port}"

    def client(self, timeout: float = 60.0) -> ServingClient:
        """A client with a connection of its own."""
        return ServingClient(self.host, self.port, timeout)

    def output(self) -> str:
        """The last lines that the server wrote."""
        self._output.flush()
        text = Path(self._output.name).read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.strip().splitlines()[-_LINES:])

    def __enter__(self) -> RunningServer:
        started = time.monotonic()
        self._scratch = tempfile.TemporaryDirectory(prefix="driftline-server-")
        try:
            self._output = (Path(self._scratch.name) / "output.txt").open("wb")
            self._process = self._start(Path(self._scratch.name) / "port.json")
            try:
                self._wait_until_ready(
                    Path(self._scratch.name) / "port.json", started + self._start_timeout_s
                )
            except BaseException:  # also KeyboardInterrupt: no server stays behind
                self._stop()
                raise
        except BaseException:
            self._discard()
            raise
        self.seconds_to_ready = time.monotonic() - started
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            code = self._stop()
            if kind is None and code != 0:
                raise ServingError(
                    f"the model server of {self._folder} ended with code {code}: {self.output()}"
                )
        finally:
            self._discard()

    def _start(self, port_file: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "components.serving.server"]
        command += ["--folder", str(self._folder), "--host", self.host, "--port", "0"]
        command += ["--port-file", str(port_file), "--end-with-stdin"]
        # Whoever asks a server of their own does not go on asking once they end it.
        command += ["--drain", "0", *self._arguments]
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        return subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            # The server sees its end when this process ends, however that comes about.
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            # One thread: with two on a busy host the slowest answers take a second.
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            # Ctrl-C is for this process, which then ends the server in order.
            start_new_session=True,
        )

    def _wait_until_ready(self, port_file: Path, deadline: float) -> None:
        pause = threading.Event()
        while not (self.port and self._is_ready()):
            if self._process.poll() is not None:
                raise self._failure(f"ended with code {self._process.returncode} at its start")
            if time.monotonic() > deadline:
                raise self._failure(f"was not ready after {self._start_timeout_s:g} s")
            if port_file.exists():
                self.port = int(json.loads(port_file.read_bytes())["port"])
            pause.wait(_POLL_S)

    def _is_ready(self) -> bool:
        try:
            with self.client(timeout=5.0) as client:
                return client.request("GET", "/v2/health/ready")[0] == 200
        except ServingError:
            return False

    def _failure(self, what: str) -> ServingError:
        return ServingError(
            f"the model server of {self._folder} {what}; its last output: "
            f"{self.output() or 'nothing'}"
        )

    def _stop(self) -> int:
        """End the server and return its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(self._stop_timeout_s)
        except BaseException as error:  # too slow, or a second Ctrl-C while waiting
            self._process.kill()
            code = self._process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                return code
            raise
        finally:
            if self._process.stdin is not None:
                self._process.stdin.close()

    def _discard(self) -> None:
        output = getattr(self, "_output", None)
        if output is not None:
            output.close()
        self._scratch.cleanup()
