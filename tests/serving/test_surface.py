"""What a client sees around the answers: matrix, pages, metrics, token, bounds, compression."""

import gzip
import json
import threading
from dataclasses import replace
from importlib.metadata import version

import pytest
from prometheus_client.parser import text_string_to_metric_families

from components.release.counts import read_counts
from components.serving.client import ServingClient

ROW = {"a": 1.0, "b": -0.5, "c": 2.0}
JSON = {"content-type": "application/json"}


def ask(client, path="/predict", document=None, headers=None):
    document = {"rows": [ROW]} if document is None else document
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    status, got, content = client.request("POST", path, body, headers)
    return status, got, json.loads(content)


def infer(client, *inputs, **more):
    return ask(client, "/v2/models/light/infer", {"inputs": list(inputs), **more})


def matrix(data, shape, **more):
    return {"name": "input-0", "datatype": "FP64", "shape": shape, "data": data, **more}


def get(client, path):
    status, _, content = client.request("GET", path)
    return status, json.loads(content)


def samples(client):
    """What a scrape says, by name and labels; ours alone."""
    status, headers, content = client.request("GET", "/metrics")
    assert (status, headers["content-type"].split(";")[0]) == (200, "text/plain")
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(content.decode())
        for sample in family.samples
        if not sample.name.endswith("_bucket")
    }


@pytest.fixture(scope="module")
def client(live, light):
    with live(light()) as client:
        yield client


@pytest.mark.parametrize(
    "tensor",
    [
        matrix([1, -0.5, 2, 0, None, 0], [2, 3]),
        matrix([[1, -0.5, 2], [0, None, 0]], [2, 3]),
        matrix([1, -0.5, 2, 0, None, 0], [2, 3], datatype="FP32"),
        matrix([1, -0.5, 2, 0, None, 0], [2, 3], parameters={"content_type": "np"}),
        matrix([1.0, -0.5, 2.0, 0, None, 0], [2, 3], name="x"),
    ],
)
def test_all_features_may_come_as_one_matrix(tensor, client):
    _, _, expected = ask(client, document={"rows": [ROW, {"a": 0, "b": None, "c": 0}]})
    status, _, answer = infer(client, tensor)

    assert status == 200
    shares = [share for one in expected["predictions"] for share in one["probability"].values()]
    assert answer["outputs"][1]["data"] == shares
    assert answer["outputs"][0] == {
        "name": "prediction", "datatype": "INT64", "shape": [2], "data": [1, 0]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tensor", "status", "said"),
    [
        (matrix([1, 2], [1, 2]), 422, "its rows have 2 values, but this model has 3 features: a,"),
        (matrix([1] * 4, [1, 4]), 422, "its rows have 4 values, but this model has 3 features"),
        (matrix([1, 2, 3], [3]), 422, "input 'input-0': shape must be [rows, 3]"),
        (matrix([1, 2, 3], [-1, 3]), 422, "input 'input-0': shape must be [rows, 3]"),
        (matrix([1, 2, 3], [1, 3, 1]), 422, "input 'input-0': shape must be [rows, 3]"),
        (matrix([1, 2, 3], [0, 3]), 422, "there are no rows"),
        (matrix([1, 2, 3], [10**9, 3]), 413, "more than the 10000 that one request may hold"),
        (matrix([1, 2], [1, 3]), 422, "data holds 2 values, the shape says 3"),
        (matrix([[1, 2], [3, 4, 5]], [2, 3]), 422, "row 0: input 'input-0' has 2 values, its"),
        (matrix([[1, 2, [3]]], [1, 3]), 422, "row 0: c must be a number (FP64)"),
        (matrix([1, "2", 3], [1, 3]), 422, "row 0: b must be a number (FP64)"),
        (matrix([1, 2, 3, 4, True, 6], [2, 3]), 422, "row 1: b must be a number (FP64)"),
        (matrix([1, 2, 2**53 + 1], [1, 3]), 422, "row 0: c is an integer that a double would"),
        (matrix([None, 2, 3], [1, 3]), 422, "row 0: a is null, and in training it never was"),
        (matrix(["1", "2", "3"], [1, 3], datatype="BYTES"), 422, "row 0: a must be a number"),
        (matrix([1, 2, 3], [1, 3], datatype="FP16"), 422, "datatype 'FP16' is not one of"),
        (matrix([1, 2, 3], [1, 3], name="a"), 422, "input b is missing"),
    ],
)
def test_a_wrong_matrix_is_refused_by_row_and_column(tensor, status, said, client):
    answered, _, document = infer(client, tensor)

    assert answered == status
    assert said in document["error"]


