"""The rows of one request, typed, however they came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from components.core.errors import DataError
from components.data.feature_rows import FeatureRows
from components.data.records import texts
from components.serving.ids import Ids
from components.serving.refusal import RequestError
from components.spec.model import Columns

# The prediction log keeps a file an hour of event time, and clients name the times: without a limit
# a small request makes thousands of files, which every later reading of the window opens. A month
# of history has at most 744 hours; a day more leaves room for a window that starts anywhere.
MAX_HOURS = 768


@dataclass(slots=True)  # not frozen: that takes four times as long to make
class Batch:
    """The rows of one request.

    `plain` is set where the numbers are known to be within the ranges of training, none missing.
    """

    row_ids: list[str]
    event_times: list[datetime]
    features: FeatureRows
    plain: bool = False

    def __len__(self) -> int:
        return len(self.row_ids)


@dataclass(slots=True)
class Moment:
    """What a row is given that brings no time or id of its own."""

    now: datetime
    ids: Ids


def make_batch(
    features: FeatureRows,
    ids: Sequence[Any],
    times: Sequence[Any],
    columns: Columns,
    moment: Moment,
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
    event_times = [
        moment.now if value is None else _time(value, row, columns.time)
        for row, value in enumerate(times)
    ]
    _check_hours(event_times, columns.time)
    new = moment.ids.next
    return Batch([new() if row_id is None else row_id for row_id in given], event_times, features)


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
