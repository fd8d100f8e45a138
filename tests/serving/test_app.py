import gzip
import json
import socket
import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings

from components.core.storage import Store
from components.core.window import Window
from components.data.frame import features_frame
from components.data.predictions import read_predictions
from components.release.package import load_release
from components.serving.batch import MAX_HOURS, Moment
from components.serving.codec import decode_rows
from components.serving.ids import Ids
from components.serving.log import PredictionLog
from components.serving.outgoing import to_rows, to_tensors
from components.serving.tensors import decode_tensors
from components.spec.model import Columns
from tests.serving.bodies import any_body

KINDS = ["binary", "words", "truth", "multiclass", "regression"]
# With a look at all keys for each of them, this one body would occupy the server for minutes.
MANY_KEYS = b"{" + b",".join(b'"k%d":0' % key for key in [*range(200_000), 199_999]) + b"}"
NUMERIC, TEXTS = ["load", "age"], ["site", "shift"]
ROW = {"load": 0.5, "age": 12, "site": "north", "shift": "day"}


def post(client, document, path="/predict", headers=None):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    status, headers, content = client.request("POST", path, body, headers)
    assert headers["content-type"] == "application/json"
    return status, json.loads(content)


def infer(client, document):
    return post(client, document, "/v2/models/pumps/infer")


def tensors(count=2, **changed):
    """Inputs that are answered, with some of them changed; None leaves one out."""
    good = {
        "load": {"datatype": "FP64", "data": [0.5] * count},
        "age": {"datatype": "INT64", "data": [12] * count},
        "site": {"datatype": "BYTES", "data": ["north"] * count},
        "shift": {"datatype": "BYTES", "data": ["day"] * count},
    }
    merged = {name: {**tensor, **(changed.get(name) or {})} for name, tensor in good.items()}
    return [
        {"name": name, "shape": [count], **tensor}
        for name, tensor in merged.items()
        if changed.get(name, tensor) is not None
    ]


@pytest.fixture(scope="module")
def client(live, served):
    with live(served("binary")) as client:
        yield client


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_target_is_answered_as_the_model_answers(
    kind, live, served, releases, make_rows
):
    release = load_release(releases(kind))
    table, columns = make_rows(kind, count=120, seed=3), release.spec.columns
    expected = release.model().predict(features_frame(table, columns))

    with live(served(kind)) as client:
        rows = client.predict(to_rows(table, columns))
        answer = client.infer("pumps", to_tensors(table, columns))

    labels = expected.prediction.tolist()
    if kind == "regression":  # ONNX adds the trees' answers up in another order
        labels = pytest.approx(labels, rel=1e-12, abs=1e-12)
    assert [one["id"] for one in rows["predictions"]] == table.column("pump").to_pylist()
    assert [one["prediction"] for one in rows["predictions"]] == labels
    outputs = {tensor["name"]: tensor for tensor in answer["outputs"]}
    assert outputs["prediction"]["data"] == labels
    assert outputs["prediction"]["shape"] == [120]
    if kind == "regression":
        assert "probability" not in outputs
        assert set(rows["predictions"][0]) == {"id", "prediction"}
        return
    shares = [list(one["probability"].values()) for one in rows["predictions"]]
    np.testing.assert_allclose(shares, expected.probability, atol=1e-12)
    assert outputs["probability"]["shape"] == list(expected.probability.shape)
    np.testing.assert_allclose(outputs["probability"]["data"], expected.probability.ravel())


@pytest.mark.parametrize(
    ("kind", "names"),
    [("binary", ["0", "1"]), ("words", ["no", "yes"]), ("truth", ["false", "true"])],
)
def test_probabilities_are_by_the_classes_names(kind, names, live, served):
    with live(served(kind)) as client:
        answer = client.predict([ROW])

    assert list(answer["predictions"][0]["probability"]) == names
    assert (answer["model"], answer["release"]) == ("pumps", "2024-03-09-abc")


def test_a_classifier_without_probabilities_gives_labels_alone(live, served):
    with live(served("binary", estimator="sklearn.svm.LinearSVC")) as client:
        assert set(client.predict([ROW])["predictions"][0]) == {"id", "prediction"}
        described = json.loads(client.request("GET", "/v2/models/pumps")[2])
        assert [one["name"] for one in described["outputs"]] == ["prediction"]
        assert infer(client, {"inputs": tensors(), "outputs": [{"name": "probability"}]})[0] == 422


