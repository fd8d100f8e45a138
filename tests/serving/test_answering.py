"""Requests that are answered together are answered as each would be alone."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.model.score import Predictions
from components.serving.answering import Answering, Ask
from components.serving.serving import Serving

ROW = {"a": 1.0, "b": -0.5, "c": 2.0, "site": "north"}
ROWS = {
    "ordinary": ROW,
    "missing": {**ROW, "b": None},
    "outside": {**ROW, "c": 99.0},
    "unseen": {**ROW, "site": "moon"},
    "huge": {**ROW, "c": 10**25},
    "null": {**ROW, "a": None},
    "wrong": {**ROW, "b": "x"},
    "poison": {**ROW, "c": -7.0},
}


class Fussy:
    """Refuses to answer the rows whose last number is -7, and counts how often it is asked."""

    kind, sha256, classes, estimates = "onnx", "a" * 64, [0, 1], True

    def __init__(self):
        self.asked = []

    def answer(self, rows):
        self.asked.append(len(rows))
        if (rows.numeric[:, 2] == -7.0).any():
            raise ValueError("poison")
        share = 1 / (1 + np.exp(-np.nansum(rows.numeric, axis=1)))
        return Predictions((share > 0.5).astype(int), np.column_stack([1 - share, share]))


def predict(*names, request_id="r", **headers):
    body = json.dumps({"rows": [{**ROWS[name], "key": name} for name in names]}).encode()
    return Ask("predict", {b"x-request-id": request_id.encode(), **headers}, body)


def infer(*names, request_id="r"):
    columns = {"a": "FP64", "b": "FP64", "c": "FP64", "site": "BYTES"}
    inputs = [
        {
            "name": name,
            "datatype": kind,
            "shape": [len(names)],
            "data": [ROWS[row][name] for row in names],
        }
        for name, kind in columns.items()
    ]
    body = json.dumps({"id": "own", "inputs": inputs}).encode()
    return Ask("infer", {b"x-request-id": request_id.encode()}, body)


@pytest.fixture
def fussy(light):
    runtime = Fussy()
    return runtime, Answering(Serving(light(categorical=["site"], runtime=runtime)))


def told(reply):
    document = json.loads(reply.body)
    return (reply.status, document, reply.rows, reply.cells, reply.strange, reply.problem)


names = st.lists(st.sampled_from(sorted(ROWS)), max_size=3)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([predict, infer]), names), min_size=1, max_size=6))
def test_in_company_a_request_is_answered_as_it_is_alone(light, asked):
    answering = Answering(Serving(light(categorical=["site"], runtime=Fussy())))
    asks = [make(*rows) for make, rows in asked]

    together = answering.answer_all(asks)

    assert list(map(told, together)) == [told(answering.answer(ask)) for ask in asks]


def test_many_requests_are_one_call_of_the_model(fussy):
    runtime, answering = fussy

    replies = answering.answer_all([predict("ordinary"), infer("outside", "missing"), predict()])

    assert runtime.asked == [3]
    assert [reply.status for reply in replies] == [200, 200, 422]


def test_who_cannot_be_answered_leaves_the_others_alone(fussy):
    _, answering = fussy

    replies = answering.answer_all([predict("ordinary"), predict("poison"), infer("ordinary")])

    assert [reply.status for reply in replies] == [200, 422, 200]
    assert replies[1].problem == "row 0: c is -7.0, which the model cannot answer"


def test_a_fault_of_ours_is_a_500_for_each_and_never_raises(fussy, caplog):
    runtime, answering = fussy
    runtime.answer = lambda rows: 1 / 0 if len(rows) > 99 else None

    replies = answering.answer_all([predict("ordinary"), predict("ordinary")])

    assert [reply.status for reply in replies] == [500, 500]
    assert all("its log has request r" in json.loads(reply.body)["error"] for reply in replies)
    assert "request failed" in caplog.text
