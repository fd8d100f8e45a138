"""A request and its reply, as they pass between the network and what answers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from components.serving.answered import Answered
from components.serving.codec import to_json
from components.serving.domain import NOTHING, Strange
from components.serving.refusal import RequestError
from components.serving.served import Kind

_logger = logging.getLogger(__name__)

Headers = Mapping[bytes, bytes]


@dataclass(slots=True)
class Reply:
    """The answer to one request, and what is to be remembered of it.

    `headers` come on top of type, length and request id; `problem` says why a request was refused,
    which has no `rows`. `cells` is for the metrics and `answered` for the prediction log, where
    there are such; of requests that were answered as one the last holds the rows of all.
    """

    kind: Kind
    release: str
    request_id: str
    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    problem: str = ""
    rows: int = 0
    cells: Mapping[str, int] | None = None
    strange: Strange = NOTHING
    answered: Answered | None = None


@dataclass(slots=True)
class Ask:
    """A request that wants its answer.

    Attributes:
        kind: what it asks for.
        headers: by lower-case name.
        body: all of it, as it was sent.
        release: the only one that may answer, where the client named one.
    """

    kind: Kind
    headers: Headers
    body: bytes
    release: str | None = None


def fault(request_id: str) -> bytes:
    """What a client is told of a fault of ours."""
    return to_json({"error": f"the server failed; its log has request {request_id}"})


def fail(reply: Reply, error: Exception) -> None:
    """Turn what a request comes to grief on into its reply."""
    if isinstance(error, RequestError):
        refuse(reply, error)
        return
    told = {"request_id": reply.request_id}
    _logger.error("request failed", exc_info=error, extra=told)
    reply.status, reply.body = 500, fault(reply.request_id)
    reply.headers, reply.rows, reply.cells, reply.answered = (), 0, None, None


def refuse(reply: Reply, error: RequestError) -> None:
    """Turn a refusal into the reply."""
    reply.status, reply.problem = error.status, str(error)
    reply.body = to_json({"error": reply.problem})
    if error.status == 401:
        reply.headers = ((b"www-authenticate", b"Bearer"),)
    elif error.status == 503:
        reply.headers = ((b"retry-after", b"1"),)
