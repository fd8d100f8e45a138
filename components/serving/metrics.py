"""What `GET /metrics` tells, in Prometheus' format.

A request touches a few plain counters of its release; only a scrape makes samples of them. All of
it belongs to the thread of the event loop.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from itertools import accumulate
from time import monotonic
from typing import TYPE_CHECKING, Literal

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from components.serving.domain import Strange
from components.serving.past import Past

if TYPE_CHECKING:
    from components.serving.serving import Serving

Endpoint = Literal["predict", "infer", "health", "metadata", "metrics", "docs", "other"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Close enough that the guard tells a release that is three times slower from one that is not.
_BOUNDS = (
    0.0001, 0.00015, 0.0002, 0.0003, 0.0005, 0.0007,
    0.001, 0.0015, 0.002, 0.003, 0.005, 0.007,
    0.01, 0.015, 0.02, 0.03, 0.05, 0.07,
    0.1, 0.15, 0.2, 0.3, 0.5, 0.7,
    1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0,
)  # fmt: skip


class _Latency:
    """How many requests took how long: one count a bucket, the last for all slower ones."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(_BOUNDS) + 1)
        self.total = 0.0

    def copy(self) -> _Latency:
        """The same counts, which stay as they are."""
        copied = _Latency()
        copied.counts, copied.total = self.counts.copy(), self.total
        return copied


class ReleaseCounts:
    """What one release has done so far."""

    __slots__ = ("answers", "latency", "outside", "requests", "rows", "unseen")

    def __init__(self) -> None:
        self.requests: dict[tuple[str, int], int] = {}
        self.latency: dict[str, _Latency] = {}
        self.rows = 0
        self.answers: dict[str, int] = {}
        self.unseen: dict[str, int] = {}
        self.outside: dict[str, int] = {}

    def request(self, endpoint: Endpoint, code: int, seconds: float) -> None:
        """Count a request that was answered after so many seconds."""
        key = (endpoint, code)
        self.requests[key] = self.requests.get(key, 0) + 1
        latency = self.latency.get(endpoint)
        if latency is None:
            latency = self.latency[endpoint] = _Latency()
        latency.counts[bisect_left(_BOUNDS, seconds)] += 1
        latency.total += seconds

    def answered(self, rows: int, cells: Mapping[str, int], strange: Strange) -> None:
        """Count answered rows, the cells of their answers, and values that training never saw."""
        self.rows += rows
        _add(self.answers, cells)
        if strange.unseen or strange.outside:
            _add(self.unseen, strange.unseen)
            _add(self.outside, strange.outside)

    def copy(self) -> ReleaseCounts:
        """The same counts, which stay as they are."""
        copied = ReleaseCounts()
        copied.requests, copied.rows = self.requests.copy(), self.rows
        copied.latency = {endpoint: each.copy() for endpoint, each in self.latency.items()}
        copied.answers = self.answers.copy()
        copied.unseen, copied.outside = self.unseen.copy(), self.outside.copy()
        return copied


class Metrics(Collector):
    """The counters of one server by release, and what a scrape reads of its state."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._releases: dict[str, ReleaseCounts] = {}
        self._past = Past[ReleaseCounts](monotonic())
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def of(self, release: str) -> ReleaseCounts:
        """The counters of a release, for one more request."""
        self._past.pass_on(monotonic(), self._releases)
        counts = self._releases.get(release)
        if counts is None:
            counts = self._releases[release] = ReleaseCounts()
        return counts

    def text(self) -> bytes:
        """The answer to a scrape."""
        return generate_latest(self._registry)

    def text_of(self, ago_s: float) -> bytes:
        """What a scrape so many seconds ago would have found in the counters by release.

        A guard compares a release with the champion's latest traffic, not with all there ever was.
        """
        registry = CollectorRegistry()
        now = monotonic()  # a path may hold any number
        registry.register(_Counters(self._past.at(now - min(ago_s, now), self._releases)))
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        """All samples, as Prometheus' client asks for them."""
        yield from _Counters(self._releases).collect()
        yield from self._state()

    def _state(self) -> Iterator[Metric]:
        in_flight = self._serving.in_flight
        yield GaugeMetricFamily("http_requests_in_flight", "Being answered now.", in_flight)
        served = self._serving.served
        labels = {
            "model": served.name,
            "release": served.release,
            "runtime": served.runtime.kind,
            "sha256": served.runtime.sha256,
        }
        info = GaugeMetricFamily("driftline_model_info", "What answers.", labels=list(labels))
        info.add_metric(list(labels.values()), 1)
        yield info
        if self._serving.log is None:
            return
        told = self._serving.log.counters
        for field in ("logged", "dropped", "written"):
            name = f"driftline_prediction_log_{field}_rows"
            yield CounterMetricFamily(name, f"Rows {field}.", getattr(told, field))
        for field in ("queued_rows", "queued_bytes"):
            name = f"driftline_prediction_log_{field}"
            yield GaugeMetricFamily(name, "Not written yet.", getattr(told, field))


class _Counters(Collector):
    """The counters by release, as samples."""

    def __init__(self, releases: Mapping[str, ReleaseCounts]) -> None:
        self._releases = releases

    def collect(self) -> Iterator[Metric]:
        """The samples."""
        yield from self._requests()
        yield from self._rows()

    def _requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "http_requests", "Requests answered.", labels=["endpoint", "code", "release"]
        )
        latency = HistogramMetricFamily(
            "http_request_duration_seconds",
            "From a request's head to its answer.",
            labels=["endpoint", "release"],
        )
        for release, counts in self._releases.items():
            for (endpoint, code), count in counts.requests.items():
                requests.add_metric([endpoint, str(code), release], count)
            for endpoint, each in counts.latency.items():
                bounds = [*map(str, _BOUNDS), "+Inf"]
                buckets = list(zip(bounds, accumulate(each.counts), strict=True))
                latency.add_metric([endpoint, release], buckets, each.total)
        yield requests
        yield latency

    def _rows(self) -> Iterator[Metric]:
        rows = CounterMetricFamily("driftline_rows", "Rows answered.", labels=["release"])
        for release, counts in self._releases.items():
            rows.add_metric([release], counts.rows)
        yield rows
        yield self._by("answers", "Answers by coarse cell.", "cell")
        yield self._by("unseen", "Categories that training never saw.", "column")
        yield self._by("out_of_range", "Numbers outside of training's range.", "column")

    def _by(self, name: str, text: str, label: str) -> Metric:
        family = CounterMetricFamily(f"driftline_{name}", text, labels=["release", label])
        field = "outside" if name == "out_of_range" else name
        for release, counts in self._releases.items():
            for value, count in getattr(counts, field).items():
                family.add_metric([release, value], count)
        return family


def _add(totals: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        totals[name] = totals.get(name, 0) + count
