"""Asking servers over HTTP what they counted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from components.core.errors import ServingError
from components.release.scrape import fetch_metrics, scrape_servers, server_scrape

METRICS = (
    "# TYPE http_requests_total counter\n"
    'http_requests_total{endpoint="predict",code="200",release="v1"} 7\n'
)


@contextmanager
def serving(body: bytes, status: int = 200) -> Iterator[str]:
    """A server that answers everything alike."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/metrics"
            self.send_response(status if found else 404)
            self.end_headers()
            self.wfile.write(body if found else b"")

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_all_servers_are_added_up() -> None:
    with serving(METRICS.encode()) as one, serving(METRICS.encode()) as other:
        assert scrape_servers([one, f"{other}/"])["v1"].requests == 14


def test_a_server_that_went_away_keeps_what_it_counted() -> None:
    with serving(METRICS.encode()) as one:
        with serving(METRICS.encode()) as other:
            scrape = server_scrape(lambda: [one, other])
            assert scrape()["v1"].requests == 14
        assert scrape()["v1"].requests == 14


@pytest.mark.parametrize(("body", "status"), [(b"", 500), (b"\xff\xfe", 200)])
def test_a_server_that_cannot_say_is_left_out(body: bytes, status: int) -> None:
    with serving(METRICS.encode()) as one, serving(body, status) as other:
        assert list(fetch_metrics([one, other])) == [one]


def test_where_no_server_answers_that_is_said() -> None:
    with serving(METRICS.encode()) as url:
        pass
    with pytest.raises(ServingError, match="no server answers"):
        scrape_servers([url])
    with pytest.raises(ServingError, match="no server answers"):
        scrape_servers([])
