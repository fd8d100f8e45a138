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
_DECLINED = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)


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
        except _DECLINED:
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
        return _batch(self._domain, numeric, columns, ids, times, moment)

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
        if more and more != _colons(texts) + _colons((row_id, time)):
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
            more -= _colons(ids) + _colons(times) + sum(map(_colons, texts))
        return not more


class _Tensor(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw


class _Inference(msgspec.Struct, forbid_unknown_fields=True):
    inputs: list[_Tensor]
    id: str | UnsetType = UNSET


_decode_inference = msgspec.json.Decoder(_Inference).decode
_decode_numbers = msgspec.json.Decoder(list[float | None]).decode
_decode_nested = msgspec.json.Decoder(list[list[float | None]]).decode
_decode_integers = msgspec.json.Decoder(list[int | None]).decode
_decode_texts = msgspec.json.Decoder(list[str | None]).decode
_SINGLE = float(np.finfo(np.float32).max)


class QuickTensors:
    """Reads the tensors of the Open Inference Protocol for one release: a column each, or a matrix.

    Declined are requests with parameters or a choice of outputs, rarer datatypes, columns of shape
    [n, 1], escapes, and whatever is at fault.
    """

    def __init__(self, domain: Domain, max_rows: int) -> None:
        columns = domain.columns
        self._domain = domain
        self._max_rows = max_rows
        self._numeric = {name: place for place, name in enumerate(columns.numeric)}
        self._texts = {name: place for place, name in enumerate(columns.categorical)}
        self._features = len(columns.features)
        self._own = {columns.id, columns.time}
        self._matrix = not columns.categorical

    def read(self, body: bytes, moment: Moment) -> tuple[Batch, str | None] | None:
        """The rows and the request's own id, or None where the careful way has to look.

        Raises:
            RequestError: for an event time that is none, and for times in too many hours.
        """
        if b"\\" in body:
            return None
        try:
            request = _decode_inference(body)
            if not _each_once(body, request):
                return None
            inputs = request.inputs
            if len(inputs) == 1 and self._matrix and not self._is_column(inputs[0].name):
                batch = self._from_matrix(inputs[0], moment)
            else:
                batch = self._from_columns(inputs, moment)
        except _DECLINED:
            return None
        if batch is None:
            return None
        return batch, None if request.id is UNSET else str(request.id)

    def _is_column(self, name: str) -> bool:
        return name in self._numeric or name in self._own

    def _from_matrix(self, tensor: _Tensor, moment: Moment) -> Batch | None:
        if len(tensor.shape) != 2:
            return None
        count, width = tensor.shape
        if not 0 < count <= self._max_rows or width != self._features:
            return None
        if count == 1 and tensor.datatype == "FP64" and not _is_nested(tensor.data):
            values = _decode_numbers(tensor.data)
            plain = len(values) == width and self._domain.plain_row(values)
            if plain:  # what most requests hold: every step at its cheapest
                features = FeatureRows(np.array([values]), [])
                return Batch([moment.ids.next()], [moment.now], features, plain)
        numbers = _numbers(tensor)
        if numbers is None or numbers.size != count * width:
            return None
        if numbers.ndim == 2 and numbers.shape != (count, width):
            return None
        missing = [UNSET] * count
        return _batch(self._domain, numbers.reshape(count, width), [], missing, missing, moment)

    def _from_columns(self, inputs: list[_Tensor], moment: Moment) -> Batch | None:
        shape = inputs[0].shape if inputs else []
        if len(shape) != 1 or not 0 < shape[0] <= self._max_rows:
            return None
        count = shape[0]
        numeric: list[Any] = [None] * len(self._numeric)
        texts: list[Any] = [None] * len(self._texts)
        own: dict[str, list[Any]] = {}
        for tensor in inputs:
            if tensor.shape != shape:
                return None
            place = self._numeric.get(tensor.name)
            if place is not None:
                values = _number_column(tensor)
                if values is None or len(values) != count or numeric[place] is not None:
                    return None
                numeric[place] = values
                continue
            if tensor.datatype != "BYTES":
                return None
            found = _decode_texts(tensor.data)
            if len(found) != count:
                return None
            place = self._texts.get(tensor.name)
            if place is not None and texts[place] is None:
                texts[place] = found
            elif tensor.name in self._own and tensor.name not in own:
                own[tensor.name] = found
            else:
                return None
        if any(column is None for column in (*numeric, *texts)):
            return None
        columns, missing = self._domain.columns, [UNSET] * count
        matrix = np.array(numeric, dtype=np.float64).T if numeric else np.empty((count, 0))
        return _batch(
            self._domain,
            np.ascontiguousarray(matrix),
            texts,
            own.get(columns.id, missing),
            own.get(columns.time, missing),
            moment,
        )


def _number_column(tensor: _Tensor) -> list[float | None] | NDArray[np.float64] | None:
    """A column's numbers, flat; None where something is not plain."""
    if tensor.datatype == "FP64":  # one array of all columns is made quicker than one of each
        return _decode_numbers(tensor.data)
    numbers = _numbers(tensor)
    return None if numbers is None or numbers.ndim != 1 else numbers


def _numbers(tensor: _Tensor) -> NDArray[np.float64] | None:
    """A tensor's numbers, (values,) or as they are nested; None where something is not plain."""
    data, datatype = tensor.data, tensor.datatype
    if datatype in ("FP64", "FP32"):
        values: Any = _decode_nested(data) if _is_nested(data) else _decode_numbers(data)
        numbers = np.array(values, dtype=np.float64)
        if datatype == "FP32":
            if (np.abs(numbers) > _SINGLE).any():
                return None
            numbers = numbers.astype(np.float32).astype(np.float64)
        return numbers
    if datatype in ("INT64", "INT32"):
        numbers = np.array(_decode_integers(data), dtype=np.float64)
        if datatype == "INT32" and (np.abs(numbers) >= 2.0**31).any():
            return None
        return numbers
    return None


def _is_nested(data: msgspec.Raw) -> bool:
    return memoryview(data)[1:2].tobytes() == b"["


def _each_once(body: bytes, request: _Inference) -> bool:
    """Whether no key is there twice: see `QuickRows`."""
    inputs = request.inputs
    keys = 1 + 4 * len(inputs) + (request.id is not UNSET)
    more = body.count(b":") - keys
    if more:
        more -= _colons([request.id]) + sum(
            tensor.name.count(":") + bytes(tensor.data).count(b":") for tensor in inputs
        )
        # Data that holds an object is no list of texts, and declined when it is read.
    return not more


def _batch(
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


def _colons(values: Any) -> int:
    return sum(value.count(":") for value in values if isinstance(value, str))


def _getter(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Takes these attributes as a tuple, however many they are."""
    if len(names) > 1:
        return attrgetter(*names)
    if names:
        one = attrgetter(names[0])
        return lambda row: (one(row),)
    return lambda _row: ()