def test_health_and_metadata(client):
    def get(path):
        status, _, body = client.request("GET", path)
        return status, json.loads(body)

    assert get("/v2/health/live") == (200, {"live": True})
    assert get("/v2/health/ready")[1]["ready"] is True
    assert get("/v2/models/pumps/ready")[0] == 200
    assert get("/v2/models/pumps/versions/2024-03-09-abc/ready")[0] == 200
    status, said = get("/v2/models/pumps")
    assert (status, said["name"], said["versions"]) == (200, "pumps", ["2024-03-09-abc"])
    assert {one["name"]: one["datatype"] for one in said["inputs"]} == {
        "load": "FP64",
        "age": "FP64",
        "site": "BYTES",
        "shift": "BYTES",
        "pump": "BYTES",
        "seen": "BYTES",
    }
    assert [one["datatype"] for one in said["outputs"]] == ["INT64", "FP64"]
    assert get("/v2/models/other")[0] == 404
    assert get("/v2/models/pumps/versions/other/ready")[0] == 404
    assert "error" in get("/nowhere")[1]
    status, told = get("/predict")
    assert status == 405
    assert told["error"].startswith("GET /predict: method not allowed; POST /predict and ")


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, "the body is empty"),
        (b"{", 400, "no JSON"),
        (b'{"rows": [{"load": NaN}]}', 400, "NaN is no JSON"),
        (b'{"rows": [{"load": -Infinity}]}', 400, "-Infinity is no JSON"),
        (b'{"rows": "\xff\xfe"}', 400, "not UTF-8, at byte 10"),
        (b"\xef\xbb\xbf{}", 400, "no JSON"),
        ('{"rows": []}'.encode("utf-16"), 400, "not UTF-8"),
        (b"[" * 5_000_000, 400, "nested too deeply"),
        (b'{"rows":' * 1_000_000, 400, "nested too deeply"),
        (b'{"rows": [{"load": ' + b"1" * 5000 + b"}]}", 400, "no JSON"),
        (b'{"rows": [{"load": 1, "load": 2}]}', 400, "'load' is there twice"),
        (MANY_KEYS, 400, "'k199999' is there twice"),
        (b"[]", 422, "must be a JSON object"),
        (b"null", 422, "must be a JSON object"),
        (b"{}", 422, '"rows"'),
        (b'{"rows": {"load": 1}}', 422, '"rows"'),
        (b'{"rows": []}', 422, "no rows"),
        (b'{"rows": [1]}', 422, "row 0: must be an object"),
        (b'{"rows": [{}, null]}', 422, "row 1: must be an object"),
    ],
)
def test_a_body_that_is_no_request_is_refused(client, body, status, said):
    answered, document = post(client, body)

    assert (answered, list(document)) == (status, ["error"])
    assert said in document["error"]
    assert "\n" not in document["error"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"load": "0.5"}, "row 1: load must be a number, not '0.5'"),
        ({"load": [0.5]}, "row 1: load must be a number, not a list"),
        ({"load": 1e999}, "row 1: load must be a finite number"),
        ({"load": 10**30}, "row 1: load is an integer that a double would round"),
        ({"load": ...}, "row 1: column load is missing"),
        ({"site": 1e999}, "row 1: site must be a text, not inf"),
        ({"site": {}}, "row 1: site must be a text, not an object"),
        ({"site": "\ud800"}, "row 1: site is no valid Unicode"),
        ({"site": ...}, "row 1: column site is missing"),
        ({"pump": 1.5}, "row 1: pump must be a text"),
        ({"pump": "\udfff"}, "row 1: pump is no valid Unicode"),
        ({"seen": "yesterday"}, "row 1: seen must be a time like 2013-04-01T06:00:00Z"),
        ({"seen": 1710000000}, "row 1: seen must be a time"),
        ({"seen": ["2024-03-01"]}, "row 1: seen must be a time"),
        ({"seen": "9999-12-31T23:59:59-12:00"}, "row 1: seen must be a time"),
    ],
)
def test_a_wrong_value_is_refused_by_row_and_field(client, change, said):
    wrong = {name: value for name, value in {**ROW, **change}.items() if value is not ...}
    body = json.dumps({"rows": [ROW, wrong]}).replace("Infinity", "1e999").encode()

    status, document = post(client, body)

    assert status == 422
    assert said in document["error"]


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (None, '"inputs"'),
        ([], '"inputs"'),
        ([1], "input 0 must be an object"),
        ([{"name": 7}], "input 0 must be an object"),
        ([{"name": "input-0", "shape": [1, 4], "datatype": "FP64", "data": [1, 2, 3, 4]}],
         "input 'input-0' is no column of this model"),
        (tensors(load=None), "input load is missing"),
        ([*tensors(), *tensors()], "input load is there twice"),
        (tensors(load={"shape": [-1]}), "input load: shape must be [rows]"),
        (tensors(load={"shape": [2, 2]}), "input load: shape must be [rows]"),
        (tensors(load={"shape": []}), "input load: shape must be [rows]"),
        (tensors(load={"shape": "2"}), "input load: shape must be [rows]"),
        (tensors(load={"shape": [True]}), "input load: shape must be [rows]"),
        (tensors(load={"shape": [2.0]}), "input load: shape must be [rows]"),
        (tensors(load={"shape": [10**30]}), "rows, but input load has"),
        (tensors(load={"data": [1.0]}), "input load: data holds 1 values, the shape says 2"),
        (tensors(load={"data": "abc"}), 'input load: "data" must be a list'),
        (tensors(load={"datatype": "FP8"}), "input load: datatype 'FP8' is not one of"),
        (tensors(load={"datatype": ["FP64"]}), "input load: datatype"),
        (tensors(load={"data": [1.0, "x"]}), "row 1: load must be a number (FP64)"),
        (tensors(load={"data": [1.0, True]}), "row 1: load must be a number (FP64)"),
        (tensors(load={"data": [1.0, [2.0]]}), "row 1: load must be a number (FP64)"),
        (tensors(load={"datatype": "FP32", "data": [1.0, 1e39]}), "row 1: load is beyond single"),
        (tensors(load={"datatype": "BYTES", "data": ["1", "2"]}), "row 0: load must be a number"),
        (tensors(age={"data": [1, 2.5]}), "row 1: age must be an integer in range (INT64)"),
        (tensors(age={"data": [1, 2**63]}), "row 1: age must be an integer in range (INT64)"),
        (tensors(age={"datatype": "UINT8", "data": [1, -1]}), "row 1: age must be an integer"),
        (tensors(age={"datatype": "BOOL", "data": [True, 1]}), "row 1: age must be true or false"),
        (tensors(site={"data": ["x", 5]}), "row 1: site must be a text (BYTES)"),
        (tensors(0), "there are no rows"),
    ],
)  # fmt: skip
def test_a_wrong_tensor_is_refused_by_name_and_row(client, inputs, said):
    status, document = infer(client, {"inputs": inputs})

    assert status == 422
    assert said in document["error"]


