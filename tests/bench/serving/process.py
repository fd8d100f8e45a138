"""A server as a process of its own, pinned to one core, ended with all its children."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

SERVER_CORE, LOAD_CORE = 0, 1
_POLL_S = 0.005
_LINES = 15


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def pinned(core: int, command: Sequence[str]) -> list[str]:
    """The command, held to one core."""
    return ["taskset", "--cpu-list", str(core), *command]


class Server:
    """Starts a command and waits until `ready` answers 200; ends it with the block.

    Args:
        command: what to run; `{port}` and `{spare}` in it become free ports.
        ready: the path that answers 200 once the model is loaded.
        folder: where it runs, and where its output is kept.
        environment: further variables.
        timeout_s: how long the start may take.
    """

    def __init__(
        self,
        command: Sequence[str],
        ready: str,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        timeout_s: float = 120.0,
    ) -> None:
        self.port = free_port()
        places = {"port": self.port, "spare": free_port()}
        self._command = [part.format(**places) for part in command]
        self._ready = ready
        self._folder = folder
        given = {name: value.format(**places) for name, value in (environment or {}).items()}
        self._environment = {**os.environ, "OMP_NUM_THREADS": "1", **given}
        self._timeout_s = timeout_s
        self.seconds_to_ready = 0.0

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}
    ) -> tuple[int, bytes]:
        """One request over a connection of its own: the status and the answer's body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def cpu_seconds(self) -> float:
        """The CPU time of the server and all its processes so far."""
        ticks = sum(ticks for _, _, ticks in self._family())
        return ticks / os.sysconf("SC_CLK_TCK")

    def _family(self) -> list[tuple[int, int, int]]:
        """The process and its descendants: id, parent's id, CPU ticks."""
        found, members = [], {self._process.pid}
        for pid, parent, ticks in sorted(_processes()):
            if pid in members or parent in members:
                members.add(pid)
                found.append((pid, parent, ticks))
        return found

    def __enter__(self) -> Server:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._output = self._folder / f"output-{self.port}.txt"
        started = time.monotonic()
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                pinned(SERVER_CORE, self._command),
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait(started + self._timeout_s)
        except BaseException:
            self.__exit__()
            raise
        self.seconds_to_ready = time.monotonic() - started
        return self

    def __exit__(self, *_: object) -> None:
        family = [pid for pid, _, _ in self._family()]
        for kind, patience in ((signal.SIGTERM, 15), (signal.SIGKILL, 10)):
            # A supervisor ends its workers itself; what is left after that is killed one by one.
            for pid in family[:1] if kind == signal.SIGTERM else family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, kind)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
        self._process.wait()

    def _wait(self, deadline: float) -> None:
        pause = threading.Event()
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                lines = self._output.read_text(errors="replace").strip().splitlines()
                raise SystemExit(
                    f"'{' '.join(self._command)}' did not become ready; its last output:\n"
                    + "\n".join(lines[-_LINES:])
                )
            pause.wait(_POLL_S)

    def _answers(self) -> bool:
        try:
            return self.request("GET", self._ready)[0] == 200
        except (OSError, http.client.HTTPException):
            return False


def _processes() -> list[tuple[int, int, int]]:
    """Every process: id, parent's id, CPU ticks; those that end meanwhile are left out."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The command's name, in brackets, may hold spaces.
            fields = path.read_text().rpartition(")")[2].split()
            found.append((int(path.parent.name), int(fields[1]), int(fields[11]) + int(fields[12])))
    return found
