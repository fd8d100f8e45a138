"""Requests that arrived by one turn of the event loop are answered together.

Nothing is waited for: the first request of a turn asks to be answered at its end, when all sockets
that had something to read were read. One that is alone is answered as soon as ever; of many the sum
of work becomes smaller. Where rows cannot be answered, those beside them wait for a few more calls.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from components.serving.answering import Answering
from components.serving.exchange import Ask, Reply

# So much is answered at a time, so that the first answers need not wait for all.
_BATCH_BYTES = 64 * 1024

_logger = logging.getLogger(__name__)

Taker = tuple[Callable[[Reply], None], float]
"""Who takes an answer, and when its request's first byte came, by `time.perf_counter`."""


class Together:
    """Collects the requests of a turn."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._asks: list[Ask] = []
        self._takers: list[Taker] = []
        self._size = 0

    def ask(self, ask: Ask, taker: Taker, loop: asyncio.AbstractEventLoop) -> None:
        """Answer a request by the end of this turn."""
        self._asks.append(ask)
        self._takers.append(taker)
        self._size += len(ask.body)
        if self._size >= _BATCH_BYTES:
            self.flush()
        elif len(self._asks) == 1:
            loop.call_soon(self.flush)

    def flush(self) -> None:
        """Answer now what is there."""
        asks, takers = self._asks, self._takers
        self._asks, self._takers, self._size = [], [], 0
        if asks:
            for (take, began), reply in zip(takers, self._answering.answer_all(asks), strict=True):
                try:
                    take(reply)
                    self._answering.settle(reply, time.perf_counter() - began)
                except Exception:  # the others still want their answers
                    _logger.exception("request failed", extra={"request_id": reply.request_id})
