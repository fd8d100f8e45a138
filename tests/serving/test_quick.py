"""Whatever the quick way answers, the careful way answers alike; what is at fault it declines."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.serving.batch import Moment
from components.serving.codec import decode_rows, parse_json
from components.serving.domain import Domain
from components.serving.ids import Ids
from components.serving.quick import QuickRows
from components.serving.quick_tensors import QuickTensors
from components.serving.refusal import RequestError
from components.serving.tensors import decode_tensors
from components.spec.model import Columns
from tests.serving.bodies import MOST, row_bodies, tensor_bodies

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
    quick, careful = tensors_both_ways(columns, data.draw(tensor_bodies(columns)))
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


@pytest.mark.parametrize("datatype", ["FP64", "FP32"])
def test_nested_data_of_flat_columns_is_declined(datatype):
    tensors = ",".join(
        f'{{"name":"{name}","shape":[2],"datatype":"{datatype}","data":[[1],[2]]}}'
        for name in ("a", "b:c")
    )
    quick, careful = tensors_both_ways(NUMBERS, f'{{"inputs":[{tensors}]}}'.encode())

    assert quick is None
    assert careful[0] == 422


def test_quick_and_careful_agree_on_how_single_precision_rounds():
    tensor = '{"name":"x","shape":[1,2],"datatype":"FP32","data":[0.1,16777217]}'
    quick, _ = tensors_both_ways(NUMBERS, f'{{"inputs":[{tensor}]}}'.encode())

    assert quick[2] == [[0.10000000149011612, 16777216.0]]


def test_a_text_as_short_as_data_can_be_is_declined():
    tensor = '{"name":"x","shape":[1,2],"datatype":"FP64","data":5}'

    assert tensors_both_ways(NUMBERS, f'{{"inputs":[{tensor}]}}'.encode())[0] is None
