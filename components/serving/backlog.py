"""The prediction log's rows on their way to the store: bounded, counted, and due at a time."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field

from components.serving.answered import Answered

_logger = logging.getLogger(__name__)

# Tables are made of about that much at a time: so often that none takes long, and so seldom that
# the writer's turns cost the thread that answers little.
CHUNK_REQUESTS = 512
_CHUNK_BYTES = 2**20
_TELL_S = 10.0


@dataclass(frozen=True)
class Counters:
    """Rows so far: `logged` were taken and not lost, of these `written` are in the store.

    `queued_rows` of them, which take `queued_bytes`, are held in memory now.
    """

    logged: int
    dropped: int
    written: int
    queued_rows: int = 0
    queued_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When rows are written, and how many are held.

    Attributes:
        rows: write as soon as that many rows have gathered.
        bytes: or as soon as they take that many bytes.
        age_s: a row is in the store that many seconds later, unless the store fails.
        held_rows: the most rows held in memory, those being written included.
        held_bytes: the most bytes held in memory, about.
    """

    rows: int = 20_000
    bytes: int = 16 * 2**20
    age_s: float = 60.0
    held_rows: int = 1_000_000
    held_bytes: int = 256 * 2**20


@dataclass(frozen=True)
class Taken:
    """Requests for the writer, and the number of the flush that ends with them, if one does."""

    requests: list[Answered]
    bytes: int
    flush: int | None
    is_last: bool


@dataclass
class _Flushes:
    """Which flushes began, and how much of each is on its way."""

    next: int = 0
    last_took_s: float = 0.0
    _under_way: dict[int, int] = field(default_factory=dict)
    _began: dict[int, float] = field(default_factory=dict)

    def begin(self) -> int:
        number, self.next = self.next, self.next + 1
        self._under_way[number], self._began[number] = 1, time.monotonic()
        return number

    def add(self, number: int) -> None:
        self._under_way[number] += 1

    def settle(self, number: int) -> None:
        self._under_way[number] -= 1
        if not self._under_way[number]:
            del self._under_way[number]
            self.last_took_s = time.monotonic() - self._began.pop(number)

    def are_done(self, last: int) -> bool:
        return self.next > last and all(number > last for number in self._under_way)


