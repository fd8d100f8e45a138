"""Start the runs that were asked for, each once, also those that a crash left behind."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from components.core.errors import ClusterError, ConflictError, DriftlineError, StoreError
from components.core.storage import Store
from components.core.window import Window
from components.decision.asked import Asked, AskedRuns, Outcome, State
from components.decision.record import grant, settled
from components.spec.model import Spec
from pipelines.runs import RunRequest
from pipelines.scheduling import alone

_logger = logging.getLogger(__name__)

# So often it is looked for what a crash left behind, or what could not be started then.
SWEEP_S = 30.0
# A step that is ended records that it was; this is how long it may take.
_PATIENCE_S = 20.0


class Carrier(Protocol):
    """Starts a run, and says in which state it is then; the same name is not run twice."""

    def __call__(self, request: RunRequest) -> tuple[State, str]:
        """Start it.

        Raises:
            ClusterError: when it cannot be started now; later it may.
        """


class StoppedError(DriftlineError):
    """The process ends before the run did; the next start carries on."""


@dataclass
class Desk:
    """Takes what is asked for, and carries it out in a thread of its own."""

    spec: Spec
    store: str
    carry: Carrier
    sweep_s: float = SWEEP_S
    _due: threading.Event = field(default_factory=threading.Event)
    _ending: threading.Event = field(default_factory=threading.Event)
    _held: set[str] = field(default_factory=set)
    _thread: threading.Thread | None = None

    @property
    def asked(self) -> AskedRuns:
        """What was asked for, in the store."""
        return AskedRuns(Store(self.store), self.spec.model)

    def take(self, asked: Asked) -> tuple[bool, Asked, Outcome | None]:
        """Record a run that is asked for, and decide at once whether it may be.

        Returns:
            Whether it is new, the run as it was first asked for, and what became of it so far.

        Raises:
            StoreError: when the store cannot be used.
        """
        new = self.asked.add(asked)
        first = asked if new else self.asked.read(asked.run) or asked
        if new and not self._refusal(first):
            self._due.set()
        return new, first, self.asked.outcome(first.run)

    def start(self) -> None:
        """Begin to carry out; what was left behind comes first."""
        self._due.set()
        self._thread = threading.Thread(target=self._work, name="runs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Carry out no more; wait until the run in progress was told."""
        self._ending.set()
        self._due.set()
        if self._thread is not None:
            self._thread.join(_PATIENCE_S)

    @property
    def is_alive(self) -> bool:
        """Whether somebody carries out what is taken."""
        return self._thread is not None and self._thread.is_alive()

    def sweep(self) -> None:
        """Carry out everything that nothing became of yet, the oldest first."""
        for asked in self.asked.open():
            if self._ending.is_set():
                return
            try:
                self._one(asked)
            except ConflictError as error:  # another process is at it, or was on another machine
                if asked.run not in self._held:
                    self._held.add(asked.run)
                    _logger.warning("%s waits: %s", asked.run, error)
            except StoppedError:
                return
            except DriftlineError as error:  # it is no reason to leave the others waiting
                _logger.warning("%s is tried again later: %s", asked.run, error)

    def _work(self) -> None:
        while not self._ending.is_set():
            self._due.wait(self.sweep_s)
            self._due.clear()
            try:
                self.sweep()
            except (DriftlineError, OSError) as error:  # no process to be had, for example
                _logger.warning("the runs that were asked for wait: %s", error)

    def _one(self, asked: Asked) -> None:
        if self._refusal(asked):
            return
        request = RunRequest(
            pipeline=asked.pipeline,
            spec=self.spec,
            store=self.store,
            window=Window.between(asked.start, asked.end),
            name=asked.run,
            as_of=asked.as_of,
        )
        try:
            state, sentence = self.carry(request)
        except (ClusterError, StoreError, StoppedError):
            raise  # nothing was started, and nobody asks for it again: a token may be renewed
        except DriftlineError as error:
            state, sentence = "failed", str(error)
        self._close(asked, state, sentence)

    def _refusal(self, asked: Asked) -> str:
        """Why a run is not started, by what was decided before; empty where it is."""
        place, window = Store(self.store), Window.between(asked.start, asked.end)
        if asked.pipeline == "training":
            why = "; ".join(grant(place, self.spec, window, asked.run))
        else:
            decision = settled(place, self.spec, window)
            why = ""
            if decision is not None and decision.run != asked.run:
                why = f"{window} was decided already by run {decision.run}"
        if why:
            self._close(asked, "declined", why)
        return why

    def _close(self, asked: Asked, state: State, sentence: str) -> None:
        at = datetime.now(UTC).isoformat()
        self.asked.close(Outcome(run=asked.run, state=state, sentence=sentence, at=at))
        _logger.info("%s: %s, %s", asked.run, state, sentence)


@dataclass
class Here:
    """Runs on this machine, one at a time, each in a process of its own."""

    _process: subprocess.Popen[str] | None = None
    _stopped: bool = False

    def __call__(self, request: RunRequest) -> tuple[State, str]:
        """Run it to its end.

        Raises:
            ConflictError: when another process does.
            StoppedError: when it was ended from here.
        """
        said = self._run(alone.write(request))
        if self._stopped:
            raise StoppedError("ended; the next start carries on")
        told = request.journal.read("notify")
        return said if said[0] == "failed" or told is None else ("ended", told.headline)

    def stop(self) -> None:
        """End the run in progress, as Ctrl-C would."""
        self._stopped = True
        if self._process is not None:
            _interrupt(self._process)

    def _run(self, request: str) -> tuple[State, str]:
        with subprocess.Popen(  # noqa: S603 # our own program
            [sys.executable, "-m", alone.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that one signal reaches its steps as well
        ) as process:
            self._process = process
            if self._stopped:
                _interrupt(process)
            _, error = process.communicate(request)
        self._process = None
        last = (error.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
        if process.returncode == alone.TAKEN:
            raise ConflictError(last)
        return ("ended", "done") if process.returncode == 0 else ("failed", last)


def _interrupt(process: subprocess.Popen[str]) -> None:
    """Send a run and its steps what Ctrl-C would; left to itself, it would wait for its steps."""
    with contextlib.suppress(OSError):  # it has ended
        os.killpg(process.pid, signal.SIGINT)


def on_cluster(start: Callable[[RunRequest], str]) -> Carrier:
    """Submits runs, and does not wait for them.

    Args:
        start: submits one and returns its page; a run of its name is not submitted again.
    """

    def carry(request: RunRequest) -> tuple[State, str]:
        return "submitted", start(request)

    return carry
