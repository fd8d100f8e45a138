"""Event times from timestamps, dates and ISO 8601 texts; without an offset they are UTC."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from components.data.convert import TIME, Converted, plain

Span = tuple[datetime, datetime]

_DATE = r"[1-9]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_CLOCK = r"([01]\d|2[0-3])(:[0-5]\d(:[0-5]\d(\.\d{1,9})?)?)?"
_OFFSET = r"(Z|[+-][01]\d(:?[0-5]\d)?)"
_ISO = rf"^{_DATE}([T ]{_CLOCK}{_OFFSET}?)?$"
_HAS_CLOCK = r"^.{10}."
_HAS_OFFSET = rf"^.{{10}}[T ]{_CLOCK}{_OFFSET}$"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# What Python can say; Arrow's timestamps go further.
_EARLIEST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LATEST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def to_times(values: pa.Array) -> Converted:
    """Timestamps in UTC, in microseconds, and a mask of the values that are no time.

    >>> times, bad = to_times(pa.array(["2013-04-01", "2013-04-01T02:00+02:00", "2013-02-30"]))
    >>> [time and time.isoformat() for time in times.to_pylist()]
    ['2013-04-01T00:00:00+00:00', '2013-04-01T00:00:00+00:00', None]
    >>> bad.to_pylist()
    [False, False, True]
    """
    values = plain(values)
    if pa.types.is_string(values.type):
        texts = pc.utf8_trim_whitespace(values)
        times = _parsed(texts)
    elif pa.types.is_timestamp(values.type):
        times = values.cast(pa.timestamp("us", values.type.tz), safe=False).cast(TIME)
    elif pa.types.is_date(values.type):
        times = values.cast(pa.timestamp("us")).cast(TIME)
    else:
        times = pa.nulls(len(values), TIME)
    return times, pc.and_(pc.is_valid(values), pc.is_null(times))


def as_datetime(microseconds: int) -> datetime:
    """A time from the microseconds since 1970 in UTC; what lies beyond Python's range is cut.

    >>> as_datetime(0).isoformat()
    '1970-01-01T00:00:00+00:00'
    """
    return _EPOCH + min(max(microseconds, _EARLIEST), _LATEST) * _MICROSECOND


def span(batches: Iterable[pa.RecordBatch], time: str) -> Span | None:
    """The first and the last event time, or None when there is none at all."""
    found: Span | None = None
    for batch in batches:
        if time in batch.schema.names:
            found = merge(found, array_span(to_times(batch.column(time))[0]))
    return found


def array_span(times: pa.Array) -> Span | None:
    """The first and the last of these timestamps, or None when all are null."""
    ends = pc.min_max(times.cast(pa.int64()))
    if not ends["min"].is_valid:
        return None
    return as_datetime(ends["min"].as_py()), as_datetime(ends["max"].as_py())


def merge(one: Span | None, other: Span | None) -> Span | None:
    """The span over both."""
    if one is None or other is None:
        return one or other
    return min(one[0], other[0]), max(one[1], other[1])


def _parsed(texts: pa.Array) -> pa.Array:
    nothing = pa.scalar(None, pa.string())
    texts = pc.if_else(pc.match_substring_regex(texts, _ISO), texts, nothing)
    # One form for all: with a clock, an offset, and no more than microseconds.
    texts = pc.if_else(
        pc.match_substring_regex(texts, _HAS_CLOCK),
        texts,
        pc.binary_join_element_wise(texts, "T00", ""),
    )
    texts = pc.if_else(
        pc.match_substring_regex(texts, _HAS_OFFSET),
        texts,
        pc.binary_join_element_wise(texts, "Z", ""),
    )
    texts = pc.replace_substring_regex(texts, r"(\.\d{6})\d+", r"\1")
    try:
        return texts.cast(TIME)
    except pa.ArrowInvalid:  # a day that its month does not have, such as 2013-02-30
        encoded = texts.dictionary_encode()
        times = [_one(text) for text in encoded.dictionary.to_pylist()]
        return pa.array(times, TIME).take(encoded.indices)


def _one(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
