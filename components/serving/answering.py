"""From a request's body to its answer: all that `/predict` and `/infer` do, without the network."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from components.serving.answered import Answered
from components.serving.batch import Batch, Moment
from components.serving.cells import cells_of
from components.serving.codec import decode_rows, encode_rows, parse_json, to_json
from components.serving.compression import pack, unpack, wants_gzip
from components.serving.domain import NOTHING, Strange
from components.serving.ids import clean_id
from components.serving.logs import Sparing
from components.serving.outputs import encode_tensors, wanted_outputs
from components.serving.refusal import RequestError
from components.serving.served import Kind, ServedModel
from components.serving.serving import Serving
from components.serving.tensors import decode_tensors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_logger = logging.getLogger(__name__)

Headers = Mapping[bytes, bytes]

_REFUSALS_A_SECOND = 5


@dataclass(slots=True)
class Reply:
    """The answer to one request, and what is to be remembered of it.

    `headers` come on top of type, length and request id; `problem` says why a request was refused,
    of which nothing is `answered`.
    """

    kind: Kind
    release: str
    request_id: str
    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    problem: str = ""
    answered: Answered | None = None
    cells: Mapping[str, int] | None = None
    strange: Strange = NOTHING


class Answering:
    """Answers the requests of one server.

    `answer` may be called from any thread; `settle` belongs to the event loop's.
    """

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._refusals = Sparing(_REFUSALS_A_SECOND)

    def answer(self, kind: Kind, headers: Headers, body: bytes) -> Reply:
        """Answer a request, or refuse it; never raises.

        Args:
            kind: what was asked for.
            headers: by lower-case name.
            body: all of it, as it was sent.
        """
        served = self._serving.served  # once: no answer mixes two releases
        reply = Reply(kind, served.release, self._request_id(headers), 200, b"")
        try:
            self.authorize(headers)
            encoding = headers.get(b"content-encoding")
            if encoding is not None:
                name = encoding.decode("latin-1").strip().lower()
                body = unpack(body, name, self._serving.max_body_bytes)
            if kind == "predict":
                self._predict(served, body, reply)
            else:
                self._infer(served, body, reply, given=b"x-request-id" in headers)
            accepted = headers.get(b"accept-encoding")
            if accepted is not None and wants_gzip(accepted.decode("latin-1"), len(reply.body)):
                reply.body = pack(reply.body)
                reply.headers = ((b"content-encoding", b"gzip"), (b"vary", b"accept-encoding"))
        except RequestError as error:
            _refuse(reply, error)
        except Exception:  # logged, and answered as a 500
            _logger.exception("request failed", extra={"request_id": reply.request_id})
            reply.status, reply.body = 500, fault(reply.request_id)
            reply.answered = None
        return reply

    def authorize(self, headers: Headers) -> None:
        """Let a request pass that brings the server's token, or any where there is none.

        Raises:
            RequestError: with status 401.
        """
        token = self._serving.token
        if token is None:
            return
        scheme, _, given = headers.get(b"authorization", b"").strip().partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(given.strip(), token):
            raise RequestError("send the server's token as 'Authorization: Bearer TOKEN'", 401)

    def refuse(self, kind: Kind, headers: Headers, error: RequestError) -> Reply:
        """The answer to a request that is not even looked at."""
        served = self._serving.served
        reply = Reply(kind, served.release, self._request_id(headers), 200, b"")
        _refuse(reply, error)
        return reply

    def settle(self, reply: Reply, seconds: float) -> None:
        """Count, log and remember a request once it is answered."""
        counts = self._serving.metrics.of(reply.release)
        counts.request(reply.kind, reply.status, seconds)
        answered = reply.answered
        if answered is not None and reply.cells is not None:
            counts.answered(len(answered.row_ids), reply.cells, reply.strange)
            if self._serving.log is not None:
                self._serving.log.put(answered)
        elif reply.status < 500:
            self._tell(reply)
        if self._serving.access_log:
            rows = 0 if answered is None else len(answered.row_ids)
            told = {"request_id": reply.request_id, "endpoint": reply.kind, "rows": rows}
            told |= {"release": reply.release, "status": reply.status, "seconds": round(seconds, 6)}
            _logger.info("%s %d", reply.kind, reply.status, extra=told)

    def _request_id(self, headers: Headers) -> str:
        given = headers.get(b"x-request-id")
        known = None if given is None else clean_id(given.decode("latin-1"))
        return known or self._serving.ids.next()

    def _predict(self, served: ServedModel, body: bytes, reply: Reply) -> None:
        moment = Moment(datetime.now(UTC), self._serving.ids)
        batch = served.quick_rows.read(body, moment)
        if batch is None:
            limit = served.spec.serving.max_rows
            batch = decode_rows(parse_json(body), served.spec.columns, limit, moment)
        prediction, probability = self._ask(served, batch, moment, reply)
        reply.body = encode_rows(
            {"model": served.name, "release": served.release, "request_id": reply.request_id},
            batch.row_ids,
            prediction,
            None if probability is None else probability.tolist(),
            served.class_names,
        )

    def _infer(self, served: ServedModel, body: bytes, reply: Reply, *, given: bool) -> None:
        moment = Moment(datetime.now(UTC), self._serving.ids)
        names, found = served.outputs, served.quick_tensors.read(body, moment)
        if found is not None:
            batch, own = found
        else:
            document = parse_json(body)
            own = document.get("id")
            if not isinstance(own, str | None):
                raise RequestError('"id" must be a text')
            names = wanted_outputs(document, served.outputs)
            limit = served.spec.serving.max_rows
            batch = decode_tensors(document, served.spec.columns, limit, moment)
        if own is not None and not given:
            reply.request_id = clean_id(own) or reply.request_id
        prediction, probability = self._ask(served, batch, moment, reply)
        flat = None if probability is None else probability.ravel().tolist()
        outputs = encode_tensors(names, prediction, flat, served.classes)
        head = {"model_name": served.name, "model_version": served.release}
        head["id"] = reply.request_id if own is None else own
        reply.body = to_json({**head, "outputs": outputs})

    def _ask(
        self, served: ServedModel, batch: Batch, moment: Moment, reply: Reply
    ) -> tuple[list[Any], NDArray[np.float64] | None]:
        """Let the model answer, (n,) and (n, k), and note what is to be remembered."""
        reply.strange = served.domain.look(batch.features, plain=batch.plain)
        answers = served.answer(batch.features)
        prediction: list[Any] = answers.prediction.tolist()
        reply.cells = cells_of(served.spec.task, prediction, answers.probability)
        reply.answered = Answered(
            row_ids=batch.row_ids,
            event_times=batch.event_times,
            served_at=moment.now,
            release=served.release,
            request_id=reply.request_id,
            columns=served.spec.columns,
            features=batch.features,
            prediction=answers.prediction,
            probability=answers.probability,
        )
        return prediction, answers.probability

    def _tell(self, reply: Reply) -> None:
        """Say why a request was refused, a few times a second."""
        kept_back = self._refusals.let()
        if kept_back is None:
            return
        told = {"request_id": reply.request_id, "status": reply.status, "endpoint": reply.kind}
        if kept_back:
            told["not_shown_before"] = kept_back
        _logger.info("refused: %s", reply.problem, extra=told)


def fault(request_id: str) -> bytes:
    """What a client is told of a fault of ours."""
    return to_json({"error": f"the server failed; its log has request {request_id}"})


def _refuse(reply: Reply, error: RequestError) -> None:
    reply.status, reply.problem, reply.answered = error.status, str(error), None
    reply.body = to_json({"error": reply.problem})
    if error.status == 401:
        reply.headers = ((b"www-authenticate", b"Bearer"),)
    elif error.status == 503:
        reply.headers = ((b"retry-after", b"1"),)
