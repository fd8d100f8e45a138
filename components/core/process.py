"""Which process it was, so that another one can tell whether it is gone."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path

from components.core.verdict import Document

_PROC = Path("/proc")


class ProcessId(Document):
    """One process of one machine: a process id alone is used again, and is another's elsewhere.

    `started` is when it started, as the kernel counts; empty where the kernel does not say.
    """

    machine: str
    pid: int
    started: str

    @classmethod
    def own(cls) -> ProcessId:
        """This process."""
        _, started = _look(os.getpid())
        return cls(machine=_machine(), pid=os.getpid(), started=started)

    @property
    def is_here(self) -> bool:
        """Whether it runs, or ran, where this process can see it."""
        return self.machine == _machine()

    @property
    def is_gone(self) -> bool:
        """Whether it is certain that it has ended; of another machine's that is never certain.

        >>> ProcessId.own().is_gone
        False
        >>> ProcessId.own().model_copy(update={"started": "long ago"}).is_gone
        True
        """
        if not self.is_here:
            return False
        alive, started = _look(self.pid)
        return not alive or started != self.started

    def __str__(self) -> str:
        return f"process {self.pid} on {self.machine.partition(' ')[0]}"


@cache
def _machine() -> str:
    """This machine since its last start, seen from this container."""
    parts = [socket.gethostname()]
    try:
        parts.append((_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(str((_PROC / "self/ns/pid").stat().st_ino))
    except OSError:  # no Linux: the name has to do
        pass
    return " ".join(parts)


def _look(pid: int) -> tuple[bool, str]:
    """Whether a process runs, and when it started."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return not _PROC.joinpath("self/stat").exists() and _answers(pid), ""
    # After the name, which may hold anything, in parentheses: the state, and the start 19 later.
    state, *rest = stat.rpartition(")")[2].split()
    return state not in "ZX", rest[18]


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        return True
    return True
