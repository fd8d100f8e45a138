"""Whatever the quick way answers, the careful way answers alike; what is at fault it declines."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.serving.batch import Moment
from components.serving.codec import decode_rows, parse_json
from components.serving.domain import Domain
from components.serving.ids import Ids
from components.serving.quick import QuickRows, QuickTensors
from components.serving.refusal import RequestError
from components.serving.tensors import decode_tensors
from components.spec.model import Columns

MOST = 3
MOMENT = Moment(datetime(2024, 3, 1, tzinfo=UTC), Ids())
MIXED = Columns(
    id="id", time="t:1", target="y", numeric=["a", "b:c", "ü"], categorical=["site", "if"]
)
NUMBERS = Columns(id="id", time="t:1", target="y", numeric=["a", "b:c"])


def domain(columns, refuse=False):
    known = [frozenset({"north", "7", "x:y"}), None][: len(columns.categorical)]
    nulls = frozenset(columns.features)
    ranges = [(-10.0, 10.0)] * len(columns.numeric)
    return Domain(columns, ranges, known, nulls, refuse=refuse)


def rows_both_ways(columns, body):
    quick = attempt(lambda: QuickRows(domain(columns), MOST).read(body, MOMENT))
    return quick, attempt(lambda: decode_rows(parse_json(body), columns, MOST, MOMENT))


def tensors_both_ways(columns, body):
    quick = attempt(lambda: QuickTensors(domain(columns), MOST).read(body, MOMENT))

    def careful():
        document = parse_json(body)
        return decode_tensors(document, columns, MOST, MOMENT), document.get("id")

    return quick, attempt(careful)


def attempt(read):
    """A batch in plain values, with other ids than ours; a refusal as its text; or None."""
    try:
        found = read()
    except RequestError as error:
        return error.status, str(error)
    batch, own = found if isinstance(found, tuple) else (found, None)
    if batch is None:
        return None
    ids = ["ours" if row_id.startswith(MOMENT.ids._prefix) else row_id for row_id in batch.row_ids]
    numeric = [
        [None if value != value else value for value in row] for row in batch.features.numeric
    ]
    return ids, batch.event_times, numeric, list(batch.features.categorical), own


NUMBER = st.sampled_from(
    ["0", "-0", "1", "-7", "0.5", "1.0", "1e3", "1E-2", "-1.7e308", "1e-400", "9007199254740991",
     "9007199254740992", "9007199254740993", "-9007199254740993", "9007199254740993.0",
     "123456789012345678901234567890", "12345678.123456789", "null", "2147483648"]
)  # fmt: skip
TEXT = st.sampled_from(
    ['"north"', '"7"', '"7.0"', '"True"', '""', '"x:y"', '"::"', '"snö"', '"\\u0041"', '"a\\"b"',
     '"2024-03-05T12:30:00+02:00"', '"2024-03-05"', "null"]
)  # fmt: skip
ODD = st.sampled_from(
    ["NaN", "Infinity", "1e999", "01", "1.", ".5", "+1", "true", "[]", "{}", '{"a":1}', '"\ud800"',
     '"\x01"', '"\\ud800"', "1" * 5000, "[[1]]", "tru", ""]
)  # fmt: skip
SPACE = st.sampled_from(["", " ", "\n\t "])


@st.composite
def objects(draw, columns):
    """A row's text: mostly right, sometimes with keys left out or repeated, or wrong values."""
    keys = [*columns.features, *draw(st.lists(st.sampled_from([columns.id, columns.time])))]
    if draw(st.integers(0, 3)) == 0:
        keys += draw(st.lists(st.sampled_from([*columns.features, "more", "a:"]), max_size=2))
        keys = keys[draw(st.integers(0, 1)) :]
    pairs = []
    for key in draw(st.permutations(keys)):
        odd = draw(st.integers(0, 15)) == 0
        value = draw(ODD if odd else NUMBER if key in columns.numeric else TEXT)
        pairs.append(f'"{key}"{draw(SPACE)}:{draw(SPACE)}{value}')
    return "{" + ",".join(pairs) + "}"


@st.composite
def row_bodies(draw, columns):
    rows = ",".join(draw(st.lists(objects(columns), max_size=MOST + 1)))
    body = f'{{"rows":{draw(SPACE)}[{rows}]}}'
    body += draw(st.sampled_from(["", "", "", " ", "x", "\0"]))
    if draw(st.integers(0, 9)) == 0:
        body = body.replace(
            '{"rows"', draw(st.sampled_from(['{"rows":[],"rows"', '{"more":":","rows"']))
        )
    return body.encode("utf-8", "surrogatepass")


@st.composite
def tensor_texts(draw, columns):
    count = draw(st.sampled_from([0, 1, 1, 2, 2, 3, 4]))
    names = [*columns.features, *draw(st.lists(st.sampled_from([columns.id, columns.time])))]
    if draw(st.integers(0, 3)) == 0:
        names += draw(st.lists(st.sampled_from([*columns.features, "more"]), max_size=1))
        names = names[draw(st.integers(0, 1)) :]
    inputs = [draw(tensor(name, count, name in columns.numeric)) for name in names]
    if draw(st.integers(0, 2)) == 0:
        inputs = [draw(matrix(count, len(columns.features)))]
    own = draw(st.sampled_from(["", "", '"id":"mine",', '"id":null,', '"id":"a:b",', '"id":7,']))
    return f'{{{own}"inputs":[{",".join(inputs)}]}}'.encode("utf-8", "surrogatepass")


