"""The endpoint that Alertmanager or a CI job calls, and its process."""

from __future__ import annotations

import hmac
import logging
import re
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from components.core.errors import DriftlineError, ServingError, UsageError
from components.decision.asked import Asked, Outcome
from components.serving.options import read_token
from pipelines.scheduling.asking import Reader, parse_json
from pipelines.scheduling.carrying_out import Desk

_logger = logging.getLogger(__name__)

LARGEST_BODY = 1 << 20
_GRACE_S = 10
# What a request can ask for is called so: nothing else is looked for in the store.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
Endpoint = Callable[[Request], Awaitable[JSONResponse]]


class _RefusedError(Exception):
    """A request that is answered with a status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True)
class Trigger:
    """Answers requests: takes the runs they ask for, and tells what became of them.

    The token is read anew with each request, so that one that is renewed in its file counts.
    """

    desk: Desk
    reader: Reader
    token_file: Path | None = None

    def app(self) -> Starlette:
        """The application; within its life the desk carries out what it takes."""

        @asynccontextmanager
        async def life(_app: Starlette) -> AsyncIterator[None]:
            self.desk.start()
            yield
            await run_in_threadpool(self.desk.stop)

        routes = [
            Route("/alertmanager", self._answering(self._alerts), methods=["POST"]),
            Route("/run", self._answering(self._wish), methods=["POST"]),
            Route("/run/{name}", self._answering(self._tell), methods=["GET"]),
            Route("/healthz", self._healthy, methods=["GET"]),
        ]
        return Starlette(routes=routes, lifespan=life)

    async def _alerts(self, request: Request) -> tuple[int, Any]:
        content = parse_json(await _body(request))
        wanted = self.reader.alerts(content, datetime.now(UTC))
        answers = [await run_in_threadpool(self._take, asked) for asked in wanted]
        # To whatever is not new, Alertmanager is to be told that all is well: it would ask again.
        return (202 if any(new for new, _ in answers) else 200), {
            "runs": [answer for _, answer in answers]
        }

    async def _wish(self, request: Request) -> tuple[int, Any]:
        content = parse_json(await _body(request))
        key = request.headers.get("idempotency-key", "")
        new, answer = await run_in_threadpool(
            self._take, self.reader.wish(content, key, datetime.now(UTC))
        )
        return (202 if new else 200), answer

    async def _tell(self, request: Request) -> tuple[int, Any]:
        name = request.path_params["name"]
        known = _NAME.fullmatch(name)
        asked = await run_in_threadpool(self.desk.asked.read, name) if known else None
        if asked is None:
            raise _RefusedError(404, f"nobody asked for a run {name!r} here")
        outcome = await run_in_threadpool(self.desk.asked.outcome, name)
        return 200, _document(asked, outcome)

    async def _healthy(self, _request: Request) -> JSONResponse:
        if self.desk.is_alive:
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "nothing is carried out any more"}, status_code=503)

    def _take(self, asked: Asked) -> tuple[bool, dict[str, Any]]:
        new, first, outcome = self.desk.take(asked)
        if first.content != asked.content:
            raise _RefusedError(
                409,
                f"this Idempotency-Key was used for another request, at {first.at}; take a new one",
            )
        return new, {"new": new, **_document(first, outcome)}

    def _answering(self, answer: Callable[[Request], Awaitable[tuple[int, Any]]]) -> Endpoint:
        async def endpoint(request: Request) -> JSONResponse:
            try:
                self._authorise(request)
                status, content = await answer(request)
            except _RefusedError as refused:
                status, content = refused.status, {"error": str(refused)}
            except UsageError as error:
                status, content = 400, {"error": str(error)}
            except DriftlineError as error:  # the store, mostly: the caller is to come again
                _logger.warning("%s", error)
                status, content = 503, {"error": str(error)}
            except ClientDisconnect:
                status, content = 400, {"error": "the request was not sent to its end"}
            headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
            return JSONResponse(content, status_code=status, headers=headers)

        return endpoint

    def _authorise(self, request: Request) -> None:
        if self.token_file is None:
            if "origin" in request.headers:  # any page in a browser here could send one
                raise _RefusedError(403, "without a --token-file, no browser may ask")
            return
        try:
            token = read_token(self.token_file)
        except ServingError as error:
            _logger.warning("%s", error)
            raise _RefusedError(503, "the token cannot be read; see the log") from None
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, b"Bearer " + token):
            raise _RefusedError(401, "send the token as Authorization: Bearer")


async def _body(request: Request) -> bytes:
    """The body, as long as it is not too large: what it says of its size need not be true."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_BODY:
            raise _RefusedError(413, f"the body is larger than {LARGEST_BODY:,} bytes")
    return bytes(body)


def _document(asked: Asked, outcome: Outcome | None) -> dict[str, Any]:
    return {
        "run": asked.run,
        "pipeline": asked.pipeline,
        "window": f"{asked.start}..{asked.end}",
        "reason": asked.reason,
        "state": outcome.state if outcome else "accepted",
        "sentence": outcome.sentence if outcome else "",
    }


def serve(trigger: Trigger, host: str, port: int, stop: Callable[[], None]) -> None:
    """Answer until a signal ends it; what was taken and not begun is carried out at the next start.

    Args:
        trigger: what answers.
        host: the address to listen on.
        port: the port; 0 takes a free one.
        stop: ends the run in progress.

    Raises:
        UsageError: when it listens beyond this machine and has no token.
        ServingError: when the port is taken.
    """
    if trigger.token_file is None and host not in ("127.0.0.1", "localhost", "::1"):
        raise UsageError(
            f"on {host} anybody who reaches this machine could start runs; give a --token-file"
        )
    if trigger.token_file is not None:
        read_token(trigger.token_file)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
    except (OSError, OverflowError, UnicodeError) as error:
        raise ServingError(
            f"cannot listen on {host}:{port}: {error}; choose another with --port or --host"
        ) from None
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listener.getsockname()[1]}"
    server = _Server(
        uvicorn.Config(
            trigger.app(),
            log_level="warning",
            timeout_graceful_shutdown=_GRACE_S,
            lifespan="on",
            ws="none",
        ),
        stop,
    )
    sys.stdout.write(f"driftline: runs of {trigger.desk.spec.model} are started by {address}\n")
    sys.stdout.flush()
    with listener, _ended_well():
        server.run(sockets=[listener])


@contextmanager
def _ended_well() -> Iterator[None]:
    """SIGTERM ends the block in order: uvicorn raises it once more when all is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Server(uvicorn.Server):
    """Ends the run in progress along with itself."""

    def __init__(self, config: uvicorn.Config, stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop = stop

    def handle_exit(self, sig: int, frame: Any) -> None:
        """The first signal drains; the run in progress is ended at once."""
        self._stop()
        super().handle_exit(sig, frame)