@pytest.mark.parametrize(
    "change",
    [
        {"load": {"data": [[0.5], [0.5]], "shape": [2, 1]}},
        {"load": {"shape": [2, 1]}},
        {"load": {"datatype": "FP32"}},
        {"age": {"datatype": "FP64", "data": [12.0, 12]}},
        {"age": {"datatype": "UINT8"}},
    ],
)
def test_tensors_that_mean_the_same_get_the_same_answer(client, change):
    expected = client.predict([ROW, ROW])["predictions"]
    status, answer = infer(client, {"id": "mine", "inputs": tensors(**change)})

    assert (status, answer["id"], answer["model_version"]) == (200, "mine", "2024-03-09-abc")
    assert answer["outputs"][0]["data"] == [one["prediction"] for one in expected]
    shares = [share for one in expected for share in one["probability"].values()]
    assert answer["outputs"][1]["data"] == pytest.approx(shares)


def test_whole_numbers_truth_values_and_text_are_the_same_category(client):
    for value, other in ((7, "7"), (7.0, "7"), (True, "true")):
        first, second = client.predict([{**ROW, "site": value}, {**ROW, "site": other}])[
            "predictions"
        ]
        assert first["probability"] == second["probability"]
    _, answer = infer(client, {"inputs": tensors(site={"datatype": "INT64", "data": [7, 7]})})
    expected = client.predict([{**ROW, "site": "7"}])["predictions"][0]
    assert answer["outputs"][1]["data"][1] == expected["probability"]["1"]


