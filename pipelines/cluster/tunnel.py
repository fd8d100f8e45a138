"""A port of this machine that leads to a Service of the cluster, as kubectl port-forward does."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_logger = logging.getLogger(__name__)

_PIECE = 65536
_BACKLOG = 64

Open = Callable[[], socket.socket]


@contextmanager
def listening(open_far: Open) -> Iterator[int]:
    """Serve a free port of this machine; each connection to it gets a far end of its own.

    Args:
        open_far: opens the far end of a new connection; an error closes the near one.

    Yields:
        The port; it is closed, with all its connections, at the end of the block.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as server:
        ends: set[socket.socket] = set()
        threading.Thread(target=_accept, args=(server, open_far, ends), daemon=True).start()
        try:
            yield int(server.getsockname()[1])
        finally:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            for end in list(ends):
                _shut(end)


def open_pod(api_client: Callable[[], Any], namespace: str, pod: str, port: int) -> socket.socket:
    """A connection to a pod's port through the API server.

    Args:
        api_client: makes a client of its own, since the stream replaces its way of asking.
        namespace: the pod's.
        pod: its name.
        port: one that it listens on.

    Raises:
        OSError: when the API server does not let us through.
    """
    from kubernetes.client import CoreV1Api
    from kubernetes.client.exceptions import ApiException
    from kubernetes.stream import portforward

    api = CoreV1Api(api_client())
    try:
        forward = portforward(
            api.connect_get_namespaced_pod_portforward, pod, namespace, ports=str(port)
        )
    except ApiException as error:
        raise ConnectionError(f"port-forward to {namespace}/{pod}: {error.reason}") from None
    found: socket.socket = forward.socket(port)
    return found


def _accept(server: socket.socket, open_far: Open, ends: set[socket.socket]) -> None:
    while True:
        try:
            near, _ = server.accept()
        except OSError:  # the block has ended
            return
        ends.add(near)
        threading.Thread(target=_join, args=(near, open_far, ends), daemon=True).start()


def _join(near: socket.socket, open_far: Open, ends: set[socket.socket]) -> None:
    both = [near]
    try:
        both.append(open_far())
        ends.add(both[1])
        back = threading.Thread(target=_copy, args=(both[1], near), daemon=True)
        back.start()
        _copy(near, both[1])
        back.join()
    except (
        Exception
    ) as error:  # whatever keeps the far end shut, who waits at the near one hears it
        _logger.debug("no way through: %s", error)
    finally:
        for end in both:
            _shut(end)
            ends.discard(end)


def _copy(source: socket.socket, destination: socket.socket) -> None:
    """Copy until the source ends, and let the destination know; it may still have to say more."""
    with contextlib.suppress(OSError):
        while piece := source.recv(_PIECE):
            destination.sendall(piece)
    with contextlib.suppress(OSError):
        destination.shutdown(socket.SHUT_WR)


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)  # a thread that waits for it wakes: close alone would not
    with contextlib.suppress(OSError):
        end.close()
