"""From a request's body to its rows, the quick way where it can be taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.serving.batch import Batch, Moment
from components.serving.codec import decode_rows, parse_json
from components.serving.compression import unpack
from components.serving.exchange import Ask, Reply
from components.serving.ids import clean_id
from components.serving.outputs import wanted_outputs
from components.serving.refusal import RequestError
from components.serving.served import ServedModel
from components.serving.tensors import decode_tensors


@dataclass(slots=True)
class ReadRequest:
    """A request that was read: its rows, the id it gave itself, the tensors that it wants."""

    ask: Ask
    reply: Reply
    batch: Batch
    own: str | None = None
    names: Sequence[str] = ()


def read_request(
    served: ServedModel, ask: Ask, reply: Reply, moment: Moment, max_body_bytes: int
) -> ReadRequest:
    """The rows of a request, which are sound; notes in the reply what is strange about them.

    Raises:
        RequestError: where they are not.
    """
    encoding, body = ask.headers.get(b"content-encoding"), ask.body
    if encoding is not None:
        body = unpack(body, encoding.decode("latin-1").strip().lower(), max_body_bytes)
    if ask.kind == "predict":
        request = ReadRequest(ask, reply, _rows(served, body, moment))
    else:
        batch, own, names = _tensors(served, body, moment)
        request = ReadRequest(ask, reply, batch, own, names)
        if own is not None and b"x-request-id" not in ask.headers:
            reply.request_id = clean_id(own) or reply.request_id
    batch = request.batch
    reply.strange = served.domain.look(batch.features, plain=batch.plain)
    return request


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
