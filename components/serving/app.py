"""The HTTP surface: health, the Open Inference Protocol v2, `POST /predict`, metrics and pages.

Whatever a request asks of the model is answered by `Answering`; here are the paths, and how a body
gets from the network to it. What cannot be answered gets a 4xx with `{"error": sentence}`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from components.serving.answering import Answering
from components.serving.codec import to_json
from components.serving.edge import Edge
from components.serving.exchange import Ask, Reply
from components.serving.metrics import CONTENT_TYPE
from components.serving.outputs import matrix_of, metadata
from components.serving.pages import PAGES
from components.serving.protocol import BODY_S, SMALL_BODY
from components.serving.refusal import RequestError
from components.serving.served import Kind, ServedModel
from components.serving.serving import MAX_BODY_BYTES, Serving

if TYPE_CHECKING:
    from components.serving.log import PredictionLog

# A client hears of its refusal only if it may finish sending, up to that many bodies' worth.
_PATIENCE = 4


class App(Starlette):
    """The application that serves one model; `state` is its `Serving`, `answering` its core."""

    state: Serving  # type: ignore[assignment] # ours has types
    answering: Answering
    threads: ThreadPoolExecutor


def make_app(
    model: ServedModel,
    log: PredictionLog | None = None,
    *,
    max_body_bytes: int = MAX_BODY_BYTES,
    token: bytes | None = None,
    access_log: bool = False,
    counting: bool = True,
) -> App:
    """Make the application that serves one model.

    Args:
        model: what answers; another takes over by `app.state.switch`.
        log: where answered rows are logged, or None.
        max_body_bytes: larger bodies are refused with 413.
        token: what `/predict` and `/infer` demand as `Authorization: Bearer`, or None.
        access_log: whether each request is logged.
        counting: whether there are metrics.
    """
    one = "/v2/models/{name}"
    routes = [
        Route("/v2", _server),
        Route("/v2/models", _models),
        Route("/v2/health/live", _live),
        Route("/v2/health/ready", _ready),
        Route("/predict", _predict, methods=["POST"]),
        Route("/metrics", _metrics),
        Route("/metrics/ago/{seconds:int}", _metrics),
        *PAGES,
    ]
    for prefix in (one, one + "/versions/{version}"):
        routes += [
            Route(prefix, _metadata),
            Route(f"{prefix}/ready", _ready),
            Route(f"{prefix}/infer", _infer, methods=["POST"]),
        ]
    app = App(
        routes=routes,
        middleware=[Middleware(Edge)],
        exception_handlers={
            RequestError: _refused,
            HTTPException: _not_here,
            ClientDisconnect: _gone,
        },
    )
    app.state = Serving(
        model, log, max_body_bytes, token=token, access_log=access_log, counting=counting
    )
    app.answering = Answering(app.state)
    # One: two would only take turns, and the event loop its turn less often.
    app.threads = ThreadPoolExecutor(1, "large-bodies")
    return app


async def _predict(request: Request) -> Response:
    return await _answer(request, "predict")


async def _infer(request: Request) -> Response:
    return await _answer(request, "infer")


async def _answer(request: Request, kind: Kind) -> Response:
    """Answer a request that did not take the short way: a large one, or an unusual one."""
    app: App = request.app
    serving, headers = app.state, dict(request.scope["headers"])
    try:
        if serving.is_full:
            raise RequestError("the server has its hands full; try again in a second", 503)
        if kind == "infer":
            _addressed(request)
        app.answering.authorize(headers)
        async with _body(request) as body:
            reply = await _ask(app, kind, headers, body)
    except RequestError as error:
        reply = app.answering.refuse(kind, headers, error)
    request.state.request_id = reply.request_id
    app.answering.settle(reply, perf_counter() - request.state.began)
    request.state.settled = True
    response = Response(reply.body, reply.status, media_type="application/json")
    response.raw_headers += reply.headers
    return response


async def _ask(app: App, kind: Kind, headers: dict[bytes, bytes], body: bytes) -> Reply:
    if len(body) <= SMALL_BODY and b"content-encoding" not in headers:
        return app.answering.answer(Ask(kind, headers, body))
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(app.threads, app.answering.answer, Ask(kind, headers, body))


@asynccontextmanager
async def _body(request: Request) -> AsyncIterator[bytes]:
    """The request's body, which counts as held until the block ends."""
    serving: Serving = request.app.state
    chunks: list[bytes] = []
    serving.in_flight += 1
    try:
        try:
            async with asyncio.timeout(BODY_S):
                await _receive(request, chunks)
        except TimeoutError:
            raise RequestError(f"the body did not arrive within {BODY_S:g} s", 408) from None
        yield b"".join(chunks)
    finally:
        serving.in_flight -= 1
        serving.body_bytes -= sum(map(len, chunks))


