"""Bodies of requests: right ones, nearly right ones, and whatever else a client may send."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field

from hypothesis import strategies as st

MOST = 3


@dataclass(frozen=True)
class Sent:
    """A body, the endpoint that it is meant for, and the headers that come with it."""

    kind: str
    body: bytes
    headers: dict = field(default_factory=dict)


NUMBERS = ["0", "-0", "1", "-7", "0.5", "1.0", "1e3", "1E-2", "1e-400", "12345678.123456789"]
EDGES = [
    "null", "-1.7e308", "9007199254740991", "9007199254740992", "9007199254740993", "2147483648",
    "-9007199254740993", "9007199254740993.0", "123456789012345678901234567890",
]  # fmt: skip
TEXTS = ['"north"', '"day"', '"7"', '"7.0"', '"True"', '"x:y"', '"::"', '"snö"', '"\\u0041"']
TIMES = ['"2024-03-05T12:30:00+02:00"', '"2024-03-05"', '"2024-03-05T12:30:00Z"']
ODD = [
    "NaN", "Infinity", "1e999", "01", "1.", ".5", "+1", "true", "[]", "{}", '{"a":1}', '"\ud800"',
    '"\x01"', '"\\ud800"', "1" * 5000, "[[1]]", "tru", "", "null", '""', '"a\\"b"',
]  # fmt: skip


class Draws:
    """What a body is drawn with: half of them are flawless, and in the others each flaw is rare."""

    def __init__(self, draw, columns):
        self._draw = draw
        self.columns = columns
        self._flawed = draw(st.booleans())
        self._numbers = st.sampled_from([*NUMBERS, *EDGES] if draw(st.booleans()) else NUMBERS)

    def one(self, choices):
        return self._draw(st.sampled_from(choices))

    def flaw(self, one_in):
        return self._flawed and self._draw(st.integers(1, one_in)) == 1

    def space(self):
        return self.one(["", "", " ", "\n\t "])

    def names(self):
        """The columns to send: id and time or not, sometimes one twice, or one too few."""
        columns = self.columns
        names = [*columns.features, *self.one([[], [], [columns.id], [columns.id, columns.time]])]
        if self.flaw(4):
            names += self.one([[], ["more"], ["a:"], [columns.features[0]], [columns.id]])
            names = names[self.one([0, 1]) :]
        return self._draw(st.permutations(names))

    def value(self, name):
        if self.flaw(16):
            return self.one(ODD)
        if name in self.columns.numeric:
            return self._draw(self._numbers)
        return self.one(TIMES if name == self.columns.time else TEXTS)


@st.composite
def row_bodies(draw, columns):
    """The text of a request to `/predict`."""
    draws = Draws(draw, columns)

    def row():
        pairs = [
            f'"{name}"{draws.space()}:{draws.space()}{draws.value(name)}' for name in draws.names()
        ]
        return "{" + ",".join(pairs) + "}"

    count = draws.one([0, MOST + 1]) if draws.flaw(8) else draws.one([1, 2, MOST])
    body = f'{{"rows":{draws.space()}[{",".join(row() for _ in range(count))}]}}'
    if draws.flaw(8):
        body += draws.one([" ", "x", "\0"])
    if draws.flaw(8):
        body = body.replace('{"rows"', draws.one(['{"rows":[],"rows"', '{"more":":","rows"']))
    return body.encode("utf-8", "surrogatepass")


@st.composite
def tensor_bodies(draw, columns):
    """The text of a request to `/infer`: a tensor a column, or a matrix."""
    draws = Draws(draw, columns)
    count = draws.one([0, MOST + 1]) if draws.flaw(8) else draws.one([1, 2, MOST])
    if draws.one([False, False, True]):
        inputs = [_matrix(draws, count)]
    else:
        inputs = [_tensor(draws, name, count) for name in draws.names()]
    own = draws.one(["", "", '"id":"mine",', '"id":null,', '"id":"a:b",'])
    if draws.flaw(16):
        own = '"id":7,'
    return f'{{{own}"inputs":[{",".join(inputs)}]}}'.encode("utf-8", "surrogatepass")


def _tensor(draws, name, count):
    numeric = name in draws.columns.numeric
    kind = draws.one(["FP64", "FP64", "FP32"]) if numeric else "BYTES"
    if draws.flaw(8):
        kind = draws.one(["INT64", "INT32", "BOOL", "INT8", "FP8"])
    size = count + 1 if draws.flaw(16) else count
    shape = f"[{count}]"
    if draws.flaw(10):
        shape = draws.one([f"[{count},1]", "[-1]", "[]", "1"])
    data = ",".join(draws.value(name) for _ in range(size))
    pairs = [f'"name":"{name}"', f'"shape":{shape}', f'"datatype":"{kind}"', f'"data":[{data}]']
    if draws.flaw(16):
        pairs.append(draws.one([*pairs, '"parameters":{}', '"data":5', '"name":"a"']))
    return "{" + ",".join(pairs) + "}"


def _matrix(draws, count):
    names = draws.columns.features
    width = len(names) + (draws.one([1, -1]) if draws.flaw(8) else 0)
    rows = [[draws.value(name) for name in (*names, names[0])[:width]] for _ in range(count)]
    if draws.flaw(10) and rows:
        rows[-1] = rows[-1][:-1]
    texts = [",".join(row) for row in rows]
    nested = draws.one([False, True])
    data = ",".join(f"[{text}]" for text in texts) if nested else ",".join(filter(None, texts))
    kind = draws.one(["INT64", "BYTES"]) if draws.flaw(8) else draws.one(["FP64", "FP32"])
    return f'{{"name":"x:0","shape":[{count},{width}],"datatype":"{kind}","data":[{data}]}}'


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["north", "7", "2024-03-01", 1e308, -1e308, 10**400])
)
JSONS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
EXTREME = st.sampled_from([None, 0, -0.0, 1.7e308, -1.7e308, 5e-324, 2**53, True])


def documents(columns):
    """Documents of the right form with anything in them."""
    named = [*columns.features, columns.id, columns.time]
    rows = st.fixed_dictionaries({}, optional=dict.fromkeys(named, JSONS))
    answerable = st.fixed_dictionaries(
        dict.fromkeys(columns.numeric, EXTREME)
        | dict.fromkeys(columns.categorical, st.text(max_size=3) | st.none() | st.integers())
    )
    tensors = st.fixed_dictionaries(
        {"name": st.sampled_from(named) | JSONS},
        optional={
            "shape": st.lists(st.integers(-1, 3), max_size=3) | JSONS,
            "datatype": st.sampled_from(["FP64", "FP32", "INT64", "BOOL", "BYTES"]) | JSONS,
            "data": st.lists(SCALARS, max_size=3) | JSONS,
        },
    )
    return (
        JSONS
        | st.fixed_dictionaries({"rows": st.lists(rows | answerable, max_size=4) | JSONS})
        | st.fixed_dictionaries(
            {"inputs": st.lists(tensors, max_size=5) | JSONS},
            optional={"outputs": JSONS, "id": JSONS},
        )
    )


@st.composite
def damaged(draw, whole):
    """A body with some bytes changed, lost or added."""
    body = bytearray(draw(whole))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(body)))
        body[place : place + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(body)


@st.composite
def any_body(draw, columns):
    """Any of these, perhaps compressed, perhaps not as its headers say."""
    texts = row_bodies(columns) | tensor_bodies(columns)
    written = documents(columns).map(lambda document: json.dumps(document).encode())
    body = draw(st.binary(max_size=30) | written | texts | texts | damaged(texts))
    kind = "infer" if b'"inputs"' in body else "predict"
    headers = draw(
        st.sampled_from([{}] * 6 + [{"content-encoding": "gzip"}, {"content-encoding": "br"}])
    )
    if headers.get("content-encoding") == "gzip":
        packed = gzip.compress(body)
        body = draw(st.sampled_from([packed, packed, body, packed[:-3], packed + b"x"]))
    return Sent(kind, body, headers | draw(st.sampled_from([{}, {"accept-encoding": "gzip"}])))