def test_a_model_with_texts_takes_no_matrix_and_says_how_to_send_them(live, light):
    with live(light(categorical=["site"])) as client:
        status, _, document = infer(client, matrix([1, 2, 3], [1, 3]))
        described = get(client, "/v2/models/light")[1]

    assert (status, "send one tensor a column: a, b, c, site" in document["error"]) == (422, True)
    assert "matrix" not in described["parameters"]


def test_metadata_tells_of_matrix_and_runtime(client):
    parameters = get(client, "/v2/models/light")[1]["parameters"]

    assert parameters["matrix"] == "FP64 [-1, 3]"
    assert (parameters["runtime"], parameters["runtime_sha256"]) == ("onnx", "a" * 64)
    assert parameters["model_sha256"] == "b" * 64


def test_the_server_tells_its_own_version_and_its_model(client):
    assert get(client, "/v2")[1]["version"] == version("driftline")
    assert get(client, "/v2/models")[1] == {"models": ["light"]}


def test_without_metrics_nothing_is_counted_and_that_is_said(live, light):
    with live(light(), counting=False) as client:
        answered = infer(client, matrix([1, 2, 3], [1, 3]))[0]
        status, said = get(client, "/metrics")
        paths = get(client, "/openapi.json")[1]["paths"]

    assert (answered, status) == (200, 404)
    assert "--no-metrics" in said["error"]
    assert "/metrics" not in paths


def references(node):
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else [])
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_the_openapi_document_holds_and_its_examples_are_answered(task, live, light):
    with live(light(categorical=["site"], task=task)) as client:
        status, document = get(client, "/openapi.json")
        assert (status, document["openapi"], document["info"]["version"]) == (200, "3.0.3", "v1")
        schemas = document["components"]["schemas"]
        assert {reference.rpartition("/")[2] for reference in references(document)} <= set(schemas)
        row = schemas["Row"]["properties"]
        assert "nullable" not in row["a"]
        assert row["b"]["nullable"]
        assert row["site"]["description"] == "Seen in training: north, south."
        for path, node in document["paths"].items():
            for method, operation in node.items():
                body = operation.get("requestBody", {}).get("content", {})
                sent = json.dumps(body["application/json"]["example"]).encode() if body else None
                status, headers, _ = client.request(method.upper(), path, sent)
                assert status == 200
                (kind,) = operation["responses"]["200"]["content"]
                assert headers["content-type"].startswith(kind)


def test_the_docs_page_needs_no_network(client):
    status, headers, page = client.request("GET", "/docs")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"//" not in page.replace(b"<!DOCTYPE", b"")
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js", "favicon-32x32.png"):
        assert name == "start.js" or f"docs/{name}".encode() in page
        status, headers, content = client.request("GET", f"/docs/{name}")
        assert (status, bool(content)) == (200, True)
    assert client.request("GET", "/docs/index.html")[0] == 404
    assert client.request("GET", "/docs/..%2f..%2fetc%2fpasswd")[0] == 404


def test_metrics_count_what_was_asked_and_answered(live, light):
    with live(light(categorical=["site"])) as client:
        row = {**ROW, "site": "north"}
        ask(client, document={"rows": [row, {**row, "a": 11, "site": "moon"}, {**row, "b": 50}]})
        ask(client, document={"rows": [{**row, "a": -4}]})
        ask(client, document={"rows": [{}]})
        ask(client, document=b"{")
        ask(client, "/v2/models/light/infer", {"inputs": []})
        get(client, "/v2/health/ready")
        get(client, "/nowhere")
        said = samples(client)

        assert said["http_requests_total", "200", "predict", "v1"] == 2
        assert said["http_requests_total", "422", "predict", "v1"] == 1
        assert said["http_requests_total", "400", "predict", "v1"] == 1
        assert said["http_requests_total", "422", "infer", "v1"] == 1
        assert said["http_requests_total", "200", "health", "v1"] == 1
        assert said["http_requests_total", "404", "other", "v1"] == 1
        assert said["http_request_duration_seconds_count", "predict", "v1"] == 4
        assert 0 < said["http_request_duration_seconds_sum", "predict", "v1"] < 10
        assert said["driftline_rows_total", "v1"] == 4
        assert said["driftline_answers_total", "0.90", "v1"] == 1
        assert said["driftline_answers_total", "0.95", "v1"] == 2
        assert said["driftline_unseen_total", "site", "v1"] == 1
        assert said["driftline_out_of_range_total", "a", "v1"] == 1
        assert said["driftline_out_of_range_total", "b", "v1"] == 1
        assert said["driftline_model_info", *sorted(["light", "v1", "onnx", "a" * 64])] == 1
        assert said["http_requests_in_flight",] == 0
        assert samples(client)["http_requests_total", "200", "metrics", "v1"] == 1


