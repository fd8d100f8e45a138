"""What every request passes through: its id, the answer to a fault of ours, the drain."""

from __future__ import annotations

import json
import logging
import re
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_logger = logging.getLogger(__name__)

HEADER = "x-request-id"
# What may stand in a header and in a log line; anything else gets an id of ours instead.
_CLEAN_ID = re.compile(r"[\x21-\x7e]{1,128}")


def clean_id(text: str | None) -> str | None:
    """The id, if it is one that can be passed on.

    >>> clean_id("order-7"), clean_id("two words"), clean_id("")
    ('order-7', None, None)
    """
    return text if text is not None and _CLEAN_ID.fullmatch(text) else None


class Edge:
    """ASGI middleware around the whole application.

    The request's id is the client's `x-request-id` or a random one; it is in
    `request.state.request_id`, where a handler may replace it, and in the answer's header. While
    `app.state.draining` is set, each answer ends its connection, so that clients go elsewhere.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        given = clean_id(Headers(scope=scope).get(HEADER))
        state["given_id"] = given
        state["request_id"] = given or str(uuid.uuid4())
        started = False

        async def send_marked(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers[HEADER] = state["request_id"]
                if scope["app"].state.draining:
                    headers["connection"] = "close"
            await send(message)

        try:
            await self._app(scope, receive, send_marked)
        except Exception:  # logged, and answered as a 500
            _logger.exception("request %s failed", state["request_id"])
            if started:  # half an answer is out: only ending the connection tells the client
                raise
            await _send_fault(send_marked, state["request_id"])


async def _send_fault(send: Send, request_id: str) -> None:
    body = json.dumps({"error": f"the server failed; its log has request {request_id}"}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body})
