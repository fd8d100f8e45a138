"""How long requests take, as histograms tell it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from components.core.words import seconds
from components.release.betting import BlockBets, upper_share
from components.release.counts import Counts

_ALPHA = 0.0003
_TAIL = 0.01
# Fewer requests say nothing of the champion's; and a block of them waits for the next look.
_FEWEST = 10

Histogram = Mapping[float, int]
"""How many requests took at most so many seconds, by ascending bounds, the last one infinite."""


def total(histogram: Histogram) -> int:
    """How many requests were timed."""
    return histogram.get(math.inf, 0)


def quantile(histogram: Histogram, share: float) -> float | None:
    """The latency that this share of the requests does not exceed, in seconds.

    Within a bucket the logarithms of the latencies are taken to be spread evenly.

    Returns:
        None where nothing was timed, or where it lies above the last finite bound.

    >>> quantile({0.1: 50, 0.4: 100, math.inf: 100}, 0.75)
    0.2
    """
    wanted = share * total(histogram)
    lower, below = 0.0, 0
    for bound, count in histogram.items():
        if count >= wanted and count > below:
            if math.isinf(bound):
                return None
            inside = (wanted - below) / (count - below)
            return bound * inside if lower <= 0 else lower * (bound / lower) ** inside
        lower, below = bound, count
    return None


def above(histogram: Histogram, limit: float) -> float:
    """How many requests took longer than that, in requests; the inverse of `quantile`.

    Args:
        histogram: the requests.
        limit: seconds, at most the last finite bound.

    >>> above({0.1: 50, 0.4: 100, math.inf: 100}, 0.2)
    25.0
    """
    lower, below = 0.0, 0
    for bound, count in histogram.items():
        if limit <= bound:
            if math.isinf(bound):
                inside = 0.0
            elif lower <= 0:
                inside = limit / bound
            else:
                inside = math.log(limit / lower) / math.log(bound / lower)
            return total(histogram) - below - inside * (count - below)
        lower, below = bound, count
    return 0.0


class Latency:
    """The 99th percentile latency may be so many times the champion's.

    It is more where over 1 % of the requests take longer than that many times the champion's 99th
    percentile. The requests from look to look are a block, and the first one is left out: a
    release that has just been loaded is slow at first.
    """

    def __init__(self, champion: Counts, limit: float) -> None:
        timed, tail = total(champion.latency), quantile(champion.latency, 1 - _TAIL)
        self._usual = tail or 0.0
        self._times = limit
        self._bets: BlockBets | None = None
        self._fact = "too few of the champion's requests were timed to compare latency with"
        if timed >= _FEWEST and tail is not None:
            over = upper_share(above(champion.latency, tail), timed, _ALPHA / 2)
            self._bets = BlockBets(max(over, _TAIL))
            self._fact = "too few requests were timed to compare its latency"
        self._cold: Counts | None = None
        self._block = Counts()

    def judge(self, counts: Counts) -> str | None:
        """Whether it is slower beyond the limit, and that is no chance."""
        block = (counts - self._block).latency
        if total(block) < _FEWEST:
            return None
        self._block = counts
        if self._cold is None:
            self._cold = counts
        elif self._bets is not None:
            return self._bet(self._bets, block, (counts - self._cold).latency)
        return None

    def fact(self) -> str:
        """How long it took."""
        return self._fact

    def _bet(self, bets: BlockBets, block: Histogram, warm: Histogram) -> str | None:
        limit, last = self._times * self._usual, _last_bound(warm)
        if limit > last:
            self._fact = f"the servers do not tell latencies above {seconds(last)} apart"
            return None
        bets.add(above(block, limit), total(block))
        tail = quantile(warm, 1 - _TAIL)
        self._fact = (
            "its 99th percentile latency is "
            f"{seconds(tail) if tail else f'more than {seconds(last)}'} and the champion's was "
            f"{seconds(self._usual)}, where at most {self._times:g} times as much may be"
        )
        slower = bets.evidence > -math.log(_ALPHA / 2) and (tail or math.inf) > limit
        return self._fact if slower else None


def _last_bound(histogram: Histogram) -> float:
    return max((bound for bound in histogram if math.isfinite(bound)), default=0.0)