async def _receive(request: Request, chunks: list[bytes]) -> None:
    """Collect the chunks of a body, all of which count as held."""
    serving: Serving = request.app.state
    limit, received = serving.max_body_bytes, 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > _PATIENCE * limit:
            break
        if received > limit:  # the client may finish, so that it reads what we answer
            continue
        if not serving.has_room(len(chunk)):
            raise RequestError("the server holds as many bodies as it can; try again", 503)
        serving.body_bytes += len(chunk)
        chunks.append(chunk)
    if received > limit:
        raise RequestError(f"the body is larger than the {limit} bytes allowed; split it", 413)


async def _server(_request: Request) -> Response:
    return _json({"name": "driftline", "version": _version(), "extensions": []})


@cache
def _version() -> str:
    with suppress(PackageNotFoundError):  # run from a folder that nobody installed
        return version("driftline")
    return "unknown"


async def _models(request: Request) -> Response:
    return _json({"models": [request.app.state.served.name]})


async def _live(_request: Request) -> Response:
    return _json({"live": True})


async def _ready(request: Request) -> Response:
    served = _addressed(request)
    ready = not request.app.state.draining
    return _json(
        {"ready": ready, "name": served.name, "release": served.release}, 200 if ready else 503
    )


async def _metadata(request: Request) -> Response:
    served = _addressed(request)
    parameters: dict[str, Any] = {
        "model_sha256": served.model_sha256,
        "runtime": served.runtime.kind,
        "runtime_sha256": served.runtime.sha256,
    }
    if (matrix := matrix_of(served.spec.columns)) is not None:
        parameters["matrix"] = matrix
    return _json(
        {
            "name": served.name,
            "versions": [served.release],
            "platform": "driftline",
            "parameters": parameters,
            **metadata(served.spec.columns, served.classes, served.outputs),
        }
    )


async def _metrics(request: Request) -> Response:
    serving: Serving = request.app.state
    if not serving.counting:
        return _json({"error": "this server was started with --no-metrics"}, 404)
    seconds = request.path_params.get("seconds")
    text = serving.metrics.text() if seconds is None else serving.metrics.text_of(seconds)
    return Response(text, media_type=CONTENT_TYPE)


def _addressed(request: Request) -> ServedModel:
    """The model that the path names, where it names one."""
    served: ServedModel = request.app.state.served
    name = request.path_params.get("name", served.name)
    version = request.path_params.get("version", served.release)
    if name != served.name:
        raise RequestError(f"there is no model {name!r:.60} here; this is {served.name}", 404)
    if version != served.release:
        raise RequestError(
            f"version {version!r:.60} of {name} is not served; {served.release} is", 404
        )
    return served


def _json(document: dict[str, Any], status: int = 200) -> Response:
    return Response(to_json(document), status, media_type="application/json")


async def _refused(_request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, RequestError) else 400
    return _json({"error": str(error)}, status)


async def _not_here(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    message = f"{request.method} {request.url.path}: {error.detail.lower()}"
    one = f"/v2/models/{request.app.state.served.name}"
    hint = f"POST /predict and {one}/infer answer rows, GET /docs shows all paths"
    response = _json({"error": f"{message:.200}; {hint}"}, error.status_code)
    response.headers.update(error.headers or {})
    return response


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)  # the client hung up: nobody reads this
