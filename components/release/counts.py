"""What servers count about each release: requests, failures, latency and answers.

Counters only grow, until their process ends. `Replicas` adds up those of several servers so that
the sum only grows, too, whatever restarts, vanishes or joins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from components.core.errors import ServingError

_Key = TypeVar("_Key")

_ENDPOINTS = ("predict", "infer")


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted of one release.

    `errors` are the requests answered with a 5xx code, `refused` those with 400 or 422: a body
    that the release cannot take. `latency` holds how many requests took at most so many seconds,
    the last bound being infinite; `answers` how many answered rows fell into each cell.

    >>> import math
    >>> morning = Counts(requests=5, errors=1, latency={0.1: 4, math.inf: 5}, answers={"yes": 4})
    >>> day = morning + Counts(requests=2, latency={0.1: 2, math.inf: 2}, answers={"no": 2})
    >>> day
    Counts(requests=7, errors=1, refused=0, latency={0.1: 6, inf: 7}, answers={'yes': 4, 'no': 2})
    >>> (day - morning).answers
    {'no': 2}
    """

    requests: int = 0
    errors: int = 0
    refused: int = 0
    latency: Mapping[float, int] = field(default_factory=dict)
    answers: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Counts) -> Counts:
        return self._with(other, 1)

    def __sub__(self, other: Counts) -> Counts:
        """What was counted since `other`; some of it is negative where counters began anew."""
        return self._with(other, -1)

    @property
    def grew(self) -> bool:
        """Whether none of a difference is negative, as when no counter began anew."""
        totals = (self.requests, self.errors, self.refused)
        return min(*totals, *self.latency.values(), *self.answers.values()) >= 0

    @property
    def rows(self) -> int:
        """How many rows were answered."""
        return sum(self.answers.values())

    def _with(self, other: Counts, sign: int) -> Counts:
        answers = dict(self.answers)
        for cell, count in other.answers.items():
            answers[cell] = answers.get(cell, 0) + sign * count
        return Counts(
            self.requests + sign * other.requests,
            self.errors + sign * other.errors,
            self.refused + sign * other.refused,
            _joined(self.latency, other.latency, sign),
            {cell: count for cell, count in answers.items() if count},
        )


Scrape = Callable[[], Mapping[str, Counts]]
"""What all replicas together counted of each release that any of them serves now.

Raises a DriftlineError where that could not be read this time.
"""


def read_counts(metrics: str) -> dict[str, Counts]:
    """Read a server's metrics, as Prometheus' text format has them.

    Args:
        metrics: the answer of `GET /metrics`.

    Returns:
        Counts by release; also of one that is loaded and was asked nothing yet.

    Raises:
        ServingError: when this is no metrics' text.

    >>> metrics = '''# TYPE http_requests_total counter
    ... http_requests_total{endpoint="predict",code="200",release="v1"} 8
    ... http_requests_total{endpoint="predict",code="500",release="v1"} 1
    ... http_requests_total{endpoint="health",code="200",release="v1"} 99
    ... '''
    >>> counts = read_counts(metrics)["v1"]
    >>> counts.requests, counts.errors
    (9, 1)
    """
    return _read(metrics)[1]


def grown(now: Mapping[str, str], then: Mapping[str, str]) -> dict[str, Counts]:
    """What servers counted of each release from one moment to another.

    A server that could not tell how its counters stood then is left out, for nothing of it is
    known to be new.

    Args:
        now: the metrics' text of each server, by its name.
        then: the same of an earlier moment.

    Raises:
        ServingError: when one of them is no metrics' text.
    """
    total: dict[str, Counts] = {}
    for name in now.keys() & then.keys():
        before = read_counts(then[name])
        for release, counts in read_counts(now[name]).items():
            more = counts - before.get(release, Counts())
            total[release] = total.get(release, Counts()) + more
    return total