@pytest.mark.parametrize(
    ("kind", "value"),
    [("FP64", 0.5), ("FP64", 7.0), ("BYTES", "7.0"), ("BYTES", ""), ("BOOL", True)],
)
def test_both_endpoints_spell_a_category_alike(kind, value):
    columns = Columns(id="i", time="t", target="y", numeric=[], categorical=["c"])
    moment = Moment(datetime.now(UTC), Ids())
    tensor = {"name": "c", "shape": [1], "datatype": kind, "data": [value]}

    by_row = decode_rows({"rows": [{"c": value}]}, columns, 1, moment)
    by_column = decode_tensors({"inputs": [tensor]}, columns, 1, moment)

    assert by_row.features.categorical == by_column.features.categorical


def test_only_the_outputs_asked_for_are_sent(client):
    _, answer = infer(client, {"inputs": tensors(), "outputs": [{"name": "probability"}]})
    assert [one["name"] for one in answer["outputs"]] == ["probability"]
    for outputs in ("probability", [1], [{"name": "other"}], [{"name": ["probability"]}]):
        status, document = infer(client, {"inputs": tensors(), "outputs": outputs})
        assert status == 422, document
    twice = [{"name": "probability"}, {"name": "prediction"}, {"name": "probability"}]
    status, document = infer(client, {"inputs": tensors(), "outputs": twice})
    assert (status, "probability is asked for twice" in document["error"]) == (422, True)
    assert infer(client, {"inputs": tensors(), "id": 7})[0] == 422
    assert post(client, {"inputs": tensors()}, "/v2/models/other/infer")[0] == 404


def test_missing_values_and_unseen_categories_are_answered(client):
    nothing = {**ROW, "load": None, "site": None}
    rows = [nothing, {**ROW, "site": "never seen"}, {**ROW, "load": 1e300}]

    answers = client.predict(rows)["predictions"]

    assert all(0 <= one["probability"]["1"] <= 1 for one in answers)
    other = client.predict([{**ROW, "site": "never either"}])["predictions"][0]
    assert answers[1]["probability"] == other["probability"]


def test_more_rows_than_allowed_are_refused(live, served):
    with live(served("binary", max_rows=3)) as client:
        assert len(client.predict([ROW] * 3)["predictions"]) == 3
        assert post(client, {"rows": [ROW] * 4})[0] == 413
        assert infer(client, {"inputs": tensors(4)})[0] == 413


def hourly(count):
    start = datetime(2024, 3, 1, 0, 30, tzinfo=UTC)
    return [(start + timedelta(hours=hour)).isoformat() for hour in range(count)]


def test_the_hours_of_one_request_are_bounded_but_a_month_of_them_passes(client):
    month = [{**ROW, "seen": seen} for seen in hourly(31 * 24)]
    assert len(client.predict(month * 2)["predictions"]) == 2 * 31 * 24

    for count, status in ((MAX_HOURS, 200), (MAX_HOURS + 1, 413)):
        seen = {"name": "seen", "shape": [count], "datatype": "BYTES", "data": hourly(count)}
        rows = [{**ROW, "seen": one} for one in hourly(count)]
        assert post(client, {"rows": rows})[0] == status
        answered, document = infer(client, {"inputs": [*tensors(count), seen]})
        assert answered == status
    assert "seen lie in 769 different hours, more than the 768" in document["error"]


def test_a_body_that_is_too_large_is_refused_and_the_server_lives(live, served):
    with live(served("binary"), max_body_bytes=10_000) as client:
        assert post(client, {"rows": [ROW], "padding": "x" * 20_000})[0] == 413
        raw = client._connection
        pieces = (b"x" * 1000 for _ in range(30))  # without a length told beforehand
        raw.request(
            "POST", "/predict", pieces, {"transfer-encoding": "chunked"}, encode_chunked=True
        )
        answer = raw.getresponse()
        assert (answer.status, list(json.loads(answer.read()))) == (413, ["error"])
        assert post(client, {"rows": [ROW]})[0] == 200


