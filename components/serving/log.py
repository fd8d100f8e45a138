"""The prediction log's writer: it never delays an answer, and it counts what it cannot keep.

`put` only remembers rows. One thread makes tables of them, some hundred puts at a time so
that it never holds the interpreter for long, and of these Parquet files: when enough rows have
gathered, when the oldest is old enough, on `flush` and on `close`. Other threads bring the files to
the store (`components.serving.delivery`). A process that is killed outright loses at most the rows
of the last `max_age_s` seconds, plus what a failing store had not taken yet. While the store fails
or hangs, rows are held up to the bound; past it the newest are dropped and counted, so that always
`logged + dropped` = rows answered.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from components.core.errors import StoreError
from components.core.storage import Store
from components.serving.answered import Answered
from components.serving.backlog import CHUNK_REQUESTS, Backlog, Counters, Limits, Taken
from components.serving.delivery import Delivery, File

if TYPE_CHECKING:
    from components.serving.parts import Part, Partitioner
    from components.serving.tables import Packed

_logger = logging.getLogger(__name__)

_CHUNK_ROWS = 4096
_PAUSE_S = 0.001  # between two tables, for the thread that answers
_ENCODING_S = 60.0


class PredictionLog:
    """Writes answered rows to `<store>/<model>/predictions/`, from threads of its own.

    Args:
        store: where to, or its address, which the log's own thread then opens.
        model: the model's name.
        limits: when rows are written, and how many are held.

    Attributes:
        fault: why the store cannot be opened, once that is known.
    """

    def __init__(self, store: Store | str, model: str, limits: Limits | None = None) -> None:
        self.fault: StoreError | None = None
        self._model = model
        self._backlog = Backlog(limits or Limits())
        self._delivery = Delivery(store, self._delivered, self._clean)
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    @property
    def counters(self) -> Counters:
        """What became of the rows so far."""
        return self._backlog.counters

    def prepare(self) -> None:
        """Load what writing takes, in the background; without this the first row has it loaded."""
        self._backlog.want()

    def put(self, answered: Answered) -> bool:
        """Take rows that were answered together, all or none; returns at once.

        Returns:
            False when they were dropped, because the queue is full or the log closed.
        """
        return self._backlog.put(answered)

    def flush(self, timeout: float = 30.0) -> bool:
        """Write what was taken so far and wait for it.

        Returns:
            False when the store had not taken it within `timeout` seconds, or when rows that were
            taken are lost, now or before.
        """
        return self._backlog.flushed(timeout)

    def close(self, timeout: float = 20.0) -> bool:
        """Take no more rows, write what is left, and stop; a second call does nothing.

        Returns:
            False when rows were lost, because the store did not take them within `timeout` seconds
            or because they made no table.
        """
        self._backlog.close()
        self._thread.join(max(_ENCODING_S, timeout))
        self._delivery.close(timeout)
        lost = self._backlog.settle()
        if lost:
            _logger.error("prediction log: %d rows lost, of which nothing is in the store", lost)
        return not lost

    def _run(self) -> None:
        if not self._backlog.wanted():
            return
        # Here and not sooner: a server answers before Arrow, which takes half a second, is loaded.
        from components.serving.parts import Partitioner

        partitioner = Partitioner(self._model)
        try:
            self._delivery.open()
        except StoreError as error:
            self.fault = error
            _logger.error("prediction log: %s", error)
        gc.freeze()  # Arrow stays loaded: collections need not walk through it
        packed: list[Packed] = []
        ended = False
        while not ended:
            taken = self._backlog.take()
            packed += self._pack(taken)
            if taken.flush is not None:
                # At the end there is better to do than to merge; what is fresh is enough.
                self._send(partitioner, packed, taken.flush, further=not taken.is_last)
                packed = []
            ended = taken.is_last

    def _pack(self, taken: Taken) -> list[Packed]:
        """Requests as tables, which hold the same in a fifth of the memory."""
        packed: list[Packed] = []
        for requests in _chunks(taken.requests):
            if packed:
                time.sleep(_PAUSE_S)
            packed += self._packed(requests)
        self._backlog.packed(taken, sum(each.size for each in packed))
        return packed

    def _packed(self, requests: Sequence[Answered]) -> list[Packed]:
        """A request of which no table can be made is counted as lost, and it alone."""
        from components.serving.tables import pack

        try:
            return list(pack(requests))
        except Exception:  # a fault of ours must not end the thread
            if len(requests) > 1:
                middle = len(requests) // 2
                return self._packed(requests[:middle]) + self._packed(requests[middle:])
            self._lose(requests[0].rows)
            return []

    def _send(
        self, partitioner: Partitioner, packed: Sequence[Packed], flush: int, *, further: bool
    ) -> None:
        """Make files of tables, and let them be delivered."""
        left = sum(each.rows for each in packed)
        try:
            for part in partitioner.parts(packed, further=further):
                self._send_part(partitioner, part, flush)
                left -= part.fresh
        except Exception:  # as above
            self._lose(left)
        self._backlog.sent(flush, sum(each.size for each in packed))

    def _send_part(self, partitioner: Partitioner, part: Part, flush: int) -> None:
        try:
            data = part.encode()
        except Exception:  # as above
            if part.fresh > 1:
                for half in partitioner.halves(part):
                    self._send_part(partitioner, half, flush)
            else:
                self._lose(part.fresh)
            return
        self._backlog.filed(flush, len(data))
        self._delivery.add(File(part.name, data, part.fresh, flush, part.replaced, part.arrived))

    def _lose(self, rows: int) -> None:
        _logger.exception("prediction log: %d rows that make no table were dropped", rows)
        self._backlog.lose(rows)

    def _clean(self, store: Store) -> None:
        from components.serving.leftovers import remove_leftovers

        remove_leftovers(store, self._model)

    def _delivered(self, file: File) -> None:
        self._backlog.delivered(file.flush, file.rows, len(file.data))


def _chunks(requests: Sequence[Answered]) -> Iterator[Sequence[Answered]]:
    """As many at a time as become a table in about a millisecond."""
    start = rows = 0
    for place, answered in enumerate(requests):
        if rows >= _CHUNK_ROWS or place - start >= CHUNK_REQUESTS:
            yield requests[start:place]
            start, rows = place, 0
        rows += answered.rows
    if requests:
        yield requests[start:]
