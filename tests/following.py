"""A server that follows a store, in threads of this process: quick to start, and to look into."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from components.core.storage import Store
from components.serving.app import make_app
from components.serving.client import ServingClient
from components.serving.follow import Follower
from components.serving.serving import Serving
from components.serving.worker import Worker


@dataclass(frozen=True)
class Following:
    """What can be seen of such a server."""

    url: str
    port: int
    serving: Serving
    follower: Follower
    worker: Worker
    thread: threading.Thread

    def client(self) -> ServingClient:
        return ServingClient("127.0.0.1", self.port)

    def stop(self) -> None:
        """What SIGTERM does."""
        self.worker.handle_exit(signal.SIGTERM, None)


@contextmanager
def following(
    store: Store,
    model: str = "orders",
    *,
    wait: bool = False,
    prefixes: Sequence[str] = ("sklearn.",),
    poll_s: float = 0.02,
    drain_s: float = 0.0,
) -> Iterator[Following]:
    """The server, for as long as the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    url, up = f"http://127.0.0.1:{port}", threading.Event()
    with listener, Follower(store, model, url, prefixes, poll_s) as follower:
        app = make_app(follower.first(wait=wait))
        worker = Worker(app, None, up.set, drain_s)
        follower.attend(app.state, lambda: worker.handle_exit(signal.SIGTERM, None))
        thread = threading.Thread(target=worker.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            assert up.wait(60)
            yield Following(url, port, app.state, follower, worker, thread)
        finally:
            worker.handle_exit(signal.SIGTERM, None)
            thread.join(20)
