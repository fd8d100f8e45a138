"""The quick way to read a request: typed decoding, made once for each release.

It reads the bodies that most clients send and declines every other one, right or wrong; what is
declined goes the careful way (`codec`, `tensors`), which says precisely what is wrong. So both ways
have to agree wherever this one answers. Two things that typed decoding would let pass are ruled out
here: a key that one object has twice, and an integer that a double would round.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from components.data.feature_rows import FeatureRows
from components.data.spelling import category_text
from components.serving.batch import Batch, Moment, make_batch
from components.serving.domain import Domain

# From here on a double cannot tell all integers apart.
_EXACT = 2.0**53
_Text = str | None
_Optional = str | None | UnsetType
# What msgspec raises for a body that is not of the form, that is no UTF-8, or too deep.
DECLINED = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)


class QuickRows:
    """Reads `{"rows": [{column: value, ...}, ...]}` for one release.

    Columns of id and time may be left out. Declined are other keys, numbers in categorical columns,
    truth values in numeric ones, escapes, and whatever is at fault.
    """

    def __init__(self, domain: Domain, max_rows: int) -> None:
        columns = domain.columns
        numeric = [f"n{place}" for place in range(len(columns.numeric))]
        categorical = [f"c{place}" for place in range(len(columns.categorical))]
        fields: list[Any] = [(name, float | None) for name in numeric]
        fields += [(name, _Text) for name in categorical]
        fields += [("row_id", _Optional, UNSET), ("time", _Optional, UNSET)]
        # Fields have names of ours, so that columns may have any.
        named = dict(zip([*numeric, *categorical], columns.features, strict=True))
        named |= {"row_id": columns.id, "time": columns.time}
        row = msgspec.defstruct("Row", fields, rename=named, forbid_unknown_fields=True, gc=False)
        body = msgspec.defstruct("Body", [("rows", list[row])], forbid_unknown_fields=True)  # type: ignore[valid-type] # made at run time
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(body).decode
        self._numeric, self._categorical = _getter(numeric), _getter(categorical)
        self._domain = domain
        self._max_rows = max_rows
        self._keys = sum(1 + name.count(":") for name in columns.features)
        self._own_colons = columns.id.count(":"), columns.time.count(":")

    def read(self, body: bytes, moment: Moment) -> Batch | None:
        """The rows, or None where the careful way has to look.

        Raises:
            RequestError: for an event time that is none, and for times in too many hours.
        """
        if b"\\" in body:
            return None
        try:
            rows = self._decode(body).rows
        except DECLINED:
            return None
        if len(rows) == 1:
            return self._one(body, rows[0], moment)
        if not 0 < len(rows) <= self._max_rows:
            return None
        ids, times = [row.row_id for row in rows], [row.time for row in rows]
        texts = [self._categorical(row) for row in rows]
        if not self._once(body, ids, times, texts):
            return None
        numeric = np.array([self._numeric(row) for row in rows], dtype=np.float64)
        columns = list(map(list, zip(*texts, strict=True)))
        return batch_of(self._domain, numeric, columns, ids, times, moment)

    def _one(self, body: bytes, row: Any, moment: Moment) -> Batch | None:
        """The same for a single row, which most requests have: every step at its cheapest."""
        row_id, time = row.row_id, row.time
        numbers, texts = self._numeric(row), self._categorical(row)
        keys = 1 + self._keys
        if row_id is not UNSET:
            keys += 1 + self._own_colons[0]
        if time is not UNSET:
            keys += 1 + self._own_colons[1]
        more = body.count(b":") - keys
        if more and more != colons(texts) + colons((row_id, time)):
            return None
        plain = self._domain.plain_row(numbers)
        numeric = np.array([numbers], dtype=np.float64)
        if not plain and (np.abs(numeric) >= _EXACT).any():
            return None
        features = FeatureRows(numeric, _spelled(self._domain, [[text] for text in texts]))
        if row_id is UNSET and time is UNSET:
            return Batch([moment.ids.next()], [moment.now], features, plain)
        return _named(self._domain, features, [row_id], [time], moment, plain)

    def _once(self, body: bytes, ids: list[Any], times: list[Any], texts: list[Any]) -> bool:
        """Whether no key is there twice: as many colons as the keys and the texts found have.

        Without escapes a colon is one that follows a key, or one within a key or a text. A key
        that was there before brings one more, and its lost value perhaps others.
        """
        count = len(ids)
        given = count - ids.count(UNSET), count - times.count(UNSET)
        keys = 1 + count * self._keys
        keys += sum(n * (1 + own) for n, own in zip(given, self._own_colons, strict=True))
        more = body.count(b":") - keys
        if more:
            more -= colons(ids) + colons(times) + sum(map(colons, texts))
        return not more


def batch_of(
    domain: Domain,
    numeric: NDArray[np.float64],
    texts: list[list[Any]],
    ids: list[Any],
    times: list[Any],
    moment: Moment,
) -> Batch | None:
    """The batch, or None where a number may have been rounded."""
    plain = domain.plain(numeric)
    if not plain and (np.abs(numeric) >= _EXACT).any():
        return None
    features = FeatureRows(numeric, _spelled(domain, texts))
    return _named(domain, features, ids, times, moment, plain)


def _spelled(domain: Domain, texts: list[list[Any]]) -> list[list[str | None]]:
    """Each category in its one spelling, which those of training have already."""
    for place, column in enumerate(texts):
        seen = domain.known[place]
        if seen is None or not seen.issuperset(column):
            spelled = {text: category_text(text) for text in set(column)}
            texts[place] = [spelled[text] for text in column]
    return texts


def _named(
    domain: Domain,
    features: FeatureRows,
    ids: list[Any],
    times: list[Any],
    moment: Moment,
    plain: bool,
) -> Batch:
    """The batch with ids and times, those that were left out from us."""
    batch = make_batch(
        features,
        [None if value is UNSET else value for value in ids],
        [None if value is UNSET else value for value in times],
        domain.columns,
        moment,
    )
    return Batch(batch.row_ids, batch.event_times, features, plain)


def colons(values: Any) -> int:
    """How many colons the texts among these values hold."""
    return sum(value.count(":") for value in values if isinstance(value, str))


def _getter(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Takes these attributes as a tuple, however many they are."""
    if len(names) > 1:
        return attrgetter(*names)
    if names:
        one = attrgetter(names[0])
        return lambda row: (one(row),)
    return lambda _row: ()
