"""The HTTP surface: health, the Open Inference Protocol v2, and `POST /predict`.

Every handler takes the model from `app.state.served` once, so that a switch of releases falls
between two requests. A request that cannot be answered gets a 4xx with `{"error": sentence}`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from components.serving.codec import (
    Batch,
    RequestError,
    decode_rows,
    encode_rows,
    parse_json,
    to_json,
)
from components.serving.edge import Edge, clean_id
from components.serving.loader import ServedModel
from components.serving.log import PredictionLog
from components.serving.parts import Answered
from components.serving.serving import Serving
from components.serving.tensors import decode_tensors, encode_tensors, metadata, wanted_outputs

MAX_BODY_BYTES = 16 * 2**20

# A client hears of its refusal only if it may finish sending, up to that many bodies' worth.
_PATIENCE = 4


def make_app(
    model: ServedModel, log: PredictionLog | None, *, max_body_bytes: int = MAX_BODY_BYTES
) -> Starlette:
    """Make the application that serves one model.

    Args:
        model: what answers; another takes over by `app.state.switch`.
        log: where answered rows are logged, or None.
        max_body_bytes: larger bodies are refused with 413.
    """
    one = "/v2/models/{name}"
    routes = [
        Route("/v2", _server),
        Route("/v2/health/live", _live),
        Route("/v2/health/ready", _ready),
        Route("/predict", _predict, methods=["POST"]),
    ]
    for prefix in (one, one + "/versions/{version}"):
        routes += [
            Route(prefix, _metadata),
            Route(f"{prefix}/ready", _ready),
            Route(f"{prefix}/infer", _infer, methods=["POST"]),
        ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Edge)],
        exception_handlers={
            RequestError: _refused,
            HTTPException: _not_here,
            ClientDisconnect: _gone,
        },
    )
    app.state = Serving(model, log, max_body_bytes)  # type: ignore[assignment] # ours has types
    return app


async def _predict(request: Request) -> Response:
    served: ServedModel = request.app.state.served
    document = parse_json(await _body(request))
    now = datetime.now(UTC)
    batch = decode_rows(document, served.spec.columns, served.spec.serving.max_rows, now)
    answers = served.answer(batch.features)
    request_id: str = request.state.request_id
    content = encode_rows(
        {"model": served.name, "release": served.release, "request_id": request_id},
        batch,
        answers.prediction.tolist(),
        None if answers.probability is None else answers.probability.tolist(),
        served.classes,
    )
    _log(request, _answered(served, batch, answers, now, request_id))
    return Response(content, media_type="application/json")


async def _infer(request: Request) -> Response:
    served = _addressed(request)
    document = parse_json(await _body(request))
    now = datetime.now(UTC)
    given = document.get("id")
    if not isinstance(given, str | None):
        raise RequestError('"id" must be a text')
    request_id = request.state.given_id or clean_id(given) or request.state.request_id
    request.state.request_id = request_id
    names = wanted_outputs(document, served.outputs)
    batch = decode_tensors(document, served.spec.columns, served.spec.serving.max_rows, now)
    answers = served.answer(batch.features)
    outputs = encode_tensors(
        names,
        answers.prediction.tolist(),
        None if answers.probability is None else answers.probability.tolist(),
        served.classes,
    )
    head = {"model_name": served.name, "model_version": served.release}
    content = to_json({**head, "id": request_id if given is None else given, "outputs": outputs})
    _log(request, _answered(served, batch, answers, now, request_id))
    return Response(content, media_type="application/json")


async def _server(_request: Request) -> Response:
    return _json({"name": "driftline", "version": "2", "extensions": []})


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
    return _json(
        {
            "name": served.name,
            "versions": [served.release],
            "platform": "driftline",
            "parameters": {"model_sha256": served.model_sha256},
            **metadata(served.spec.columns, served.classes, served.outputs),
        }
    )


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


async def _body(request: Request) -> bytes:
    limit: int = request.app.state.max_body_bytes
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise RequestError("compressed bodies are not understood; send the JSON as it is", 415)
    chunks: list[bytes] = []
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received <= limit:
            chunks.append(chunk)
        elif received > _PATIENCE * limit:
            break
        else:
            chunks.clear()
    if received > limit:
        raise RequestError(f"the body is larger than the {limit} bytes allowed; split it", 413)
    return b"".join(chunks)


def _answered(
    served: ServedModel, batch: Batch, answers: Any, now: datetime, request_id: str
) -> Answered:
    return Answered(
        row_ids=batch.row_ids,
        event_times=batch.event_times,
        served_at=now,
        release=served.release,
        request_id=request_id,
        columns=served.spec.columns,
        features=batch.features,
        prediction=answers.prediction,
        probability=answers.probability,
    )


def _log(request: Request, answered: Answered) -> None:
    log: PredictionLog | None = request.app.state.log
    if log is not None:
        log.put(answered)


def _json(document: dict[str, Any], status: int = 200) -> Response:
    return Response(to_json(document), status, media_type="application/json")


async def _refused(_request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, RequestError) else 400
    return _json({"error": str(error)}, status)


async def _not_here(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    message = f"{request.method} {request.url.path}: {error.detail.lower()}"
    response = _json({"error": f"{message:.200}"}, error.status_code)
    response.headers.update(error.headers or {})
    return response


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)  # the client hung up: nobody reads this
