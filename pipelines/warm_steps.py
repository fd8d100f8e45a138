"""Let `kfp.local` fork its steps from a process that has imported already what they need.

kfp.local 2.17 starts an interpreter for each task, and half of the time of a short step goes into
importing scikit-learn, pandas and the like. Here one process imports them, for as long as the
block, and is forked for each task. It runs what KFP would have run; see `warm_process`.

The function replaced here is internal to KFP, and 2.17 is pinned. Where a later KFP has it no more,
`warm_steps` says so. A command that is not the one of KFP 2.17, a task with environment variables
of its own, and every system but Linux are left to KFP's own function.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from pipelines.replacing import replaced
from pipelines.warm_process import BEGUN, REFUSED, STEP

_SCRIPT = """
program_path=$(mktemp -d)
printf "%s" "$0" > "$program_path/ephemeral_component.py"
_KFP_RUNTIME=true {python} -m kfp.dsl.executor_main
    --component_module_path "$program_path/ephemeral_component.py" "$@"
"""
# In the order in which the first steps of a pipeline need them. Not among them are ONNX Runtime,
# which starts a thread when it is imported, and Evidently, which takes as long as all the others
# together, for one step.
MODULES = (
    "kfp.dsl.executor",
    "kfp.dsl.kfp_config",
    "components.spec.context",
    "components.steps.ingest",
    "components.data.ingest",
    "components.data.predictions",
    "components.steps.checks",
    "components.schema.check",
    "components.schema.reading",
    "pandas",
    "scipy.stats",
    "sklearn.ensemble",
    "skops.io",
    "components.model.fit",
    "components.model.persist",
    "components.steps.training",
    "components.steps.decide",
    "components.steps.deploy",
    "components.steps.notify",
    "components.serving.proof",
    "components.drift.check",
    "components.drift.skew",
    "components.model.performance",
    "skl2onnx",
    "apprise",
)
_KILLED = 128 + 9

Runner = Callable[..., int]
_open: list[_Warmth] = []


@contextlib.contextmanager
def warm_steps(modules: Sequence[str] = MODULES) -> Iterator[None]:
    """Within the block, tasks that `kfp.local` runs are forked from one warm process.

    Blocks in a block share the outermost one's process.

    Args:
        modules: what the process imports; steps that are asked for meanwhile come first.

    Raises:
        AttributeError: when this version of KFP is built differently.
    """
    if _open or sys.platform != "linux":
        yield
        return
    with _started(modules) as (ours, said):  # it imports while this process imports KFP
        from kfp.local import subprocess_task_handler as handler

        warmth = _Warmth(ours, said, handler.run_local_subprocess)
        _open.append(warmth)
        try:
            with replaced(handler, "run_local_subprocess", warmth.run):
                yield
        finally:
            _open.remove(warmth)


def load(module: str) -> None:
    """Have the process of the open block import one more module, when no step waits for it."""
    for warmth in _open:
        with contextlib.suppress(OSError):  # it has ended: KFP starts what follows
            warmth.socket.send(module.encode())


@contextlib.contextmanager
def _started(modules: Sequence[str]) -> Iterator[tuple[socket.socket, TextIO]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        with theirs:
            process = subprocess.Popen(  # noqa: S603 # our own interpreter and module
                [sys.executable, "-m", "pipelines.warm_process", str(theirs.fileno()), *modules],
                pass_fds=[theirs.fileno()],
                stdout=said,
                stderr=said,
                env={**os.environ, "_KFP_RUNTIME": "true"},
            )
        try:
            yield ours, said
        finally:
            process.terminate()  # the steps have ended, or end with it
            process.wait()


@dataclass
class _Warmth:
    """This side of the socket."""

    socket: socket.socket
    said: TextIO
    cold: Runner

    def run(self, full_command: list[str], env_vars: Mapping[str, str] | None = None) -> int:
        """Stands for `run_local_subprocess`: runs a task, and returns its exit code."""
        request = None if env_vars else request_of(full_command)
        code = None if request is None else self._fork(request)
        return self.cold(full_command, env_vars) if code is None else code

    def _fork(self, request: str) -> int | None:
        """The exit code; None where no process was forked."""
        with tempfile.TemporaryFile() as asked, contextlib.ExitStack() as stack:
            asked.write(request.encode())
            asked.seek(0)
            (output, their_output), (answer, their_answer) = os.pipe(), os.pipe()
            lines = stack.enter_context(os.fdopen(output, errors="replace"))
            answers = stack.enter_context(os.fdopen(answer, encoding="utf-8"))
            try:
                files = [asked.fileno(), their_output, their_answer]
                socket.send_fds(self.socket, [STEP], files)
            except OSError:
                _tell(f"the warm process has ended: {self._last_words()}")
                return None
            finally:
                os.close(their_output)
                os.close(their_answer)
            for line in lines:
                sys.stdout.write(line)
            _tell("\n")
            return self._code(answers.read().split("\n"))

    def _code(self, told: Sequence[str]) -> int | None:
        if told[0] == BEGUN:
            if told[1]:
                return int(told[1])
            _tell(f"the warm process ended, and the step with it: {self._last_words()}")
            return _KILLED
        why = told[0].removeprefix(REFUSED).strip() or self._last_words()
        _tell(f"the step was not forked: {why}")
        return None

    def _last_words(self) -> str:
        self.said.seek(0)
        return self.said.read().strip()[-2000:] or "it said nothing"


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def request_of(command: Sequence[str]) -> str | None:
    """A task's command for the warm process; None where it is not the one of KFP 2.17."""
    expected = _SCRIPT.format(python=sys.executable).split()
    if len(command) < 4 or [*command[:2], *command[2].split()] != ["sh", "-ec", *expected]:
        return None
    step = {
        "program": command[3],
        "arguments": list(command[4:]),
        "environment": dict(os.environ),
        "directory": os.getcwd(),
    }
    return json.dumps(step)