@st.composite
def tensor(draw, name, count, is_number):
    usual, others = (
        (["FP64"], ["FP32", "INT64", "INT32", "BOOL"]) if is_number else (["BYTES"], ["INT8"])
    )
    kind = draw(st.sampled_from(usual * 8 + others))
    size = count if draw(st.integers(0, 15)) else count + 1
    shape = (
        f"[{count}]"
        if draw(st.integers(0, 9))
        else draw(st.sampled_from([f"[{count},1]", "[-1]", "[]", "1"]))
    )
    value = NUMBER if is_number else TEXT
    odd = draw(st.integers(0, 15)) == 0
    data = ",".join(draw(ODD if odd else value) for _ in range(size))
    pairs = [f'"name":"{name}"', f'"shape":{shape}', f'"datatype":"{kind}"', f'"data":[{data}]']
    if draw(st.integers(0, 15)) == 0:
        pairs += [draw(st.sampled_from([*pairs, '"parameters":{}', '"data":5', '"name":"a"']))]
    return "{" + ",".join(draw(st.permutations(pairs))) + "}"


@st.composite
def matrix(draw, count, width):
    width += draw(st.sampled_from([0] * 9 + [1, -1]))
    rows = [[draw(NUMBER) for _ in range(width)] for _ in range(count)]
    if draw(st.integers(0, 9)) == 0 and rows:
        rows[-1] = rows[-1][:-1]
    texts = [",".join(row) for row in rows]
    nested = draw(st.booleans())
    data = ",".join(f"[{text}]" for text in texts) if nested else ",".join(filter(None, texts))
    kind = draw(st.sampled_from(["FP64", "FP64", "FP32", "INT64", "BYTES"]))
    return f'{{"name":"x:0","shape":[{count},{width}],"datatype":"{kind}","data":[{data}]}}'


@pytest.mark.parametrize("columns", [MIXED, NUMBERS], ids=["mixed", "numbers"])
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_rows_are_read_alike_or_declined(columns, data):
    quick, careful = rows_both_ways(columns, data.draw(row_bodies(columns)))
    assert quick in (None, careful)


@pytest.mark.parametrize("columns", [MIXED, NUMBERS], ids=["mixed", "numbers"])
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_tensors_are_read_alike_or_declined(columns, data):
    quick, careful = tensors_both_ways(columns, data.draw(tensor_texts(columns)))
    assert quick in (None, careful)


def row(**changed):
    values = {"a": "1", "b:c": "-0.5", "ü": "null", "site": '"north"', "if": '"x:y"', **changed}
    return "{" + ",".join(f'"{key}":{value}' for key, value in values.items()) + "}"


@pytest.mark.parametrize(
    "text",
    [
        row(),
        row(id='"p:1"', **{"t:1": '"2024-03-05T12:30:00Z"'}),
        row(site='"new"', a="1e6"),
        row(site='"7.0"', id="null"),
        f"{row()} , {row(site='null')}",
    ],
)
def test_what_most_clients_send_is_read_quickly(text):
    quick, careful = rows_both_ways(MIXED, f'{{"rows": [{text}]}}'.encode())

    assert quick == careful
    assert quick is not None


@pytest.mark.parametrize(
    "text",
    [
        row().replace('"a":1', '"a":1,"a":1'),
        row().replace('"site":"north"', '"site":"x:y","site":"north"'),
        row(**{"if": '"a:b"'}).replace('"a":1', '"a":2,"a":1'),
        row(a="9007199254740993"),
        row(a="-9007199254740993"),
        row(site='"\\u0041"'),
        row(more="1"),
        row(a="true"),
        row(site="7"),
        f"{row()},{row()},{row()},{row()}",
        "",
    ],
)
def test_what_typed_decoding_might_take_for_something_else_is_declined(text):
    quick, careful = rows_both_ways(MIXED, f'{{"rows": [{text}]}}'.encode())

    assert quick is None
    assert careful is not None


@pytest.mark.parametrize(
    "tensor",
    [
        '{"name":"x:0","shape":[2,2],"datatype":"FP64","data":[1,2,null,4.5]}',
        '{"name":"x","shape":[2,2],"datatype":"FP64","data":[[1,2],[null,4.5]]}',
        '{"name":"x","shape":[2,2],"datatype":"FP32","data":[0.1,2,3,4.5]}',
        '{"name":"x","shape":[1,2],"datatype":"INT64","data":[1,2]}',
        '{"name":"a","shape":[1],"datatype":"INT32","data":[1]},'
        '{"name":"b:c","shape":[1],"datatype":"FP64","data":[null]}',
    ],
)
def test_a_matrix_and_named_columns_are_read_quickly(tensor):
    quick, careful = tensors_both_ways(NUMBERS, f'{{"id":"a:b","inputs":[{tensor}]}}'.encode())

    assert quick == careful
    assert quick is not None


def test_quick_and_careful_agree_on_how_single_precision_rounds():
    tensor = '{"name":"x","shape":[1,2],"datatype":"FP32","data":[0.1,16777217]}'
    quick, _ = tensors_both_ways(NUMBERS, f'{{"inputs":[{tensor}]}}'.encode())

    assert quick[2] == [[0.10000000149011612, 16777216.0]]


def test_a_text_as_short_as_data_can_be_is_declined():
    tensor = '{"name":"x","shape":[1,2],"datatype":"FP64","data":5}'

    assert tensors_both_ways(NUMBERS, f'{{"inputs":[{tensor}]}}'.encode())[0] is None
