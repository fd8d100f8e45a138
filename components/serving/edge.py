"""What every request to the application passes through: id, faults of ours, counts, the drain."""

from __future__ import annotations

import logging
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.serving.exchange import fault
from components.serving.ids import clean_id
from components.serving.metrics import Endpoint
from components.serving.serving import Serving

_logger = logging.getLogger(__name__)

HEADER = "x-request-id"


class Edge:
    """ASGI middleware around the whole application.

    The request's id is the client's `x-request-id` or one of ours; it is in
    `request.state.request_id`, where a handler may replace it, and in the answer's header. Requests
    are counted here, but for those that a handler counted and called `settled`. While
    `app.state.draining` is set, each answer ends its connection, so that clients go elsewhere.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        serving: Serving = scope["app"].state
        state = scope.setdefault("state", {})
        state["request_id"] = clean_id(Headers(scope=scope).get(HEADER)) or serving.ids.next()
        state["began"] = began
        status = 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[HEADER] = state["request_id"]
                if serving.draining:
                    headers["connection"] = "close"
            await send(message)

        try:
            await self._app(scope, receive, send_marked)
        except Exception:  # logged, and answered as a 500
            _logger.exception("request failed", extra={"request_id": state["request_id"]})
            if status:  # half an answer is out: only ending the connection tells the client
                raise
            await _send_fault(send_marked, state["request_id"])
        if serving.counting and not state.get("settled"):
            counts = serving.metrics.of(serving.served.release)
            counts.request(endpoint_of(scope["path"]), status, time.perf_counter() - began)


def endpoint_of(path: str) -> Endpoint:
    """What a path is counted as.

    >>> [endpoint_of(path) for path in ("/predict", "/v2/models/m/infer", "/v2/models/m/ready")]
    ['predict', 'infer', 'health']
    >>> [endpoint_of(path) for path in ("/v2/models/m", "/metrics", "/docs", "/favicon.ico")]
    ['metadata', 'metrics', 'docs', 'other']
    """
    if path == "/predict":
        return "predict"
    if path == "/metrics":
        return "metrics"
    if path == "/openapi.json" or path.startswith("/docs"):
        return "docs"
    if path.startswith("/v2/health/") or (path.startswith("/v2/") and path.endswith("/ready")):
        return "health"
    if path.startswith("/v2/models/"):
        return "infer" if path.endswith("/infer") else "metadata"
    return "metadata" if path in ("/v2", "/v2/models") else "other"


async def _send_fault(send: Send, request_id: str) -> None:
    body = fault(request_id)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body})