class Replicas:
    """A `Scrape` over servers that may come, restart and go: what each counted stays counted.

    Args:
        fetch: the metrics' text of every server that answers now, by the server's name.

    >>> one = '# TYPE http_requests_total counter' + chr(10)
    >>> one += 'http_requests_total{endpoint="predict",code="200",release="v1"} '
    >>> texts = iter([{"a": one + "8" + chr(10)}, {"a": one + "3" + chr(10)}])
    >>> replicas = Replicas(lambda: next(texts))
    >>> replicas()["v1"].requests, replicas()["v1"].requests  # the server started anew in between
    (8, 11)
    """

    def __init__(self, fetch: Callable[[], Mapping[str, str]]) -> None:
        self._fetch = fetch
        self._seen: dict[tuple[str, float | None], dict[str, Counts]] = {}
        self._ended: dict[str, Counts] = {}

    def __call__(self) -> dict[str, Counts]:
        """Ask all servers; those that do not answer count as they did at last.

        Raises:
            ServingError: when none answers, or one answers something else.
        """
        texts = self._fetch()
        if not texts:
            raise ServingError("no server answers when asked for its metrics")
        served: set[str] = set()
        for name, text in texts.items():
            started, counts = _read(text)
            process = (name, started)
            self._keep_ended(self._seen.get(process, {}), counts)
            self._seen[process] = counts
            served |= counts.keys()
        return {release: self._total(release) for release in served}

    def _keep_ended(self, before: Mapping[str, Counts], now: Mapping[str, Counts]) -> None:
        for release, counts in before.items():
            if release not in now or not (now[release] - counts).grew:
                self._ended[release] = self._ended.get(release, Counts()) + counts

    def _total(self, release: str) -> Counts:
        all_seen = (counts[release] for counts in self._seen.values() if release in counts)
        return sum(all_seen, self._ended.get(release, Counts()))


def _read(metrics: str) -> tuple[float | None, dict[str, Counts]]:
    """When the server's process started, in seconds since 1970, and its counts by release."""
    started: float | None = None
    found: dict[str, _Reading] = {}
    try:
        for family in text_string_to_metric_families(metrics):
            for sample in family.samples:
                release = sample.labels.get("release")
                if sample.name == "process_start_time_seconds":
                    started = sample.value
                if release:
                    found.setdefault(release, _Reading()).add(sample)
    except (ValueError, KeyError, IndexError) as error:
        raise ServingError(
            f"/metrics is not in Prometheus' text format: {error}; is that a driftline server?"
        ) from error
    return started, {release: reading.counts() for release, reading in found.items()}


class _Reading:
    """Adds up one release's samples."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._latency: dict[float, int] = {}
        self._answers: dict[str, int] = {}

    def add(self, sample: Sample) -> None:
        labels, count = sample.labels, int(sample.value)
        if sample.name == "driftline_answers_total":
            _count(self._answers, labels["cell"], count)
        if labels.get("endpoint") not in _ENDPOINTS:
            return
        if sample.name == "http_requests_total":
            _count(self._codes, labels["code"], count)
        elif sample.name == "http_request_duration_seconds_bucket":
            _count(self._latency, float(labels["le"]), count)

    def counts(self) -> Counts:
        return Counts(
            requests=sum(self._codes.values()),
            errors=self._with_codes(code for code in self._codes if code.startswith("5")),
            refused=self._with_codes(("400", "422")),
            latency=dict(sorted(self._latency.items())),
            answers={cell: count for cell, count in self._answers.items() if count},
        )

    def _with_codes(self, codes: Iterable[str]) -> int:
        return sum(self._codes.get(code, 0) for code in codes)


def _count(counts: dict[_Key, int], key: _Key, count: int) -> None:
    counts[key] = counts.get(key, 0) + count


def _joined(one: Mapping[float, int], other: Mapping[float, int], sign: int) -> dict[float, int]:
    """Two histograms as one, at the bounds that both have; an empty one has all bounds."""
    if not one:
        return {bound: sign * count for bound, count in other.items()}
    if not other:
        return dict(one)
    return {bound: one[bound] + sign * other[bound] for bound in one if bound in other}
