"""The prediction log's writer: it never delays an answer, and it counts what it cannot keep.

Answered rows wait in memory, bounded by rows and by bytes, until one thread writes them as
immutable Parquet parts: when enough have gathered, when the oldest is old enough, on `flush` and
on `close`. A process that is killed outright loses at most the last `max_age_s` seconds, plus what
a failing store had not taken yet. While the store fails or hangs, new rows queue up to the bound;
past it the newest are dropped and counted, so that always `logged + dropped` = rows answered.
"""

from __future__ import annotations

import itertools
import logging
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from components.core.storage import Store
from components.serving.answered import Answered

_logger = logging.getLogger(__name__)

# Parts of different hours are written side by side: the disk joins their fsyncs, and an object
# store's latency is paid once instead of once an hour of data.
_WRITERS = 8
_RETRY_S = (0.5, 1.0, 2.0, 5.0, 10.0)
_LAST_RETRY_S = 30.0
_CLOSING_RETRY_S = 0.5


@dataclass(frozen=True)
class Counters:
    """Rows so far: `logged` were taken and not lost, of these `written` are in the store."""

    logged: int
    dropped: int
    written: int


@dataclass(frozen=True)
class _File:
    """A part as it goes to the store: while the store is down, this is all that is held of it."""

    name: str
    rows: int
    data: bytes