def test_compressed_bodies_are_understood_or_refused(live, served):
    body = json.dumps({"rows": [ROW] * 50}).encode()
    bomb = gzip.compress(b" " * 200_000)

    def packed(content, encoding="gzip"):
        return post(client, content, headers={"content-encoding": encoding})

    with live(served("binary"), max_body_bytes=10_000) as client:
        assert len(packed(gzip.compress(body))[1]["predictions"]) == 50
        assert packed(gzip.compress(body[:99]) + gzip.compress(body[99:]))[0] == 200
        for content, encoding, status, said in (
            (bomb, "gzip", 413, "larger than the 10000 bytes allowed once unpacked"),
            (gzip.compress(body)[:-9], "gzip", 400, "ends in the middle"),
            (body, "gzip", 400, "is no gzip"),
            (gzip.compress(b"") * 101, "gzip", 400, "more than 100 gzip members"),
            (body, "br", 415, "content-encoding 'br' is not understood"),
        ):
            answered, document = packed(content, encoding)
            assert (answered, said in document["error"]) == (status, True), document


def test_request_ids_go_in_and_out(client):
    def ask(path, document, **headers):
        body = json.dumps(document).encode()
        _, got, content = client.request("POST", path, body, headers)
        return got["x-request-id"], json.loads(content)

    given = {"x-request-id": "order-7"}
    assert ask("/predict", {"rows": [ROW]}, **given)[0] == "order-7"
    header, document = ask("/predict", {"rows": [ROW]})
    assert header == document["request_id"]
    assert len(header) == 36
    odd = ask("/predict", {"rows": [ROW]}, **{"x-request-id": "a b"})[0]
    assert odd != "a b"
    assert client.request("GET", "/nowhere", headers=given)[1]["x-request-id"] == "order-7"
    infer_path = "/v2/models/pumps/infer"
    assert ask(infer_path, {"id": "body", "inputs": tensors()})[0] == "body"
    header, document = ask(infer_path, {"id": "body", "inputs": tensors()}, **given)
    assert (header, document["id"]) == ("order-7", "body")
    header, document = ask(infer_path, {"id": "snow \u2603 \ud800", "inputs": tensors()})
    assert (len(header), document["id"]) == (36, "snow \u2603 \ud800")


def test_a_value_that_the_model_cannot_answer_is_refused_by_row_and_field(live, served):
    forest = "sklearn.ensemble.RandomForestClassifier"  # works in single precision
    cubic = {"estimator": "sklearn.kernel_ridge.KernelRidge", "parameters": {"kernel": "poly"}}
    rows = [ROW] * 40
    rows[23] = {**ROW, "load": 1e300}
    said = "row 23: load is 1e+300, which the model cannot answer"

    with live(served("binary", estimator=forest)) as client:  # scikit-learn raises
        assert post(client, {"rows": rows}) == (422, {"error": said})
    with live(served("regression", **cubic)) as client:  # the answer would be infinite
        assert post(client, {"rows": rows}) == (422, {"error": said})
        status, document = post(client, {"rows": [{**ROW, "load": 1e300, "age": -1e300}]})
        assert status == 422
        assert document["error"].startswith("row 0: the model cannot answer these values")


def test_unseen_categories_are_refused_where_the_spec_says_so(live, served):
    with live(served("binary", unseen="refuse")) as client:
        assert post(client, {"rows": [ROW, {**ROW, "site": None}]})[0] == 200
        status, document = post(client, {"rows": [ROW, {**ROW, "site": "moon"}]})

    assert status == 422
    assert "row 1: site is 'moon', a category that training never saw" in document["error"]


