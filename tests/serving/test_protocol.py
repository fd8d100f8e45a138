"""The short way of small requests, byte by byte: it has to behave as HTTP does on the long way."""

import json
import socket
import threading
from contextlib import ExitStack

import pytest

from components.model.score import Predictions
from components.serving import protocol, worker
from components.serving.heads import Head, Heads

BODY = json.dumps({"rows": [{"a": 1.0, "b": None, "c": 2.0}]}).encode()


def request(body=BODY, path="/predict", method="POST", version="1.1", **headers):
    given = {"host": "x", "content-length": len(body), **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in given.items()]
    head = "\r\n".join([f"{method} {path} HTTP/{version}", *lines])
    return head.encode() + b"\r\n\r\n" + body


class Raw:
    """A connection on which one says what goes over it."""

    def __init__(self, client):
        assert client.request("GET", "/v2/health/live")[0] == 200
        self._socket = socket.create_connection(client._connection.sock.getpeername(), timeout=60)
        self._file = self._socket.makefile("rb")

    def send(self, *parts):
        for part in parts:
            self._socket.sendall(part)
        return self

    def answer(self):
        """The next answer: status, headers, document; None where the connection was closed."""
        line = self._file.readline()
        if not line:
            return None
        headers = {}
        while (field := self._file.readline().strip()) != b"":
            name, _, value = field.decode().partition(": ")
            headers[name.lower()] = value
        content = self._file.read(int(headers["content-length"]))
        return int(line.split()[1]), headers, json.loads(content) if content else None

    def __enter__(self):
        return self

    def close(self):
        self._file.close()
        self._socket.close()

    def __exit__(self, *_):
        self.close()


@pytest.fixture(scope="module")
def server(live, light):
    with live(light()) as client:
        yield client


@pytest.fixture
def raw(server):
    with Raw(server) as connection:
        yield connection


def test_a_request_that_comes_in_pieces_is_answered(raw, server):
    whole = request()
    for cut in (10, 40, len(whole) - len(BODY), len(whole) - 1):
        raw.send(whole[:cut])
        assert server.request("GET", "/v2/health/live")[0] == 200  # the first part was read
        raw.send(whole[cut:])
        status, headers, document = raw.answer()
        assert (status, len(document["predictions"])) == (200, 1)
        assert headers["content-type"] == "application/json"
        assert headers["x-request-id"] == document["request_id"]
        assert headers["date"].endswith("GMT")
        assert "connection" not in headers


def test_answers_leave_in_the_order_of_their_requests(raw):
    large = json.dumps({"rows": [{"a": 1.0, "b": None, "c": 2.0}] * 3000}).encode()
    bodies = [BODY, large, BODY, b"{", BODY, large]
    paths = ["/predict", "/predict", "/nowhere", "/predict", "/predict", "/predict"]
    sent = [
        request(body, path, x_request_id=f"n{place}")
        for place, (body, path) in enumerate(zip(bodies, paths, strict=True))
    ]
    raw.send(b"".join(sent))

    answers = [raw.answer() for _ in sent]

    assert [headers["x-request-id"] for _, headers, _ in answers] == [
        f"n{place}" for place in range(len(sent))
    ]
    assert [status for status, _, _ in answers] == [200, 200, 404, 400, 200, 200]


@pytest.mark.parametrize(
    ("options", "closed"),
    [
        ({}, False),
        ({"connection": "close"}, True),
        ({"version": "1.0"}, True),
        ({"expect": "100-continue"}, False),
        ({"path": "/predict?x=1"}, False),
        ({"path": "/v2/models/light/versions/v2/infer"}, False),
    ],
)
def test_a_connection_ends_when_the_client_says_so(options, closed, raw):
    raw.send(request(**options))
    if options.get("expect"):
        assert raw._file.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert raw._file.readline() == b"\r\n"
    status, _, _ = raw.answer()

    assert status == (404 if "v2" in options.get("path", "") else 200)
    if closed:
        assert raw.answer() is None
    else:
        assert raw.send(request()).answer()[0] == 200


def test_a_body_in_chunks_is_answered(raw):
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in (BODY[:7], BODY[7:])]

    assert raw.send(head, *chunks, b"0\r\n\r\n").answer()[0] == 200
    assert raw.send(request()).answer()[0] == 200