class PredictionLog:
    """Writes answered rows to `<store>/<model>/predictions/`, from a thread of its own.

    Args:
        store: where to.
        model: the model's name.
        max_rows: write as soon as that many rows have gathered.
        max_age_s: write as soon as a row has waited that many seconds.
        max_queue_rows: the most rows held in memory, those being written included.
        max_queue_bytes: the most bytes held in memory, about.
    """

    def __init__(
        self,
        store: Store,
        model: str,
        *,
        max_rows: int = 20_000,
        max_age_s: float = 60.0,
        max_queue_rows: int = 200_000,
        max_queue_bytes: int = 256 * 2**20,
    ) -> None:
        self._store = store
        self._model = model
        self._max_rows = max_rows
        self._max_age_s = max_age_s
        self._max_queue_rows = max_queue_rows
        self._max_queue_bytes = max_queue_bytes

        self._state = threading.Condition()
        self._pending: list[Answered] = []
        self._pending_rows = 0
        self._pending_since = 0.0
        self._held_rows = self._held_bytes = 0  # pending and being written
        self._accepted = self._refused = self._lost = self._written = self._done = 0
        self._flush_asked = False
        self._give_up_at: float | None = None  # set by close
        self._abandoned = False  # the store hung beyond that
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    @property
    def counters(self) -> Counters:
        """What became of the rows so far."""
        with self._state:
            return Counters(
                logged=self._accepted - self._lost,
                dropped=self._refused + self._lost,
                written=self._written,
            )

    def put(self, answered: Answered) -> bool:
        """Take a request's answered rows, all or none; returns at once.

        Returns:
            False when they were dropped, because the queue is full or the log closed.
        """
        rows, size = answered.rows, answered.size
        if not rows:
            return True
        with self._state:
            full = (
                self._held_rows + rows > self._max_queue_rows
                or self._held_bytes + size > self._max_queue_bytes
            )
            if full or self._give_up_at is not None:
                self._refused += rows
                return False
            if not self._pending:
                self._pending_since = time.monotonic()
            self._pending.append(answered)
            self._pending_rows += rows
            self._held_rows += rows
            self._held_bytes += size
            self._accepted += rows
            if len(self._pending) == 1 or self._pending_rows >= self._max_rows:
                self._state.notify_all()
            return True

    def flush(self, timeout: float = 30.0) -> bool:
        """Write what was taken so far and wait for it.

        Returns:
            False when the store had not taken it within `timeout` seconds, or when rows that were
            taken are lost, now or before.
        """
        with self._state:
            target = self._accepted
            self._flush_asked = bool(self._pending)
            self._state.notify_all()
            in_time = self._state.wait_for(lambda: self._done >= target, timeout)
            return in_time and not self._lost

    def close(self, timeout: float = 20.0) -> bool:
        """Take no more rows, write what is left, and stop; a second call does nothing.

        Returns:
            False when rows were lost, because the store did not take them within `timeout` seconds
            or because they made no table.
        """
        with self._state:
            if self._give_up_at is None:
                self._give_up_at = time.monotonic() + timeout
            self._state.notify_all()
        self._thread.join(timeout + 2 * _CLOSING_RETRY_S)
        with self._state:
            if self._thread.is_alive() and not self._abandoned:
                self._lost = self._accepted - self._written
                self._abandoned = True
            lost = self._lost
        if lost:
            _logger.error("prediction log: %d rows lost, of which nothing is in the store", lost)
        return not lost

    def _run(self) -> None:
        # Here and not sooner: a server answers before Arrow, which takes half a second, is loaded.
        from components.serving.parts import Partitioner

        self._partitioner = Partitioner(self._model)
        reported = 0
        while taken := self._take():
            self._write(taken)
            with self._state:
                refused = self._refused
            if refused > reported:
                _logger.warning("prediction log: queue full, %d rows dropped so far", refused)
                reported = refused

    def _take(self) -> list[Answered]:
        """Wait until rows are due and take them all; none when the log was closed."""
        with self._state:
            while not self._due() and self._give_up_at is None:
                age = time.monotonic() - self._pending_since
                self._state.wait(self._max_age_s - age if self._pending else None)
            taken, self._pending, self._pending_rows = self._pending, [], 0
            self._flush_asked = False
            return taken

    def _due(self) -> bool:
        return bool(self._pending) and (
            self._flush_asked
            or self._pending_rows >= self._max_rows
            or time.monotonic() - self._pending_since >= self._max_age_s
        )

    def _write(self, taken: Sequence[Answered]) -> None:
        """Write rows, trying again until the store takes them or closing leaves no time."""
        parts = self._encode(taken)
        for delay in itertools.chain(_RETRY_S, itertools.repeat(_LAST_RETRY_S)):
            parts = self._upload(parts)
            if not parts or not self._wait(delay):
                break
        self._settle(lost=sum(part.rows for part in parts))
        with self._state:  # only now is their memory free
            rows = sum(answered.rows for answered in taken)
            self._done += rows
            self._held_rows -= rows
            self._held_bytes -= sum(answered.size for answered in taken)
            self._state.notify_all()

    def _encode(self, taken: Sequence[Answered]) -> list[_File]:
        """Rows as files; a request of which none can be made is counted as lost, and it alone."""
        try:
            return [
                _File(part.name, part.rows, part.encode())
                for part in self._partitioner.parts(taken)
            ]
        except Exception:  # a fault of ours must not end the thread
            if len(taken) > 1:
                middle = len(taken) // 2
                return self._encode(taken[:middle]) + self._encode(taken[middle:])
            rows = taken[0].rows
            _logger.exception("prediction log: %d rows that make no table were dropped", rows)
            self._settle(lost=rows)
            return []

    def _upload(self, parts: Sequence[_File]) -> list[_File]:
        """Write parts side by side; returns those that the store did not take."""
        todo: queue.SimpleQueue[_File] = queue.SimpleQueue()
        for part in parts:
            todo.put(part)
        failed: list[tuple[_File, Exception]] = []

        def work() -> None:
            while not todo.empty():
                try:
                    part = todo.get_nowait()
                except queue.Empty:
                    return
                try:
                    self._store.write(part.name, part.data)
                except Exception as error:  # whatever a store's client raises, the log goes on
                    failed.append((part, error))
                else:
                    self._settle(written=part.rows)

        # Daemons, so that a hanging store cannot keep the process from ending.
        count = min(_WRITERS, len(parts))
        threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            _logger.warning("prediction log: %d parts not written: %s", len(failed), failed[0][1])
        return [part for part, _ in failed]

    def _wait(self, delay: float) -> bool:
        """Wait before the next attempt; False when closing leaves no time for one."""
        with self._state:
            if self._give_up_at is None:
                self._state.wait_for(lambda: self._give_up_at is not None, delay)
            else:
                self._state.wait_for(lambda: False, _CLOSING_RETRY_S)
            return self._give_up_at is None or time.monotonic() < self._give_up_at

    def _settle(self, *, written: int = 0, lost: int = 0) -> None:
        with self._state:
            if not self._abandoned:
                self._written += written
                self._lost += lost
