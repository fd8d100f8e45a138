"""Brings the prediction log's files to the store, trying again until the store takes them.

All that waits for a store happens on these threads: a store that hangs holds up nothing else.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from components.core.errors import StoreError
from components.core.storage import Store

_logger = logging.getLogger(__name__)

# Files are written side by side: the disk joins their fsyncs, and an object store's latency is paid
# once instead of once an hour of data.
_THREADS = 8
_RETRY_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_CLOSING_RETRY_S = 0.5
# A reader that lists a folder while a version is replaced should find one of the two.
_GRACE_S = 10.0


@dataclass(frozen=True, eq=False)
class File:
    """A part as it goes to the store.

    Attributes:
        name: its name there.
        data: its content.
        rows: how many of its rows no other file has.
        flush: the number of the flush that it belongs to.
        replaced: the file that is superfluous once this one is there.
        arrived: called when the store has it.
    """

    name: str
    data: bytes
    rows: int
    flush: int
    replaced: str | None = None
    arrived: Callable[[], None] | None = None


class Delivery:
    """Writes files from up to eight threads, all of which pause while the store fails.

    Args:
        store: where to, or its address: it is opened by the first thread that needs it.
        delivered: called from any thread with each file that the store has.
        clean: called once, when the store is found to work.
    """

    def __init__(
        self,
        store: Store | str,
        delivered: Callable[[File], None],
        clean: Callable[[Store], object] | None = None,
    ) -> None:
        self._place = store
        self._delivered = delivered
        self._clean = clean
        self._opening = threading.Lock()
        self._state = threading.Condition()
        self._waiting: deque[File] = deque()
        self._under_way: set[File] = set()
        self._superfluous: deque[tuple[float, str]] = deque()
        self._threads = self._idle = self._failures = 0
        self._failed_at = self._next_try = 0.0
        self._closing = self._ended = False

    def open(self) -> Store:
        """The store, opened by the first caller; nothing is asked of it.

        Raises:
            StoreError: when the address is none that can be opened.
        """
        with self._opening:
            if not isinstance(self._place, Store):
                self._place = Store(self._place)
            return self._place

    def add(self, file: File) -> None:
        """Take a file to deliver; returns at once."""
        with self._state:
            self._waiting.append(file)
            if self._idle < len(self._waiting) and self._threads < _THREADS:
                self._threads += 1
                # A daemon, so that a hanging store cannot keep the process from ending.
                threading.Thread(target=self._work, name="delivery", daemon=True).start()
            self._state.notify_all()

    def close(self, timeout: float) -> list[File]:
        """Deliver what is left, for that many seconds; returns what the store did not take."""
        with self._state:
            self._closing = True
            self._next_try = 0.0
            self._state.notify_all()
            self._state.wait_for(lambda: not (self._waiting or self._under_way), timeout)
            self._ended = True
            self._state.notify_all()
            return [*self._under_way, *self._waiting]

    def _work(self) -> None:
        while (file := self._next()) is not None:
            started = time.monotonic()
            try:
                self._bring(file)
            except Exception as error:  # whatever a store's client raises, the log goes on
                self._failed(file, started, error)
            else:
                self._succeeded(file)
                self._tidy()

    def _next(self) -> File | None:
        """Wait for a file and for the time to try; None at the end."""
        with self._state:
            self._idle += 1
            try:
                while not self._ended:
                    pause = self._next_try - time.monotonic()
                    if self._waiting and pause <= 0:
                        file = self._waiting.popleft()
                        self._under_way.add(file)
                        return file
                    self._state.wait(pause if self._waiting else None)
                return None
            finally:
                self._idle -= 1

    def _bring(self, file: File) -> None:
        store = self.open()
        store.write(file.name, file.data)
        if not store.is_local and store.read(file.name) != file.data:
            # Some object stores take what wraps the checksum of an upload for its content.
            store.delete(file.name)
            raise StoreError(
                f"{store.url(file.name)} does not hold what was written to it, so it was deleted"
            )

    def _succeeded(self, file: File) -> None:
        if file.arrived is not None:
            file.arrived()
        self._delivered(file)  # before it is done with: a closing log counts what was delivered
        with self._state:
            self._under_way.discard(file)
            if file.replaced is not None:
                self._superfluous.append((time.monotonic() + _GRACE_S, file.replaced))
            self._failures, self._next_try = 0, 0.0
            self._state.notify_all()

    def _failed(self, file: File, started: float, error: Exception) -> None:
        with self._state:
            self._under_way.discard(file)
            self._waiting.appendleft(file)
            self._state.notify_all()
            if started < self._failed_at:
                return  # another thread's attempt failed meanwhile: one pause for all of them
            self._failed_at = time.monotonic()
            delay = _RETRY_S[min(self._failures, len(_RETRY_S) - 1)]
            if self._closing:
                delay = _CLOSING_RETRY_S
            self._failures += 1
            self._next_try = self._failed_at + delay
            files = len(self._waiting) + len(self._under_way)
        _logger.warning("prediction log: %d parts wait for the store: %s", files, error)

    def _tidy(self) -> None:
        """Delete versions that have been replaced for a while, and once what others left."""
        with self._state:
            clean, self._clean = self._clean, None
            due = []
            while self._superfluous and self._superfluous[0][0] <= time.monotonic():
                due.append(self._superfluous.popleft()[1])
        try:
            for name in due:
                self.open().delete(name)
            if clean is not None:
                clean(self.open())
        except Exception as error:  # readers pass over what stays
            _logger.info("prediction log: leftovers stay where they are: %s", error)
