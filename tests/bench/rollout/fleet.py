"""Model servers as processes that are started, drained and killed."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[3]


class Server:
    """A server process on a port of its own, which stays the same when it is started again.

    Args:
        command: the arguments of the Python interpreter; `--port` is added.
        output: where it writes.
    """

    def __init__(self, command: Sequence[str], output: Path) -> None:
        self._command = command
        self._output = output
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, *self._command, "--port", str(self.port)],
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )
        wait_until(lambda: self.release() is not None, "the server is not ready", self._alive)

    def end(self, by: signal.Signals) -> float:
        """End it by a signal; returns how many seconds that took."""
        assert self.process
        begin = time.monotonic()
        self.process.send_signal(by)
        self.process.wait(60)
        return time.monotonic() - begin

    def release(self) -> str | None:
        """The release that it is ready with, or None."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/v2/health/ready")
            answer = connection.getresponse()
            document = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()
        return document["release"] if answer.status == 200 else None

    def discard(self) -> None:
        """End it however it is."""
        if self.process and self.process.poll() is None:
            self.end(signal.SIGKILL)

    def _alive(self) -> None:
        assert self.process
        if self.process.poll() is not None:
            raise RuntimeError(
                f"the server ended with code {self.process.returncode}: "
                f"{self._output.read_text(errors='replace')[-2000:]}"
            )


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_until(
    condition: Callable[[], object],
    problem: str,
    check: Callable[[], None] = lambda: None,
    longest_s: float = 60.0,
) -> None:
    """Wait for a condition.

    Raises:
        RuntimeError: when it does not come true in time, with the problem.
    """
    pause, deadline = threading.Event(), time.monotonic() + longest_s
    while not condition():
        check()
        if time.monotonic() > deadline:
            raise RuntimeError(problem)
        pause.wait(0.02)
