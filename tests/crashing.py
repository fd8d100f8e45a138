"""Deployments that are killed at a chosen step: `python -m tests.crashing`.

Every call of the store, every rename below it and every request to a server is a step. A request
is a line of JSON on stdin: what to deploy, and before which step to send itself SIGKILL. It is
carried out by a process forked for it, so that thousands of steps need only one start of Python.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.core.storage import Store
from components.release import switch
from components.release.local import LocalTarget
from components.release.switch import Pace
from components.spec.model import Guard, Serving

UNGUARDED = Serving(guard=Guard(period="0s"))
PACE = Pace(poll=0.02, confirm=20.0, back=20.0)
_VERBS = ("exists", "read", "write", "create", "replace", "delete", "names", "children")


@dataclass(frozen=True)
class Ended:
    """How such a process ended: killed, or done after so many steps."""

    killed: bool
    steps: int
    where: str


class Crashing:
    """Starts the process that forks, and talks to it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def deploy(self, at: int | str, **request: object) -> Ended:
        """Deploy, and be killed before that step, if it comes so far.

        Args:
            at: the step, from 1 on; or the first one whose last argument ends like that.
            request: `store`, `version` and `expected` for a deployment alone; or the arguments of
                `tests.crashing.whole_step`, with `whole` set.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"at": at, **request}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if answer["code"] == -signal.SIGKILL:
            return Ended(True, answer["steps"], answer["where"])
        assert answer["code"] == 0, answer
        return Ended(False, answer["steps"], answer["where"])


@contextmanager
def crashing() -> Iterator[Crashing]:
    """The process, for as long as the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crashing"],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Crashing(process)
        assert process.stdin is not None
        process.stdin.close()


class _Steps:
    """Counts steps, and ends the process before one of them."""

    def __init__(self, at: int | str, report: int) -> None:
        self._at = at
        self._report = report
        self.count = 0

    def install(self) -> None:
        """Make a step of everything that others can see."""
        for verb in _VERBS:
            self._wrap(Store, verb)
        for call in ("replace", "link", "unlink"):
            self._wrap(os, call)
        self._wrap(switch, "answering")

    def _wrap(self, owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def call(*arguments: Any, **more: Any) -> Any:
            self.count += 1
            told = f"{self.count} {name} {str(arguments[-1])[-80:]}"
            if self._at == self.count or (isinstance(self._at, str) and told.endswith(self._at)):
                os.write(self._report, told.encode())
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **more)

        setattr(owner, name, call)


def deployment(store: str, version: str, expected: str | None) -> None:
    """The target's part alone."""
    target = LocalTarget(Store(store), "orders", UNGUARDED, PACE)
    target.deploy(version, expected=expected, run="killed", reason="because")


def whole_step(spec: str, store: str, run: str, folder: str) -> None:
    """The whole step of the pipeline: package, publish, roll out, and keep the record."""
    from components.spec.context import open_context
    from components.steps.deploy import deploy_step

    context = open_context(spec, store, run, "1", "2024-01-01", "2024-03-01")
    files = ("data.parquet", "candidate", "evaluation.json", "proof.json", f"card-{run}.md")
    deploy_step(context, *[str(Path(folder) / name) for name in files])


def _carry_out(request: dict[str, Any]) -> dict[str, Any]:
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        steps = _Steps(request.pop("at"), write)
        steps.install()
        try:
            (whole_step if request.pop("whole", False) else deployment)(**request)
            os.write(write, f"{steps.count} done".encode())
            os._exit(0)
        except BaseException as error:
            os.write(write, f"{steps.count} {type(error).__name__}: {error}".encode())
            os._exit(1)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        told = pipe.read().decode()
    count, _, where = told.partition(" ")
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {"code": code, "steps": int(count), "where": where}


def main() -> None:
    """Fork for every request."""
    from components.steps import deploy  # noqa: F401 # imported once, before the forks

    for line in sys.stdin:
        sys.stdout.write(json.dumps(_carry_out(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
