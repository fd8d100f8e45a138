"""Requests that are answered together are answered as each would be alone."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.model.score import Predictions
from components.serving.answering import Answering
from components.serving.codec import encode_rows
from components.serving.exchange import Ask
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


class Kept:
    """A log that keeps what it is given."""

    def __init__(self):
        self.taken = []

    def put(self, answered):
        self.taken.append(answered)

    def rows(self):
        """What is remembered of each row, by its own id and its request's."""
        return sorted(
            (
                answered.request_ids[place],
                row_id,
                answered.features.numeric[place].astype(str).tolist(),
                [column[place] for column in answered.features.categorical],
                answered.prediction[place].item(),
                answered.probability[place].tolist(),
            )
            for answered in self.taken
            for place, row_id in enumerate(answered.row_ids)
        )


def remembered(answering, kept, turns):
    for turn in turns:
        for reply in answering.answer_all(turn):
            answering.settle(reply, 0.001)
    rows, kept.taken = kept.rows(), []
    return rows


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


@settings(max_examples=60, deadline=None)
@given(st.lists(names, min_size=1, max_size=5))
def test_what_is_remembered_of_a_row_is_its_own(light, asked):
    kept = Kept()
    answering = Answering(Serving(light(categorical=["site"], runtime=Fussy()), kept))
    asks = [predict(*rows, request_id=f"r{place}") for place, rows in enumerate(asked)]

    together = remembered(answering, kept, [asks])

    assert together == remembered(answering, kept, [[ask] for ask in asks])


def test_a_request_that_cannot_be_worded_leaves_the_rows_of_the_others(light, monkeypatch):
    kept = Kept()
    answering = Answering(Serving(light(categorical=["site"], runtime=Fussy()), kept))
    asks = [predict(name, request_id=name) for name in ("ordinary", "outside", "missing")]
    alone = remembered(answering, kept, [[asks[0]], [asks[2]]])

    def fail_one(head, *rest):
        if head["request_id"] == "outside":
            raise RuntimeError("words fail")
        return encode_rows(head, *rest)

    monkeypatch.setattr("components.serving.answering.encode_rows", fail_one)
    replies = answering.answer_all(asks)
    for reply in replies:
        answering.settle(reply, 0.001)

    assert [(reply.status, reply.rows) for reply in replies] == [(200, 1), (500, 0), (200, 1)]
    assert kept.rows() == alone


def test_a_model_that_answers_fewer_rows_than_it_was_asked_about_gives_nobody_another_s(fussy):
    runtime, answering = fussy
    runtime.answer = lambda rows: Predictions(np.zeros(len(rows) - 1, int), np.zeros((0, 2)))

    replies = answering.answer_all([predict("ordinary"), predict("outside"), infer("ordinary")])

    assert [reply.status for reply in replies] == [500, 500, 500]


def test_a_release_that_was_asked_for_by_name_answers_or_none_does(fussy):
    _, answering = fussy
    asks = [predict("ordinary"), predict("ordinary"), predict("ordinary")]
    asks[0].release, asks[1].release = "v1", "v0"

    replies = answering.answer_all(asks)

    assert [reply.status for reply in replies] == [200, 404, 200]
    assert replies[1].problem == "version v0 of light is not served; v1 is"


def test_one_that_cannot_be_answered_costs_those_beside_it_a_few_calls(fussy):
    runtime, answering = fussy

    answering.answer_all([predict("poison" if place == 5 else "ordinary") for place in range(16)])

    assert sum(count > 1 for count in runtime.asked) <= 7
