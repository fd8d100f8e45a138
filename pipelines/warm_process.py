"""The process from which a local run's steps are forked: a socket and modules are its arguments.

It has imported what the steps import, and has run none of it: there are no pools of threads that a
fork would tear apart. Each step is a process of its own, forked from here, that then runs what
`python -m kfp.dsl.executor_main` would have run, with the same arguments.

A step is asked for by a message on a socket, with three files: its request as JSON, what its output
goes to, and what it is answered on: `begun`, and later the exit code as a shell would say it; or
`refused`, and why. When the other end of the socket is gone, the steps get what Ctrl-C sends.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STEP = b"step"
BEGUN, REFUSED = "begun", "refused"
_EXECUTOR = "kfp.dsl.executor_main"
# Threads of libraries that look after themselves when a process is forked.
_SAFE_THREADS = {"jemalloc_bg_thd"}
_INTERRUPTED = 128 + signal.SIGINT
_GRACE_S = 20.0
_TOLD_TO_END_S = 2.0
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve until the other end is gone; in a process that was forked for a step, run the step."""
    warm = _Warm(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
    request = warm.serve()
    if request is not None:
        _run(request)


@dataclass
class _Warm:
    """The process: its end of the socket, what is still to be imported, and the steps that run."""

    socket: socket.socket
    modules: list[str]
    answers: dict[int, int] = field(default_factory=dict)
    interrupted: bool = False
    proven: bool = False

    def __post_init__(self) -> None:
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._on_interrupt = signal.getsignal(signal.SIGINT)
        if self._on_interrupt != signal.SIG_IGN:
            # Ctrl-C is for the steps; whoever asked for them says what follows from it.
            signal.signal(signal.SIGINT, self._interrupt)

    def serve(self) -> dict[str, Any] | None:
        """Import and fork; returns a step's request in the process that is to run it."""
        while True:
            wait = 0 if self.modules else None
            asked = self.socket.fileno()
            ready, _, _ = select.select([asked, self._woken], [], [], wait)
            if self._woken in ready:
                self._tell_ends()
            if asked in ready:
                message, files, _, _ = socket.recv_fds(
                    self.socket, 4096, 3, socket.MSG_CMSG_CLOEXEC
                )
                if not message:
                    self._end()
                    return None
                if message != STEP:
                    self.modules.append(message.decode())
                elif (request := self._begin(*files)) is not None:
                    return request
            elif self.modules:
                self._import(self.modules.pop(0))

    def _interrupt(self, *_: object) -> None:
        self.interrupted = True

    def _import(self, module: str) -> None:
        try:
            importlib.import_module(module)
        except Exception as error:  # the step that needs it says so, where people see it
            sys.stderr.write(f"{module} is not imported: {error}\n")
        sys.stdout.flush()  # or each step would say again what an import has said
        self.proven = False
        if not self.modules:
            gc.collect()
            gc.freeze()  # no step's collections go through what all of them share

    def _begin(self, asked: int, output: int, answer: int) -> dict[str, Any] | None:
        """Fork for a step; returns its request in the new process, None in this one."""
        warm = os.getpid()
        # A Ctrl-C that comes from now on reaches the step when it is ready for it, or is seen here.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        step = self._fork(answer)
        if step == 0:
            self._become_step(warm, output, answer)
            with open(asked, encoding="utf-8") as request:
                return dict(json.load(request))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        if step:
            _say(answer, BEGUN)
            self.answers[step] = answer
        for file in (asked, output, *([] if step else [answer])):
            os.close(file)
        return None

    def _fork(self, answer: int) -> int | None:
        """The step's process, 0 in that process; None where none was begun, and it is said why."""
        try:
            if threads := self._threads():
                _say(answer, f"{REFUSED} threads run already: {', '.join(threads)}")
                return None
            if self.interrupted or signal.SIGINT in signal.sigpending():
                _say(answer, f"{BEGUN}\n{_INTERRUPTED}")
                return None
            return os.fork()
        except OSError as error:  # no memory, no more processes
            _say(answer, f"{REFUSED} {error}")
            return None

    def _threads(self) -> list[str]:
        """The threads that a fork would lose; those of BLAS end, and begin again, by themselves."""
        if not self.proven:
            if (trial := os.fork()) == 0:
                os._exit(0)
            os.waitpid(trial, 0)
            deadline = time.monotonic() + _TOLD_TO_END_S
            while (threads := _running_threads()) and time.monotonic() < deadline:
                time.sleep(0.01)
            if threads:
                return threads
            self.proven = True
        return []

    def _become_step(self, warm: int, output: int, answer: int) -> None:
        """Leave everything of the warm process behind, in a process that was forked from it."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, self._on_interrupt)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != warm:
            os._exit(_INTERRUPTED)
        os.dup2(output, 1)
        os.dup2(output, 2)
        self.socket.close()
        for file in (self._woken, self._wake, output, answer, *self.answers.values()):
            os.close(file)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    def _tell_ends(self) -> None:
        """Answer for the steps that have ended."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._woken, 4096)
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                code = os.waitstatus_to_exitcode(ended[1])
                if (answer := self.answers.pop(ended[0], None)) is not None:
                    _say(answer, str(code if code >= 0 else 128 - code))
                    os.close(answer)

    def _end(self) -> None:
        """Interrupt the steps, and leave them time to tidy up; what is left is killed."""
        for step in self.answers:
            os.kill(step, signal.SIGINT)
        deadline = time.monotonic() + _GRACE_S
        while self.answers and (left := deadline - time.monotonic()) > 0:
            select.select([self._woken], [], [], left)
            self._tell_ends()


def _running_threads() -> list[str]:
    names = []
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if int(task) != os.getpid():
                names.append(Path(f"/proc/self/task/{task}/comm").read_text("utf-8").strip())
    return [name for name in names if name not in _SAFE_THREADS]


def _say(answer: int, text: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(answer, f"{text}\n".encode())


def _run(request: dict[str, Any]) -> None:
    """What `sh` and `python -m` do for a step that is not forked."""
    os.environ.clear()
    os.environ.update(request["environment"], _KFP_RUNTIME="true")
    if sys.path[0] == os.getcwd():  # not so with PYTHONSAFEPATH
        sys.path[0] = request["directory"]
    os.chdir(request["directory"])
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # every fork would draw the same numbers
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    program = Path(folder) / "ephemeral_component.py"
    program.write_text(request["program"], encoding="utf-8")
    sys.argv = [_EXECUTOR, "--component_module_path", str(program), *request["arguments"]]
    runpy.run_module(_EXECUTOR, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
