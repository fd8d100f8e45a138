"""Asking servers what they counted, over HTTP."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from components.release.counts import Counts, Replicas, Scrape
from components.release.recent import METRICS

TIMEOUT_S = 5.0
_LARGEST = 16 * 2**20
_AT_ONCE = 16


def scrape_servers(urls: Sequence[str]) -> dict[str, Counts]:
    """What these servers counted of each release so far, all together.

    Args:
        urls: addresses such as `http://127.0.0.1:8080`.

    Raises:
        ServingError: when none answers, or one answers something else than metrics.
    """
    return Replicas(lambda: fetch_metrics(urls))()


def server_scrape(urls: Callable[[], Sequence[str]]) -> Scrape:
    """A scrape over servers that may come, restart and go.

    Args:
        urls: the addresses of the servers that there are now, asked anew each time.
    """
    return Replicas(lambda: fetch_metrics(urls()))


def fetch_metrics(
    urls: Sequence[str], path: str = METRICS, timeout_s: float = TIMEOUT_S
) -> dict[str, str]:
    """The metrics of every server that answers in time, by its address."""
    if not urls:
        return {}
    with ThreadPoolExecutor(min(len(urls), _AT_ONCE)) as pool:
        texts = pool.map(lambda url: _metrics(url, path, timeout_s), urls)
        return {url: text for url, text in zip(urls, texts, strict=True) if text is not None}


def _metrics(url: str, path: str, timeout_s: float) -> str | None:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/{path}")
        response = connection.getresponse()
        body = response.read(_LARGEST)
        return body.decode() if response.status == 200 else None
    except (OSError, http.client.HTTPException, UnicodeDecodeError):
        return None
    finally:
        connection.close()