class Backlog:
    """Takes requests from the server, hands them to the writer, and counts what becomes of rows."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._chunk_bytes = min(_CHUNK_BYTES, limits.held_bytes // 8)
        self._lock = threading.Lock()
        self._state = threading.Condition(self._lock)
        self._requests: list[Answered] = []  # not in a table yet
        self._bytes = 0
        self._unsent_rows = self._table_bytes = 0  # in no file yet
        self._unsent_since = 0.0
        self._held_rows = self._held_bytes = 0
        self._accepted = self._refused = self._lost = self._written = 0
        self._untold, self._told_at = False, float("-inf")
        self._flushes = _Flushes()
        self._is_wanted = self._flush_asked = self._is_closing = self._is_closed = False

    @property
    def counters(self) -> Counters:
        """What became of the rows so far."""
        with self._state:
            return Counters(
                logged=self._accepted - self._lost,
                dropped=self._refused + self._lost,
                written=self._written,
                queued_rows=self._held_rows,
                queued_bytes=self._held_bytes,
            )

    def put(self, answered: Answered) -> bool:
        """Take rows that were answered together, all or none; false when they were dropped."""
        rows, size = len(answered.row_ids), answered.size
        if not rows:
            return True
        limits = self._limits
        with self._lock:  # which takes less than to enter the condition
            held_rows, held_bytes = self._held_rows + rows, self._held_bytes + size
            if held_rows > limits.held_rows or held_bytes > limits.held_bytes or self._is_closing:
                self._refuse(rows)
                return False
            self._requests.append(answered)
            self._bytes += size
            self._held_rows, self._held_bytes = held_rows, held_bytes
            self._accepted += rows
            unsent = self._unsent_rows = self._unsent_rows + rows
            if unsent == rows:
                self._unsent_since = time.monotonic()
                self._state.notify_all()
            elif (
                len(self._requests) >= CHUNK_REQUESTS
                or self._bytes >= self._chunk_bytes
                or unsent >= limits.rows
            ):
                self._state.notify_all()
            return True

    def wanted(self) -> bool:
        """Wait until there is something, or somebody wants the writer ready; false at the end."""
        with self._state:
            self._state.wait_for(lambda: self._requests or self._is_wanted or self._is_closing)
            return bool(self._requests) or not self._is_closing

    def want(self) -> None:
        """Let the writer get ready."""
        with self._state:
            self._is_wanted = True
            self._state.notify_all()

    def take(self) -> Taken:
        """Wait until there are enough requests for a table, or rows are due; take all there are."""
        with self._state:
            while not (self._is_closing or self._is_due() or self._is_chunk()):
                self._state.wait(self._patience())
                self._tell()
            requests, size = self._requests, self._bytes
            self._requests, self._bytes = [], 0
            flush = None
            if self._is_closing or self._is_due():
                flush = self._flushes.begin()
                self._unsent_rows = self._table_bytes = 0
                self._flush_asked = False
            return Taken(requests, size, flush, self._is_closing)

    def packed(self, taken: Taken, size: int) -> None:
        """What was taken has become tables of that many bytes."""
        with self._state:
            self._held_bytes += size - taken.bytes
            if taken.flush is None:
                self._table_bytes += size

    def filed(self, flush: int, size: int) -> None:
        """A file of that many bytes is on its way to the store."""
        with self._state:
            self._held_bytes += size
            self._flushes.add(flush)

    def sent(self, flush: int, size: int) -> None:
        """All files of a flush are on their way; its tables took that many bytes."""
        with self._state:
            self._held_bytes -= size
            self._settle(flush)

    def delivered(self, flush: int, rows: int, size: int) -> None:
        """A file of that many bytes is in the store, with so many rows that were not there yet."""
        with self._state:
            self._held_rows -= rows
            self._held_bytes -= size
            if not self._is_closed:
                self._written += rows
            self._settle(flush)

    def lose(self, rows: int) -> None:
        """Of so many rows there will be no file."""
        with self._state:
            self._lost += rows
            self._held_rows -= rows

    def flushed(self, timeout: float) -> bool:
        """Let all rows taken so far be written; false when they are not, in so many seconds."""
        with self._state:
            last = self._flushes.next if self._unsent_rows else self._flushes.next - 1
            self._flush_asked = bool(self._unsent_rows)
            self._state.notify_all()
            in_time = self._state.wait_for(lambda: self._flushes.are_done(last), timeout)
            return in_time and not self._lost

    def close(self) -> None:
        """Take no more rows."""
        with self._state:
            self._is_closing = True
            self._state.notify_all()

    def settle(self) -> int:
        """Count what is not in the store by now as lost; returns how many rows that is."""
        with self._state:
            if not self._is_closed:
                self._is_closed = True
                self._lost = self._accepted - self._written
            return self._lost

    def _settle(self, flush: int) -> None:
        self._flushes.settle(flush)
        self._state.notify_all()

    def _refuse(self, rows: int) -> None:
        self._refused += rows
        if not self._untold:
            self._untold = True
            self._state.notify_all()

    def _is_chunk(self) -> bool:
        return len(self._requests) >= CHUNK_REQUESTS or self._bytes >= self._chunk_bytes

    def _is_due(self) -> bool:
        return bool(self._unsent_rows) and (
            self._flush_asked
            or self._unsent_rows >= self._limits.rows
            or self._table_bytes >= self._limits.bytes
            or time.monotonic() >= self._due_at()
        )

    def _due_at(self) -> float:
        """When the oldest row has to leave, so that it arrives in time."""
        age_s = self._limits.age_s
        return self._unsent_since + age_s - min(self._flushes.last_took_s, age_s / 2)

    def _patience(self) -> float | None:
        """How long the writer may wait if nothing comes."""
        ends = [self._due_at()] if self._unsent_rows else []
        if self._untold:
            ends.append(self._told_at + _TELL_S)
        return max(min(ends) - time.monotonic(), 0.0) if ends else None

    def _tell(self) -> None:
        if self._untold and time.monotonic() >= self._told_at + _TELL_S:
            self._untold, self._told_at = False, time.monotonic()
            _logger.warning("prediction log: queue full, %d rows dropped so far", self._refused)
