"""From a request's body to its answer: all that `/predict` and `/infer` do, without the network."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from components.data.feature_rows import FeatureRows
from components.serving.answered import Answered
from components.serving.batch import Batch, Moment
from components.serving.cells import cells_of
from components.serving.codec import decode_rows, encode_rows, parse_json, to_json
from components.serving.compression import pack, unpack, wants_gzip
from components.serving.domain import NOTHING, Strange
from components.serving.ids import clean_id
from components.serving.joined import join
from components.serving.logs import Sparing
from components.serving.outputs import encode_tensors, wanted_outputs
from components.serving.refusal import RequestError
from components.serving.served import Kind, ServedModel
from components.serving.serving import Serving
from components.serving.tensors import decode_tensors

if TYPE_CHECKING:
    from components.model.score import Predictions

_logger = logging.getLogger(__name__)

Headers = Mapping[bytes, bytes]

_REFUSALS_A_SECOND = 5


@dataclass(slots=True)
class Reply:
    """The answer to one request, and what is to be remembered of it.

    `headers` come on top of type, length and request id; `problem` says why a request was refused,
    which has no `rows`. `cells` is for the metrics, where there are such.
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


@dataclass(slots=True)
class Ask:
    """A request that wants its answer.

    Attributes:
        kind: what it asks for.
        headers: by lower-case name.
        body: all of it, as it was sent.
        done: takes the answer.
        began: when its first byte came, by `time.perf_counter`.
    """

    kind: Kind
    headers: Headers
    body: bytes
    done: Callable[[Reply], None] | None = None
    began: float = 0.0


@dataclass(slots=True)
class _Read:
    """A request that was read: its rows, the id it gave itself, the tensors that it wants."""

    ask: Ask
    reply: Reply
    batch: Batch
    own: str | None = None
    names: Sequence[str] = ()


class Answering:
    """Answers the requests of one server.

    `answer` may be called from any thread; `settle` belongs to the event loop's.
    """

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._refusals = Sparing(_REFUSALS_A_SECOND)

    def answer(self, ask: Ask) -> Reply:
        """Answer a request, or refuse it; never raises."""
        return self.answer_all([ask])[0]

    def answer_all(self, asks: Sequence[Ask]) -> list[Reply]:
        """Answer several requests, all by the same release and one call of its model; never raises.

        A request that is refused, or whose rows the model cannot answer, leaves the others alone.
        """
        served = self._serving.served  # once: no answer mixes two releases
        moment = Moment(datetime.now(UTC), self._serving.ids)
        replies = [
            Reply(ask.kind, served.release, self._request_id(ask.headers), 200, b"") for ask in asks
        ]
        requests = []
        for ask, reply in zip(asks, replies, strict=True):
            try:
                requests.append(self._read(served, ask, reply, moment))
            except Exception as error:
                _fail(reply, error)
        for group, features, answers in _asked(served, requests):
            self._word(served, group, answers)
            if self._serving.log is not None:
                for answered in _remembered(served, group, features, answers, moment):
                    self._serving.log.put(answered)
        return replies

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
        """Count a request once it is answered, and tell of it where that is wanted."""
        if self._serving.counting:
            counts = self._serving.metrics.of(reply.release)
            counts.request(reply.kind, reply.status, seconds)
            if reply.cells is not None:
                counts.answered(reply.rows, reply.cells, reply.strange)
        if 400 <= reply.status < 500:
            self._tell(reply)
        if self._serving.access_log:
            told = {"request_id": reply.request_id, "endpoint": reply.kind, "rows": reply.rows}
            told |= {"release": reply.release, "status": reply.status, "seconds": round(seconds, 6)}
            _logger.info("%s %d", reply.kind, reply.status, extra=told)

    def _request_id(self, headers: Headers) -> str:
        given = headers.get(b"x-request-id")
        known = None if given is None else clean_id(given.decode("latin-1"))
        return known or self._serving.ids.next()

    def _read(self, served: ServedModel, ask: Ask, reply: Reply, moment: Moment) -> _Read:
        """The rows of a request, which are sound.

        Raises:
            RequestError: where they are not.
        """
        self.authorize(ask.headers)
        encoding, body = ask.headers.get(b"content-encoding"), ask.body
        if encoding is not None:
            name = encoding.decode("latin-1").strip().lower()
            body = unpack(body, name, self._serving.max_body_bytes)
        if ask.kind == "predict":
            request = _Read(ask, reply, _rows(served, body, moment))
        else:
            batch, own, names = _tensors(served, body, moment)
            request = _Read(ask, reply, batch, own, names)
            if own is not None and b"x-request-id" not in ask.headers:
                reply.request_id = clean_id(own) or reply.request_id
        batch = request.batch
        reply.strange = served.domain.look(batch.features, plain=batch.plain)
        return request

    def _word(self, served: ServedModel, group: Sequence[_Read], answers: Predictions) -> None:
        """Word the answers to requests whose rows the model answered as one."""
        prediction: list[Any] = answers.prediction.tolist()
        numbers = answers.probability
        probability: list[list[float]] | None = None if numbers is None else numbers.tolist()
        task = served.spec.task
        start = 0
        for request in group:
            end = start + len(request.batch)
            answered = prediction[start:end]
            own = None if probability is None else probability[start:end]
            try:
                _write(served, request, answered, own)
                if self._serving.counting:
                    of_rows = own if numbers is None or end - start == 1 else numbers[start:end]
                    request.reply.cells = cells_of(task, answered, of_rows)
            except Exception as error:
                _fail(request.reply, error)
            start = end

    def _tell(self, reply: Reply) -> None:
        """Say why a request was refused, a few times a second."""
        kept_back = self._refusals.let()
        if kept_back is None:
            return
        told = {"request_id": reply.request_id, "status": reply.status, "endpoint": reply.kind}
        if kept_back:
            told["not_shown_before"] = kept_back
        _logger.info("refused: %s", reply.problem, extra=told)