@pytest.mark.parametrize(
    "head",
    [
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST /predict HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"GET\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_and_ends_the_connection(head, raw, server):
    raw.send(head)
    line = raw._file.readline()

    assert line in (b"HTTP/1.1 400 Bad Request\r\n", b"")
    assert server.request("GET", "/v2/health/live")[0] == 200


def test_a_client_that_goes_away_before_its_request_was_there_is_forgotten(server, eventually):
    for sent in (request()[:-3], request()[:30]):
        with Raw(server) as raw:
            raw.send(sent)
            eventually(lambda sent=sent: server.app.state.in_flight == (len(sent) > 30))
        eventually(lambda: server.app.state.in_flight == 0)


def test_a_head_without_end_is_refused(raw):
    raw.send(b"GET /predict HTTP/1.1\r\n", *[b"a: %b\r\n" % (b"b" * 1000) for _ in range(64)])
    raw.send(b"a: %b\r\n" % (b"b" * 5000))

    status, headers, document = raw.answer()
    assert (status, headers["connection"]) == (431, "close")
    assert "head is too large" in document["error"]


@pytest.mark.parametrize("cut", [30, -3])
def test_a_request_that_does_not_arrive_in_time_is_given_up(cut, raw, server, monkeypatch):
    monkeypatch.setattr(protocol, "BODY_S", 0.05)
    raw.send(request()[:cut])

    status, headers, document = raw.answer()
    assert (status, headers["connection"]) == (408, "close")
    assert "did not arrive within 0.05 s" in document["error"]
    assert raw.answer() is None
    assert server.app.state.in_flight == 0


def test_a_connection_that_is_idle_at_the_drain_is_answered_and_then_closed(live, light):
    with live(light()) as server, Raw(server) as idle, Raw(server) as arriving:
        assert idle.send(request()).answer()[1].get("connection") is None
        arriving.send(request()[:-3])
        server.app.state.draining = True
        status, headers, _ = idle.send(request()).answer()
        assert (status, headers["connection"]) == (200, "close")
        assert idle.answer() is None
        status, headers, _ = arriving.send(request()[-3:]).answer()
        assert (status, headers["connection"]) == (200, "close")


class Waiting:
    """Answers once it may, and remembers how many rows it was asked about at a time."""

    kind, sha256, classes, estimates = "onnx", "a" * 64, [], False

    def __init__(self):
        self.asked, self.begun, self.may = [], threading.Event(), threading.Event()

    def answer(self, rows):
        self.asked.append(len(rows))
        self.begun.set()
        assert self.may.wait(60)
        return Predictions(rows.numeric[:, 2].copy())


def test_what_arrived_while_the_model_was_busy_is_one_call_and_each_gets_its_own(
    live, light, eventually
):
    runtime = Waiting()
    with live(light(runtime=runtime, task="regression")) as client, ExitStack() as stack:
        first, *others = [stack.enter_context(Raw(client)) for _ in range(7)]
        first.send(numbered(0))
        assert runtime.begun.wait(60)
        for number, connection in enumerate(others, 1):
            connection.send(numbered(number))
        others[-1].close()  # goes away before it is answered
        runtime.may.set()
        answers = [connection.answer() for connection in [first, *others[:-1]]]
        eventually(lambda: client.app.state.in_flight == 0)

    assert [document["predictions"][0]["prediction"] for _, _, document in answers] == [*range(6)]
    assert runtime.asked[0] == 1
    assert max(runtime.asked[1:]) >= 5


def numbered(number):
    return request(json.dumps({"rows": [{"a": 1.0, "b": None, "c": number}]}).encode())


def test_a_head_that_was_seen_before_means_the_same_again(server):
    with Raw(server) as one, Raw(server) as other:
        for connection in (one, other, one):
            for number in (1, 22, 333):
                body = json.dumps({"rows": [{"a": 1.0, "b": None, "c": number / 100}]}).encode()
                whole = request(body)
                status, headers, document = connection.send(whole).answer()
                assert (status, headers["x-request-id"]) == (200, document["request_id"])
                # In two pieces, the first of which ends where a head that is known does.
                cut = len(whole) - len(body)
                assert connection.send(whole[:cut], whole[cut:]).answer()[0] == 200
        # A known head with more behind it than it says: two requests.
        assert one.send(request() + request()).answer()[0] == 200
        assert one.answer()[0] == 200


def test_heads_that_never_come_again_are_forgotten():
    heads = Heads()
    for number in range(1000):
        data = request(x_request_id=str(number))
        heads.remember(data, Head(b"/predict", {}, len(BODY)))
        assert heads.find(data) is not None
    assert len(heads._known) < 300


class Failing:
    """A log that fails once."""

    fault = None

    def __init__(self):
        self.put_often = 0

    def put(self, _answered):
        self.put_often += 1
        if self.put_often == 1:
            raise RuntimeError("no")

    def close(self, _timeout):
        return True


def test_a_log_that_fails_leaves_nobody_without_an_answer(live, light):
    log = Failing()
    with live(light(), log) as client, Raw(client) as one, Raw(client) as other:
        answers = [connection.send(request()).answer() for connection in (one, other, one)]
        in_flight = client.app.state.in_flight

    assert [status for status, _, _ in answers] == [200, 200, 200]
    assert (in_flight, log.put_often) == (0, 3)


@pytest.mark.parametrize("sent", [b"", b"\r\n", request() + b"\r\n"])
def test_a_connection_that_asks_for_nothing_more_is_closed(sent, live, light, monkeypatch):
    monkeypatch.setattr(worker, "_KEEP_ALIVE_S", 0.2)
    with live(light()) as client, Raw(client) as connection:
        connection.send(sent)
        if len(sent) > 2:
            assert connection.answer()[0] == 200
        assert connection.answer() is None


def test_a_request_at_work_keeps_its_connection_open_behind_a_small_one(live, light, monkeypatch):
    monkeypatch.setattr(worker, "_KEEP_ALIVE_S", 0.05)
    large = json.dumps({"rows": [{"a": 1.0, "b": None, "c": 2.0}] * 3000}).encode()
    runtime = Waiting()
    with live(light(runtime=runtime, task="regression")) as client, Raw(client) as connection:
        runtime.may.set()
        assert connection.send(request()).answer()[0] == 200
        runtime.may.clear()
        threading.Timer(0.3, runtime.may.set).start()
        connection.send(request(large))
        assert connection.answer()[0] == 200


def test_a_large_body_is_no_part_of_the_next_head(raw):
    body = BODY + b" " * (protocol.SMALL_BODY - len(BODY))
    following = request()
    raw.send(request(body) + following[:20])
    assert raw.answer()[0] == 200
    assert raw.send(following[20:]).answer()[0] == 200
