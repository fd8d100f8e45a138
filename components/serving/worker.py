"""uvicorn, ended the way that loses no request and no logged row."""

from __future__ import annotations

import logging
import signal
import socket
import time
from collections.abc import Callable
from types import FrameType

import uvicorn

from components.serving.app import App
from components.serving.log import PredictionLog
from components.serving.protocol import direct_protocol

_logger = logging.getLogger(__name__)

# Longer than common clients and proxies keep an idle connection, so that they close it, not we.
_KEEP_ALIVE_S = 75
_FINISH_S = 10


class Worker(uvicorn.Server):
    """Runs the application on a listening socket until a signal.

    uvicorn's own handler raises the signal again after the shutdown, which would end the process
    with that signal's code; here the signal only asks for the end.

    Args:
        app: made by `make_app`.
        log: closed when the last request was answered.
        started: called once, when requests are answered.
        drain_s: how long to go on answering after the first signal.
        log_patience_s: how long closing the log may take.
    """

    def __init__(
        self,
        app: App,
        log: PredictionLog | None,
        started: Callable[[], None],
        drain_s: float = 0.0,
        log_patience_s: float = 20.0,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=direct_protocol(app.state, app.answering),
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                lifespan="off",
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=_FINISH_S,
            )
        )
        self._app = app
        self._log = log
        self._started = started
        self._drain_s = drain_s
        self._log_patience_s = log_patience_s
        self._end_at: float | None = None
        self._told = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; a second signal ends the drain."""
        del sig, frame
        now = time.monotonic()
        self._end_at = now + self._drain_s if self._end_at is None else now
        self._app.state.draining = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if self.started:
            self._started()

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second; true ends the main loop."""
        if (
            self._end_at is not None and not self._told
        ):  # not in the handler: it may interrupt a log
            self._told = True
            _logger.info("draining", extra={"seconds": self._drain_s})
        if self._log is not None and self._log.fault is not None and self._end_at is None:
            self.handle_exit(signal.SIGTERM, None)  # nothing of what is answered would be logged
        ended = self._end_at is not None and time.monotonic() >= self._end_at
        return await super().on_tick(counter) or ended

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish the requests, then write the log while signals are still caught."""
        await super().shutdown(sockets)
        if self._log is not None:
            self._log.close(self._log_patience_s)
        self._app.threads.shutdown()
        _logger.info("ended", extra={"requests": self.server_state.total_requests})