def test_metrics_of_some_time_ago_leave_out_what_came_since(live, light, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("components.serving.metrics.monotonic", lambda: clock[0])
    with live(light()) as client:
        ask(client)
        clock[0] += 60
        ask(client)
        told = [client.request("GET", f"/metrics/ago/{ago}")[2] for ago in (0, 30, 600)]

        assert get(client, "/metrics/ago/soon")[0] == 404
        assert client.request("GET", f"/metrics/ago/{10**400}")[0] == 200
    requests = [read_counts(text.decode())["v1"].requests for text in told[:2]]
    assert requests == [2, 1]
    assert read_counts(told[2].decode()) == {}


def test_a_switch_begins_counts_of_its_own(live, light):
    with live(light()) as client:
        ask(client)
        client.app.state.switch(replace(light(), release="v2"))
        ask(client)
        ask(client)
        said = samples(client)

    assert said["driftline_rows_total", "v1"] == 1
    assert said["driftline_rows_total", "v2"] == 2
    assert said["driftline_model_info", *sorted(["light", "v2", "onnx", "a" * 64])] == 1


def test_a_token_is_demanded_where_the_server_has_one(live, light):
    big = json.dumps({"rows": [ROW] * 3000}).encode()
    with live(light(), token=b"s3cret") as client:
        for headers in ({}, {"authorization": "Bearer other"}, {"authorization": "Basic s3cret"}):
            for document in (None, big):
                status, got, said = ask(client, document=document, headers=headers)
                assert (status, got["www-authenticate"]) == (401, "Bearer")
                assert "Authorization: Bearer TOKEN" in said["error"]
        for scheme in ("Bearer", "bearer"):
            assert ask(client, headers={"authorization": f"{scheme} s3cret"})[0] == 200
        assert ask(client, document=big, headers={"authorization": "Bearer s3cret"})[0] == 200
        assert ask(client, "/v2/models/light/infer", {"inputs": []})[0] == 401
        for path in ("/v2/health/ready", "/v2/models/light", "/metrics", "/openapi.json"):
            assert client.request("GET", path)[0] == 200
        document = get(client, "/openapi.json")[1]
    assert document["paths"]["/predict"]["post"]["security"] == [{"token": []}]
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def test_answers_are_compressed_where_the_client_takes_it_and_it_pays(client):
    for count, accepted, packed in (
        (100, "br;q=1, gzip", True),
        (3000, "gzip", True),
        (100, "gzip;q=0", False),
        (100, "", False),
        (1, "gzip", False),
    ):
        body = json.dumps({"rows": [ROW] * count}).encode()
        status, headers, content = client.request(
            "POST", "/predict", body, {"accept-encoding": accepted}
        )
        assert (status, headers.get("content-encoding")) == (200, "gzip" if packed else None)
        plain = gzip.decompress(content) if packed else content
        assert len(json.loads(plain)["predictions"]) == count
        assert headers.get("vary") == ("accept-encoding" if packed else None)


class Slow:
    """A runtime that keeps large batches waiting until it is told to go on."""

    kind, sha256, estimates, classes = "onnx", "a" * 64, True, [0, 1]

    def __init__(self, quick):
        self._quick = quick
        self.begun, self.go_on = threading.Event(), threading.Event()

    def answer(self, rows):
        if len(rows) > 100:
            self.begun.set()
            assert self.go_on.wait(60)
        return self._quick.answer(rows)


def test_a_large_request_keeps_nobody_waiting_and_too_many_are_sent_away(live, light, eventually):
    slow = Slow(light().runtime)
    big = json.dumps({"rows": [ROW] * 3000}).encode()
    with live(light(runtime=slow, concurrency=2)) as client:
        assert get(client, "/v2/health/ready")[0] == 200
        address = client._connection.sock.getpeername()
        answers = []

        def large():
            with ServingClient(*address) as own:
                answers.append(ask(own, document=big)[0])

        threads = [threading.Thread(target=large) for _ in range(2)]
        threads[0].start()
        assert slow.begun.wait(60)
        assert ask(client)[0] == 200  # beside the large one
        threads[1].start()
        eventually(lambda: client.app.state.in_flight == 2)
        assert client.app.state.body_bytes == 2 * len(big)
        for document in (None, big):
            status, headers, said = ask(client, document=document)
            assert (status, headers["retry-after"]) == (503, "1")
            assert "try again" in said["error"]
        assert get(client, "/v2/health/ready")[0] == 200
        slow.go_on.set()
        for thread in threads:
            thread.join()
        assert answers == [200, 200]
        assert ask(client)[0] == 200
        assert (client.app.state.in_flight, client.app.state.body_bytes) == (0, 0)
