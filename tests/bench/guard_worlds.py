"""Traffic as the guard sees it, drawn: what servers count, second by second."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm

from components.release.counts import Counts

# The bounds of a server's latency histogram, in seconds.
BOUNDS = np.array(
    [lead * 10.0**power for power in range(-4, 1) for lead in (1, 1.5, 2, 3, 5, 7)] + [10.0]
)


@dataclass(frozen=True)
class Traffic:
    """How a release answers, and what it is asked.

    A latency is log-normal around `median` seconds; in one second of `hiccups` everything takes
    thirty times as long. `cells` are the shares of the answers; a request's `batch` rows all fall
    into the same cell, the worst that can be.
    """

    rate: float = 50.0
    errors: float = 0.0
    refused: float = 0.0
    median: float = 0.003
    spread: float = 0.5
    hiccups: float = 0.0
    cells: tuple[float, ...] = tuple(np.diff(np.linspace(0, 1, 21) ** 2).tolist())
    batch: int = 1

    def slower(self, factor: float) -> Traffic:
        """The same, each answer so many times later."""
        return replace(self, median=self.median * factor)

    def moved(self, index: float) -> Traffic:
        """The same, the answers moved towards the last cell by that population stability index."""
        cells = np.array(self.cells)
        tilt = np.linspace(-1, 1, cells.size)
        low, high = 0.0, 20.0
        for _ in range(60):
            middle = (low + high) / 2
            other = cells * np.exp(middle * tilt)
            other /= other.sum()
            if float(np.sum((other - cells) * np.log(other / cells))) < index:
                low = middle
            else:
                high = middle
        return replace(self, cells=tuple(other.tolist()))


def seconds_of(traffic: Traffic, rng: np.random.Generator, seconds: int) -> Iterator[Counts]:
    """What was counted after each second, from the first on."""
    totals = Counts()
    usual, late = _buckets(traffic, 1.0), _buckets(traffic, 30.0)
    for _ in range(seconds):
        hiccup = rng.random() < traffic.hiccups
        totals = totals + _draw(
            traffic, int(rng.poisson(traffic.rate)), late if hiccup else usual, rng
        )
        yield totals


def history(traffic: Traffic, rng: np.random.Generator, requests: int) -> Counts:
    """What the champion counted before, over so many requests."""
    usual, late = _buckets(traffic, 1.0), _buckets(traffic, 30.0)
    share = traffic.hiccups
    return _draw(traffic, requests, (1 - share) * usual + share * late, rng)


def _buckets(traffic: Traffic, factor: float) -> np.ndarray:
    at = np.log(BOUNDS / (factor * traffic.median)) / traffic.spread
    return np.diff(np.concatenate([[0.0], norm.cdf(at), [1.0]]))


def _draw(traffic: Traffic, requests: int, buckets: np.ndarray, rng: np.random.Generator) -> Counts:
    failed, refused, answered = rng.multinomial(
        requests, [traffic.errors, traffic.refused, 1 - traffic.errors - traffic.refused]
    ).tolist()
    timed = np.cumsum(rng.multinomial(requests, buckets)).tolist()
    answers = (traffic.batch * rng.multinomial(answered, traffic.cells)).tolist()
    return Counts(
        requests,
        failed,
        refused,
        dict(zip([*BOUNDS.tolist(), math.inf], timed, strict=True)),
        {f"{place:03d}": count for place, count in enumerate(answers) if count},
    )
