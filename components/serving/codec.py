"""What requests and answers look like on the wire, and every check on what comes in.

Two formats carry the same columns: rows as JSON objects (`POST /predict`), and the Open Inference
Protocol v2 with one named tensor a column (`/infer`). Whatever is wrong with a request becomes a
`RequestError` that names the row and the field; nothing is guessed.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from components.core.errors import DataError, ServingError
from components.data.feature_rows import FeatureRows
from components.data.records import feature_rows, texts
from components.model.records import Label
from components.spec.model import Columns

# The prediction log keeps a file an hour of event time, and clients name the times: without a limit
# a small request makes thousands of files, which every later reading of the window opens. A month
# of history has at most 744 hours; a day more leaves room for a window that starts anywhere.
MAX_HOURS = 768


class RequestError(ServingError):
    """The request is at fault; `status` is its 4xx code."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Batch:
    """The rows of one request, typed."""

    row_ids: list[str]
    event_times: list[datetime]
    features: FeatureRows

    def __len__(self) -> int:
        return len(self.row_ids)


def parse_json(body: bytes) -> dict[str, Any]:
    """Read a request's body: one JSON object in UTF-8.

    Raises:
        RequestError: for anything else, also for NaN, Infinity, a key given twice in one object,
            and nesting deeper than the interpreter goes.

    >>> parse_json(b'{"rows": [{"a": NaN}]}')
    Traceback (most recent call last):
    components.serving.codec.RequestError: NaN is no JSON; send null if a value is unknown
    """
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


def decode_rows(document: dict[str, Any], columns: Columns, max_rows: int, now: datetime) -> Batch:
    """Read `{"rows": [{column: value, ...}, ...]}`.

    The columns of id and time are optional in each row: without an id the row gets a random one,
    without a time it happens `now`. Keys that the spec does not name are passed over.

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
        now,
    )


def make_batch(
    features: FeatureRows, ids: Sequence[Any], times: Sequence[Any], columns: Columns, now: datetime
) -> Batch:
    """Add ids and event times, given or not, to the features.

    Raises:
        RequestError: naming the row and the field; with status 413 where the times lie in more
            than `MAX_HOURS` different hours.
    """
    try:
        given = texts(ids, columns.id)
    except DataError as error:
        raise RequestError(str(error)) from None
    row_ids = [str(uuid.uuid4()) if row_id is None else row_id for row_id in given]
    event_times = [
        now if value is None else _time(value, row, columns.time) for row, value in enumerate(times)
    ]
    _check_hours(event_times, columns.time)
    return Batch(row_ids, event_times, features)


def check_count(rows: int, max_rows: int) -> None:
    """Refuse a request without rows or with too many.

    Raises:
        RequestError: with status 413 for too many.
    """
    if rows == 0:
        raise RequestError("there are no rows; send at least one")
    if rows > max_rows:
        raise RequestError(
            f"{rows} rows are more than the {max_rows} that one request may hold; split them", 413
        )


def encode_rows(
    head: dict[str, Any],
    batch: Batch,
    prediction: Sequence[Any],
    probability: Sequence[Sequence[float]] | None,
    classes: Sequence[Label],
) -> bytes:
    """The answer of `/predict`: the head, then `predictions` with an object a row.

    >>> import numpy as np
    >>> batch = Batch(["x"], [datetime.now(UTC)], FeatureRows(np.zeros((1, 0)), []))
    >>> encode_rows({"model": "m"}, batch, [1], [[0.25, 0.75]], [0, 1]).decode()[13:]
    '"predictions":[{"id":"x","prediction":1,"probability":{"0":0.25,"1":0.75}}]}'
    """
    answers: list[dict[str, Any]]
    if probability is None:
        answers = [
            {"id": row_id, "prediction": value}
            for row_id, value in zip(batch.row_ids, prediction, strict=True)
        ]
    else:
        names = [class_name(value) for value in classes]
        answers = [
            {"id": row_id, "prediction": value, "probability": dict(zip(names, row, strict=True))}
            for row_id, value, row in zip(batch.row_ids, prediction, probability, strict=True)
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
    """Compact JSON in ASCII, so that no text whatever makes an answer that cannot be sent."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii")


def _check_hours(event_times: Sequence[datetime], name: str) -> None:
    if len(event_times) <= MAX_HOURS:
        return
    hours = {(moment.toordinal(), moment.hour) for moment in event_times}  # all of them are UTC
    if len(hours) > MAX_HOURS:
        raise RequestError(
            f"the values of {name} lie in {len(hours)} different hours, more than the {MAX_HOURS} "
            "that one request may span; split it by time",
            413,
        )


def _time(value: Any, row: int, name: str) -> datetime:
    """An ISO 8601 time; without an offset it is UTC."""
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        shown = repr(value) if isinstance(value, str | int | float | bool) else type(value).__name__
        raise RequestError(
            f"row {row}: {name} must be a time like 2013-04-01T06:00:00Z, not {shown:.40}"
        ) from None


def _no_constant(name: str) -> None:
    raise RequestError(f"{name} is no JSON; send null if a value is unknown", 400)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Python keeps the last of two equal keys: an answer for a value that was perhaps not meant.
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = first_repeated(name for name, _ in pairs)
        raise RequestError(f"the key {twice!r:.40} is there twice in one object", 400)
    return found
