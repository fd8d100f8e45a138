"""A local port that leads elsewhere: bytes arrive whole, both ways, and it ends with its block."""

import queue
import socket

import pytest

from pipelines.cluster.tunnel import listening


def test_bytes_go_both_ways_and_the_end_closes_all():
    ends = queue.Queue()

    def far():
        near, other = socket.socketpair()
        ends.put(other)
        return near

    sent = bytes(range(256)) * 400
    with listening(far) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.settimeout(10)
            client.sendall(b"hello")
            with ends.get(timeout=60) as end:
                assert end.recv(5) == b"hello"
                end.sendall(sent)
            received = b"".join(iter(lambda: client.recv(65536), b""))
        assert received == sent
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port))


def test_a_far_end_that_cannot_be_opened_closes_the_near_one():
    def far():
        raise ConnectionError

    with listening(far) as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(10)
        assert client.recv(1) == b""
