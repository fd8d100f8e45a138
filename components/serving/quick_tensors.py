"""The quick way to read the Open Inference Protocol's tensors: see `components.serving.quick`."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from components.data.feature_rows import FeatureRows
from components.serving.batch import Batch, Moment
from components.serving.domain import Domain
from components.serving.quick import DECLINED, batch_of, colons


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
        except DECLINED:
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
        return batch_of(self._domain, numbers.reshape(count, width), [], missing, missing, moment)

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
        return batch_of(
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
        more -= colons([request.id]) + sum(
            tensor.name.count(":") + bytes(tensor.data).count(b":") for tensor in inputs
        )
        # Data that holds an object is no list of texts, and declined when it is read.
    return not more