def _asked(
    served: ServedModel, requests: Sequence[_Read]
) -> Iterator[tuple[Sequence[_Read], FeatureRows, Predictions]]:
    """Requests with their rows and the answers: all at once where the model can, else one by one.

    One that cannot be answered is refused, and hears what concerns it.
    """
    if len(requests) > 1:
        features = join([request.batch.features for request in requests])
        answers = served.answer_if_it_can(features)
        if answers is not None:
            yield requests, features, answers
            return
    for request in requests:
        features = request.batch.features
        try:
            answers = served.answer(features)
        except Exception as error:
            _fail(request.reply, error)
            continue
        yield [request], features, answers


def _write(
    served: ServedModel,
    request: _Read,
    prediction: Sequence[Any],
    probability: Sequence[Sequence[float]] | None,
) -> None:
    """Write the answer into the reply."""
    reply, batch, headers = request.reply, request.batch, request.ask.headers
    reply.rows = len(prediction)
    if reply.kind == "predict":
        head = {"model": served.name, "release": served.release, "request_id": reply.request_id}
        names = served.class_names
        reply.body = encode_rows(head, batch.row_ids, prediction, probability, names)
    else:
        flat = None if probability is None else list(chain.from_iterable(probability))
        head = {"model_name": served.name, "model_version": served.release}
        head["id"] = reply.request_id if request.own is None else request.own
        outputs = encode_tensors(
            request.names, prediction, flat, served.classes, served.class_names
        )
        reply.body = to_json({**head, "outputs": outputs})
    accepted = headers.get(b"accept-encoding")
    if accepted is not None and wants_gzip(accepted.decode("latin-1"), len(reply.body)):
        reply.body = pack(reply.body)
        reply.headers = ((b"content-encoding", b"gzip"), (b"vary", b"accept-encoding"))


def _remembered(
    served: ServedModel,
    group: Sequence[_Read],
    features: FeatureRows,
    answers: Predictions,
    moment: Moment,
) -> Iterator[Answered]:
    """The rows of requests that were answered together, for the prediction log."""
    if not all(request.reply.status == 200 for request in group):  # a fault of ours in one
        for request, part, own in _apart(group, features, answers):
            if request.reply.status == 200:
                yield from _remembered(served, [request], part, own, moment)
        return
    batches = [request.batch for request in group]
    yield Answered(
        row_ids=list(chain.from_iterable([batch.row_ids for batch in batches])),
        event_times=list(chain.from_iterable([batch.event_times for batch in batches])),
        served_at=moment.now,
        release=served.release,
        request_ids=[
            request.reply.request_id for request in group for _ in range(request.reply.rows)
        ],
        columns=served.spec.columns,
        features=features,
        prediction=answers.prediction,
        probability=answers.probability,
    )


def _apart(
    group: Sequence[_Read], features: FeatureRows, answers: Predictions
) -> Iterator[tuple[_Read, FeatureRows, Predictions]]:
    """Each request with its own rows and answers."""
    start = 0
    for request in group:
        end = start + len(request.batch)
        yield request, features.part(start, end), answers.rows(slice(start, end))
        start = end


def _rows(served: ServedModel, body: bytes, moment: Moment) -> Batch:
    batch = served.quick_rows.read(body, moment)
    if batch is not None:
        return batch
    limit = served.spec.serving.max_rows
    return decode_rows(parse_json(body), served.spec.columns, limit, moment)


def _tensors(
    served: ServedModel, body: bytes, moment: Moment
) -> tuple[Batch, str | None, Sequence[str]]:
    """The rows, the request's own id, and the outputs that it wants."""
    found = served.quick_tensors.read(body, moment)
    if found is not None:
        return *found, served.outputs
    document = parse_json(body)
    own = document.get("id")
    if not isinstance(own, str | None):
        raise RequestError('"id" must be a text')
    names = wanted_outputs(document, served.outputs)
    limit = served.spec.serving.max_rows
    return decode_tensors(document, served.spec.columns, limit, moment), own, names


def fault(request_id: str) -> bytes:
    """What a client is told of a fault of ours."""
    return to_json({"error": f"the server failed; its log has request {request_id}"})


def _fail(reply: Reply, error: Exception) -> None:
    """Turn what a request comes to grief on into its reply."""
    if isinstance(error, RequestError):
        _refuse(reply, error)
        return
    told = {"request_id": reply.request_id}
    _logger.error("request failed", exc_info=error, extra=told)
    reply.status, reply.body = 500, fault(reply.request_id)
    reply.headers = ()


def _refuse(reply: Reply, error: RequestError) -> None:
    reply.status, reply.problem = error.status, str(error)
    reply.body = to_json({"error": reply.problem})
    if error.status == 401:
        reply.headers = ((b"www-authenticate", b"Bearer"),)
    elif error.status == 503:
        reply.headers = ((b"retry-after", b"1"),)
