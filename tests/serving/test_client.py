import math
import socket
import threading
from datetime import UTC, datetime

import pytest

from components.core.errors import ServingError
from components.serving.client import ServingClient

ROW = {"load": 0.5, "age": 12, "site": "north", "shift": "day"}


def test_times_may_be_datetimes_and_refusals_are_told(live, served):
    with live(served("binary")) as client:
        row = {**ROW, "pump": "p", "seen": datetime(2024, 3, 1, tzinfo=UTC)}
        assert client.predict([row], request_id="order-7")["request_id"] == "order-7"
        with pytest.raises(ServingError, match="answered 422: row 0: load must be a number"):
            client.predict([{**ROW, "load": "x"}])
        with pytest.raises(ServingError, match="send None for NaN and infinity"):
            client.predict([{**ROW, "load": math.nan}])
        with pytest.raises(ServingError, match="of type set cannot be sent"):
            client.predict([{**ROW, "load": set()}])
        with pytest.raises(ServingError, match="there is no model 'other'"):
            client.infer("other", [])


def test_one_connection_serves_many_requests(live, served):
    with live(served("binary")) as client:
        client.predict([ROW])
        first = client._connection.sock
        client.predict([ROW])
        assert client._connection.sock is first


def test_nobody_there_is_an_error_of_one_line():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with (
        ServingClient("127.0.0.1", port) as client,
        pytest.raises(
            ServingError, match=rf"127\.0\.0\.1:{port} does not answer: .* is it running"
        ),
    ):
        client.predict([ROW])


@pytest.mark.parametrize(("answered", "closes"), [(1, True), (0, False)])
def test_only_a_connection_that_went_idle_is_tried_again(answered, closes):
    """The server closes every connection after `answered` answers."""
    accepted = []
    reply = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            accepted.append(connection)
            with connection:
                for _ in range(answered):
                    connection.recv(65536)
                    connection.sendall(reply)
                if not answered:
                    connection.recv(65536)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with ServingClient("127.0.0.1", listener.getsockname()[1]) as client:
            if closes:
                assert client.predict([ROW]) == {}
                assert client.predict([ROW]) == {}
                assert len(accepted) == 2
            else:
                with pytest.raises(ServingError, match="does not answer"):
                    client.predict([ROW])
                assert len(accepted) == 1
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_an_answer_that_is_no_json_is_shown(live, served):
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 502 Bad\r\ncontent-length: 5\r\n\r\nproxy")

    thread = threading.Thread(target=serve)
    thread.start()
    with (
        ServingClient("127.0.0.1", listener.getsockname()[1]) as client,
        pytest.raises(ServingError, match="answered 502: proxy"),
    ):
        client.predict([ROW])
    thread.join()
    listener.close()
