"""uvicorn's HTTP protocol with a short way for the requests that matter.

A small `POST` to one of the model's paths is answered in the turn of the event loop in which its
last byte arrives, without an ASGI task around it: that takes more time than everything else of such
a request. All others, and these too where anything is unusual about them, take uvicorn's own way to
the application, which answers the same. It builds on internals of uvicorn's httptools protocol, so
uvicorn is pinned.

Clients send the same head with each request over a connection, but for the length of the body: a
head that was parsed before, by this or another connection, is not parsed again. And requests that
arrived by one turn of the event loop are answered together (`together`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from components.serving.answering import Answering
from components.serving.exchange import Ask, Reply
from components.serving.heads import Head, Heads
from components.serving.refusal import RequestError
from components.serving.served import Kind
from components.serving.serving import Serving
from components.serving.together import Together

SMALL_BODY = 64 * 1024
"""Larger bodies are answered in a thread, so that the event loop goes on meanwhile."""

BODY_S = 30.0
"""A request that has not arrived after that long is given up."""

_LARGEST_HEAD = 64 * 1024


def direct_protocol(serving: Serving, answering: Answering) -> type[HttpToolsProtocol]:
    """The protocol class for uvicorn that serves one application."""
    own = {
        "_serving": serving,
        "_answering": answering,
        "_together": Together(answering),
        "_heads": Heads(),
    }
    return type("DirectProtocol", (_DirectProtocol,), own)


class _DirectProtocol(HttpToolsProtocol):
    _serving: Serving
    _answering: Answering
    _together: Together
    _heads: Heads

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._open = False  # a request has begun to arrive, and is not there in full
        self._head_bytes = -1  # of a head that is arriving
        self._ended = False  # one was there in full with the bytes that were received last
        self._kind: Kind | None = None  # of a request that is answered here, while it arrives
        self._release: str | None = None  # that it asks for by name
        self._asked: Ask | None = None  # a request that is there, and is not answered yet
        self._given: Mapping[bytes, bytes] = {}
        self._body = b""
        self._began = 0.0
        self._rested = 0.0
        self._last = False  # close the connection after this request

    def connection_made(self, transport: Any) -> None:
        """A connection that never asks for anything is closed like an idle one."""
        super().connection_made(transport)
        self._rest(time.perf_counter())

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a request that did not arrive in full."""
        self._unset_keepalive_if_required()
        self._drop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; one that is only half there has to go on arriving."""
        between = not self._open and self._asked is None
        if between and self._take_known(data):
            return
        self._ended = False
        super().data_received(data)
        if self._open:
            if self._kind is not None or self._head_bytes >= 0:
                # Of bytes that end one request and begin another it is open how many are whose.
                self._hurry(0 if self._ended else len(data))
        elif between and self._asked is not None and not self._last:
            self._heads.remember(data, Head(self.url, self._given, len(self._asked.body)))
        elif self.timeout_keep_alive_task is None and not self._is_busy():
            self._rest(time.perf_counter())  # these bytes were no request

    def on_message_begin(self) -> None:
        """A request's first byte is there."""
        if self._asked is not None:  # answers leave in the order of their requests
            self._together.flush()
        super().on_message_begin()
        self._began = time.perf_counter()
        self._open, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Choose the way."""
        self._head_bytes = -1
        self._given = dict(self.headers)
        if self._is_direct() and self._begin(self.url):
            self._last = not self.parser.should_keep_alive()
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Collect."""
        if self._kind is None:
            super().on_body(body)
        else:
            self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        """Ask."""
        self._open, self._ended = False, True
        if self._kind is None:
            super().on_message_complete()
        else:
            self._ask(self._body)

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection, if it rested that long: requests do not set the timer anew."""
        rested = time.perf_counter() if self._is_busy() else self._rested
        left = rested + self.timeout_keep_alive - time.perf_counter()
        if left <= 0:
            super().timeout_keep_alive_handler()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(
                left, self.timeout_keep_alive_handler
            )

    def shutdown(self) -> None:
        """Close the connection, a request that is arriving once it is answered."""
        if self._kind is None:
            super().shutdown()
        else:
            self._last = True

    def _take_known(self, data: bytes) -> bool:
        """Take a whole request whose head is known; false where it goes the usual way."""
        head = self._heads.find(data)
        if head is None or not self._is_free():
            return False
        self._began = time.perf_counter()
        self._given = head.given
        if not self._begin(head.url):
            return False
        self._ask(data[-head.length :])
        return True

    def _is_busy(self) -> bool:
        """Whether there is a request that has no answer yet."""
        working = self.cycle is not None and not self.cycle.response_complete
        return self._open or self._kind is not None or working or bool(self.pipeline)

    def _is_direct(self) -> bool:
        parser, given = self.parser, self._given
        length = given.get(b"content-length")
        return (
            length is not None
            and len(length) <= 6
            and 0 < int(length) <= min(SMALL_BODY, self._serving.max_body_bytes)
            and parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and b"content-encoding" not in given
            and b"transfer-encoding" not in given
            and not self.expect_100_continue
            and not parser.should_upgrade()
            and self._is_free()
        )

    def _is_free(self) -> bool:
        """Whether a request may be answered at once."""
        return (
            # Answers leave in the order of their requests, and a slow reader is waited for.
            (self.cycle is None or self.cycle.response_complete)
            and not self.pipeline
            and not self.flow.write_paused
            and not self._serving.is_full
            and not self.transport.is_closing()
        )

    def _begin(self, url: bytes) -> bool:
        """Take a request, if its path is one of the model's."""
        served = self._serving.served
        kind = served.routes.get(url)
        if kind is None:
            return False
        self._kind = kind
        self._release = served.release if b"/versions/" in url else None
        self._body = b""
        self._serving.in_flight += 1
        return True

    def _ask(self, body: bytes) -> None:
        assert self._kind is not None  # noqa: S101 # it has begun
        self._asked = Ask(self._kind, self._given, body, self._release)
        self._together.ask(self._asked, (self._answered, self._began), self.loop)

    def _answered(self, reply: Reply) -> None:
        if self._asked is None:  # the client went away meanwhile
            return
        self._drop()
        try:
            self._send(reply)
        except BaseException:
            self.transport.abort()
            raise
        self._rested = time.perf_counter()

    def _send(self, reply: Reply) -> None:
        close = self._last or self._serving.draining
        head = [STATUS_LINE[reply.status]]
        for name, value in (*self.server_state.default_headers, *reply.headers):
            head += [name, b": ", value, b"\r\n"]
        head.append(
            b"content-type: application/json\r\nx-request-id: %b\r\ncontent-length: %d\r\n%b\r\n"
            % (
                reply.request_id.encode("latin-1"),
                len(reply.body),
                b"connection: close\r\n" if close else b"",
            )
        )
        head.append(reply.body)
        self.transport.write(b"".join(head))
        self.server_state.total_requests += 1
        if close:
            self.transport.close()
        elif self.timeout_keep_alive_task is None:
            self._rest(time.perf_counter())

    def _rest(self, now: float) -> None:
        """Wait for the next request, not for ever."""
        self._rested = now
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _hurry(self, received: int) -> None:
        """Bound the size of a head, and the time that a head or a body takes."""
        if self.transport.is_closing():
            return
        if self._head_bytes >= 0:
            self._head_bytes += received
            if self._head_bytes > _LARGEST_HEAD:
                self._give_up(RequestError("the request's head is too large", 431))
                return
        left = self._began + BODY_S - time.perf_counter()
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(max(left, 0.0), self._too_slow)

    def _too_slow(self) -> None:
        self._give_up(RequestError(f"the request did not arrive within {BODY_S:g} s", 408))

    def _give_up(self, error: RequestError) -> None:
        if self.transport.is_closing():
            return
        kind, began = self._kind, self._began
        reply = self._answering.refuse(kind or "predict", self._given if kind else {}, error)
        self._drop()
        self._last = True
        self._send(reply)
        if kind is not None:
            self._answering.settle(reply, time.perf_counter() - began)

    def _drop(self) -> None:
        """The request that was arriving, or is to be answered, no longer is."""
        self._asked = None
        if self._kind is not None:
            self._serving.in_flight -= 1
            self._kind = None