def test_answered_rows_are_logged_as_they_were_sent(live, served, make_spec, tmp_path):
    log = PredictionLog(Store(tmp_path / "store"), "pumps")
    moment = "2024-03-05T12:30:00+02:00"
    first = {**ROW, "pump": "p1", "seen": moment, "load": None, "site": 7}
    with live(served("binary"), log) as client:
        before = datetime.now(UTC)
        one = client.predict([first, ROW], request_id="order-7")
        post(client, {"rows": [{**ROW, "load": "x"}]})
        inputs = tensors(1)
        inputs += [{"name": "pump", "datatype": "BYTES", "shape": [1], "data": ["p2"]}]
        inputs += [{"name": "seen", "datatype": "BYTES", "shape": [1], "data": ["2024-03-06"]}]
        client.infer("pumps", inputs, request_id="order-8")

    window = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=1))
    report = read_predictions(
        Store(tmp_path / "store"), make_spec(), window, tmp_path / "p.parquet"
    )
    logged = {row["row_id"]: row for row in pq.read_table(tmp_path / "p.parquet").to_pylist()}

    assert report.rows == log.counters.written == 3
    anonymous = one["predictions"][1]["id"]
    assert set(logged) == {"p1", "p2", anonymous}
    assert logged["p1"]["event_time"] == datetime.fromisoformat(moment)
    assert logged["p1"]["feature.load"] is None
    assert (logged["p1"]["feature.age"], logged["p1"]["feature.site"]) == (12.0, "7")
    assert logged["p1"]["prediction"] == one["predictions"][0]["prediction"]
    assert logged["p1"]["probability"] == list(one["predictions"][0]["probability"].values())
    assert logged["p1"]["release"] == "2024-03-09-abc"
    assert [logged[name]["request_id"] for name in ("p1", "p2")] == ["order-7", "order-8"]
    assert logged["p2"]["event_time"] == datetime(2024, 3, 6, tzinfo=UTC)
    assert before <= logged[anonymous]["event_time"] <= datetime.now(UTC)


def test_a_release_is_switched_between_two_requests(live, served, make_rows, make_spec):
    rows = to_rows(make_rows(count=50), make_spec().columns)
    one, other = served("binary"), served("binary", version="v2", seed=5)
    with live(one) as client:
        before = client.predict(rows)
        client.app.state.switch(other)
        after = client.predict(rows)
        client.app.state.back()
        again = client.predict(rows)

    assert (before["release"], after["release"]) == ("2024-03-09-abc", "v2")
    assert before["predictions"] != after["predictions"]
    assert again["predictions"] == before["predictions"]


def test_a_fault_of_ours_is_told_without_its_details(live, served, caplog):
    from dataclasses import replace

    class Broken:
        classes, estimates = [0, 1], True

        def answer(self, rows):
            raise KeyError("secret")

    with live(replace(served("binary"), runtime=Broken())) as client:
        status, document = post(client, {"rows": [ROW]}, headers={"x-request-id": "order-7"})

    assert (status, document) == (500, {"error": "the server failed; its log has request order-7"})
    assert "KeyError: 'secret'" in caplog.text


def test_a_client_that_hangs_up_disturbs_nobody(client, caplog):
    address = client._connection.sock.getpeername()
    for sent in (
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{",
        b"GE",
        b"\x16\x03",
    ):
        with socket.create_connection(address) as raw:
            raw.sendall(sent)

    assert client.request("GET", "/v2/health/ready")[0] == 200
    assert "Traceback" not in caplog.text


def same(answer, other):
    """Equal but for the last digits: a batch's answers are added up in another order."""
    near = pytest.approx(other["probability"], rel=1e-12, abs=1e-12)
    return answer["prediction"] == other["prediction"] and answer["probability"] == near


def test_many_clients_at_once_get_their_own_answers(live, served, make_rows, make_spec):
    from components.serving.client import ServingClient

    rows = to_rows(make_rows(count=80, seed=9), make_spec().columns)
    with live(served("binary")) as client:
        expected = {one["id"]: one for one in client.predict(rows)["predictions"]}
        wrong = []

        def work(number):
            with ServingClient(*client._connection.sock.getpeername()) as own:
                for first in range(number, 80, 8):
                    got = own.predict(rows[first : first + 5])["predictions"]
                    wrong.extend(one for one in got if not same(one, expected[one["id"]]))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(any_body(Columns(id="pump", time="seen", target="y", numeric=NUMERIC, categorical=TEXTS)))
def test_no_body_whatever_makes_the_server_fail(client, sent):
    for path in ("/predict", "/v2/models/pumps/infer"):
        status, answer = post(client, sent.body, path, sent.headers)

        assert status in (200, 400, 413, 415, 422), answer
        if status != 200:
            assert answer["error"]
        elif path == "/predict":
            assert all(
                0 <= share <= 1
                for one in answer["predictions"]
                for share in one["probability"].values()
            )
