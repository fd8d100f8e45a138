"""What requests and answers look like on the wire, and every check on what comes in.

Two formats carry the same columns: rows as JSON objects (`POST /predict`), and the Open Inference
Protocol v2 with one named tensor a column (`/infer`). Whatever is wrong with a request becomes a
`RequestError` that names the row and the field; nothing is guessed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from components.core.errors import DataError
from components.data.records import feature_rows
from components.model.records import Label
from components.serving.batch import Batch, Moment, check_count, make_batch
from components.serving.refusal import RequestError
from components.spec.model import Columns

_encode = msgspec.json.Encoder().encode


def parse_json(body: bytes) -> dict[str, Any]:
    """Read a request's body: one JSON object in UTF-8.

    Raises:
        RequestError: for anything else, also for NaN, Infinity, a key given twice in one object,
            and nesting deeper than the interpreter goes.

    >>> parse_json(b'{"rows": [{"a": NaN}]}')
    Traceback (most recent call last):
    components.serving.refusal.RequestError: NaN is no JSON; send null if a value is unknown
    """
    if not body:
        raise RequestError('the body is empty; send a JSON object, such as {"rows": [...]}', 400)
    try:
        document = json.loads(
            body.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_no_duplicates
        )
    except UnicodeDecodeError as error:
        raise RequestError(f"the body is not UTF-8, at byte {error.start}", 400) from None
    except RecursionError:
        raise RequestError("the body is nested too deeply", 400) from None
    except ValueError as error:  # JSONDecodeError, or an integer of thousands of digits
        raise RequestError(f"the body is no JSON: {error}", 400) from None
    if not isinstance(document, dict):
        raise RequestError('the body must be a JSON object, such as {"rows": [...]}')
    return document


def decode_rows(document: dict[str, Any], columns: Columns, max_rows: int, moment: Moment) -> Batch:
    """Read `{"rows": [{column: value, ...}, ...]}`.

    The columns of id and time are optional in each row: without an id the row gets one of ours,
    without a time it happens now. Keys that the spec does not name are passed over.

    Raises:
        RequestError: naming the row and the field.
    """
    rows = document.get("rows")
    if not isinstance(rows, list):
        raise RequestError('the body must hold "rows", a list of objects by column name')
    check_count(len(rows), max_rows)
    for position, row in enumerate(rows):
        if not isinstance(row, dict):
            raise RequestError(f"row {position}: must be an object by column name")
    try:
        features = feature_rows(rows, columns)
    except DataError as error:
        raise RequestError(str(error)) from None
    return make_batch(
        features,
        [row.get(columns.id) for row in rows],
        [row.get(columns.time) for row in rows],
        columns,
        moment,
    )


def encode_rows(
    head: dict[str, Any],
    row_ids: Sequence[str],
    prediction: Sequence[Any],
    probability: Sequence[Sequence[float]] | None,
    names: Sequence[str],
) -> bytes:
    """The answer of `/predict`: the head, then `predictions` with an object a row.

    Args:
        head: what comes first.
        row_ids: (n,) as the client called the rows.
        prediction: (n,).
        probability: (n, k) or None.
        names: (k,) of the classes, as `class_name` gives them.

    >>> encode_rows({"model": "m"}, ["x"], [1], [[0.25, 0.75]], ["0", "1"]).decode()[13:]
    '"predictions":[{"id":"x","prediction":1,"probability":{"0":0.25,"1":0.75}}]}'
    """
    answers: list[dict[str, Any]]
    if probability is None:
        answers = [
            {"id": row_id, "prediction": value}
            for row_id, value in zip(row_ids, prediction, strict=True)
        ]
    else:
        answers = [
            {"id": row_id, "prediction": value, "probability": dict(zip(names, row, strict=True))}
            for row_id, value, row in zip(row_ids, prediction, probability, strict=True)
        ]
    return to_json({**head, "predictions": answers})


def first_repeated(names: Iterable[str]) -> str | None:
    """The first name that was there before; one pass, since a client chooses how many there are.

    >>> first_repeated(["a", "b", "c", "b", "a"])
    'b'
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def class_name(value: Label) -> str:
    """A class as a JSON key: `true` and `false` for booleans.

    >>> [class_name(value) for value in (1, "late", True)]
    ['1', 'late', 'true']
    """
    return str(value).lower() if isinstance(value, bool) else str(value)


def to_json(document: dict[str, Any]) -> bytes:
    r"""Compact JSON; numbers have to be finite.

    In ASCII where a text is no valid Unicode, so that none makes an answer that cannot be sent.

    >>> to_json({"a": 0.5}), to_json({"a": "\ud800"})
    (b'{"a":0.5}', b'{"a":"\\ud800"}')
    """
    try:
        return _encode(document)
    except UnicodeEncodeError:
        return json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii")


def _no_constant(name: str) -> None:
    raise RequestError(f"{name} is no JSON; send null if a value is unknown", 400)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Python keeps the last of two equal keys: an answer for a value that was perhaps not meant.
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = first_repeated(name for name, _ in pairs)
        raise RequestError(f"the key {twice!r:.40} is there twice in one object", 400)
    return found
