"""From a request's body to its answer: all that `/predict` and `/infer` do, without the network."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from components.data.feature_rows import FeatureRows
from components.serving.answered import Answered
from components.serving.batch import Moment
from components.serving.cells import cells_of
from components.serving.codec import encode_rows, to_json
from components.serving.compression import pack, wants_gzip
from components.serving.exchange import Ask, Headers, Reply, fail, refuse
from components.serving.ids import clean_id
from components.serving.joined import join
from components.serving.logs import Sparing
from components.serving.outputs import encode_tensors
from components.serving.reading import ReadRequest, read_request
from components.serving.refusal import RequestError
from components.serving.served import Kind, ServedModel
from components.serving.serving import Serving

if TYPE_CHECKING:
    from components.model.score import Predictions

_logger = logging.getLogger(__name__)

_REFUSALS_A_SECOND = 5


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
        requests, most = [], self._serving.max_body_bytes
        for ask, reply in zip(asks, replies, strict=True):
            try:
                _refuse_others(served, ask)
                self.authorize(ask.headers)
                requests.append(read_request(served, ask, reply, moment, most))
            except Exception as error:
                fail(reply, error)
        try:
            for group, features, answers in _asked(served, requests):
                self._word(served, group, answers)
                if self._serving.log is not None:
                    _remember(served, group, features, answers, moment)
        except Exception as error:  # a fault of ours leaves nobody without an answer
            for reply in replies:
                if reply.status == 200:
                    fail(reply, error)
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
        refuse(reply, error)
        return reply

    def settle(self, reply: Reply, seconds: float) -> None:
        """Count, log and remember a request once it is answered."""
        if self._serving.counting:
            counts = self._serving.metrics.of(reply.release)
            counts.request(reply.kind, reply.status, seconds)
            if reply.cells is not None:
                counts.answered(reply.rows, reply.cells, reply.strange)
        if reply.answered is not None and self._serving.log is not None:
            self._serving.log.put(reply.answered)
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

    def _word(
        self, served: ServedModel, group: Sequence[ReadRequest], answers: Predictions
    ) -> None:
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
                fail(request.reply, error)
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


def _refuse_others(served: ServedModel, ask: Ask) -> None:
    """Another release may have taken over since the path was read."""
    if ask.release is not None and ask.release != served.release:
        raise RequestError(
            f"version {ask.release:.60} of {served.name} is not served; {served.release} is", 404
        )


def _asked(
    served: ServedModel, requests: Sequence[ReadRequest]
) -> Iterator[tuple[Sequence[ReadRequest], FeatureRows, Predictions]]:
    """Requests with their rows and the answers: all at once where the model can, else in halves.

    One that cannot be answered is refused, and hears what concerns it.
    """
    if len(requests) > 1:
        features = join([request.batch.features for request in requests])
        answers = served.answer_if_it_can(features)
        if answers is not None:
            yield requests, features, answers
            return
        middle = len(requests) // 2
        yield from _asked(served, requests[:middle])
        yield from _asked(served, requests[middle:])
        return
    for request in requests:
        features = request.batch.features
        try:
            answers = served.answer(features)
        except Exception as error:
            fail(request.reply, error)
            continue
        yield [request], features, answers


def _write(
    served: ServedModel,
    request: ReadRequest,
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


def _remember(
    served: ServedModel,
    group: Sequence[ReadRequest],
    features: FeatureRows,
    answers: Predictions,
    moment: Moment,
) -> None:
    """Let the last reply hold the rows of all, for the prediction log."""
    if any(request.reply.status != 200 for request in group):  # a fault of ours in wording one
        for request, part, own in _apart(group, features, answers):
            if request.reply.status == 200:
                _remember(served, [request], part, own, moment)
        return
    batches = [request.batch for request in group]
    group[-1].reply.answered = Answered(
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
    group: Sequence[ReadRequest], features: FeatureRows, answers: Predictions
) -> Iterator[tuple[ReadRequest, FeatureRows, Predictions]]:
    """Each request with its own rows and answers."""
    start = 0
    for request in group:
        end = start + len(request.batch)
        yield request, features.part(start, end), answers.rows(slice(start, end))
        start = end
