"""The guard: for a while after a rollout, the new release is held against the champion.

It does no I/O: what the servers count comes from a `Scrape`, and the clock is the caller's. A
sound release goes back in at most one guard period of a thousand, however often it is looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from components.core.errors import DriftlineError
from components.core.verdict import Document
from components.core.window import parse_duration
from components.core.words import count_of, seconds
from components.release.counts import Counts, Scrape, read_counts
from components.release.target import Progress, silent
from components.release.watched import Watched
from components.spec.model import Guard

__all__ = ["Counts", "Judgement", "Scrape", "read_counts", "watch"]

# A period has so many looks, none sooner than a quarter of a second after the last.
_LOOKS = 60
_SHORTEST_S, _LONGEST_S = 0.25, 5.0
# So long may nothing be heard of the release: the period does not end before something is.
_PATIENCE_S = 30.0


class Judgement(Document):
    """What the guard says of a release.

    `breached` means that it goes back; `too few` that too few requests came to say anything. The
    reasons are sentences: why it goes back, or what was seen.
    """

    verdict: Literal["passed", "breached", "too few"]
    reasons: list[str]
    requests: int


def watch(
    scrape: Scrape,
    *,
    champion: Counts | None,
    challenger: str,
    guard: Guard,
    since: Counts | None = None,
    progress: Progress = silent,
    pause: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Judgement:
    """Watch a release for the guard period, or until it is clear that it must go back.

    Args:
        scrape: what the servers counted of each release so far.
        champion: what was counted of the champion before the rollout; None where there was none.
        challenger: the release that is watched.
        guard: the limits, from the spec.
        since: what was counted of the challenger before the rollout; by default what the first
            scrape finds, so that nothing before that counts.
        progress: told what happens.
        pause: waits so many seconds.
        clock: seconds that only grow.

    Returns:
        The judgement; at once where the period is `0s`, which is no guard.
    """
    period = parse_duration(guard.period).total_seconds()
    if not period:
        return Judgement(
            verdict="too few",
            reasons=[f"the guard period is {guard.period}: nothing was watched"],
            requests=0,
        )
    progress(f"{challenger} is watched for {guard.period}")
    return _Watch(scrape, Watched(champion, guard), challenger, since, clock).run(period, pause)


class _Watch:
    """One guard period."""

    def __init__(
        self,
        scrape: Scrape,
        watched: Watched,
        challenger: str,
        since: Counts | None,
        clock: Callable[[], float],
    ) -> None:
        self._scrape = scrape
        self._watched = watched
        self._challenger = challenger
        self._last = since
        self._clock = clock
        self._heard = clock()
        self._trouble = ""

    def run(self, period: float, pause: Callable[[float], object]) -> Judgement:
        """Look again and again until the period is over or a reason to go back is found."""
        start = self._heard
        interval = min(max(period / _LOOKS, _SHORTEST_S), _LONGEST_S)
        while True:
            reasons = self._look()
            now = self._clock()
            silence = now - self._heard
            if self._trouble and silence > _PATIENCE_S:
                reasons = [f"nothing was heard of it for {seconds(silence)}: {self._trouble}"]
            if reasons:
                return self._judgement("breached", reasons)
            left = start + period - now
            if left <= 0 and not self._trouble:
                return self._end()
            pause(min(interval, left) if left > 0 else interval)

    def _look(self) -> list[str]:
        try:
            counts = self._scrape().get(self._challenger)
        except DriftlineError as error:
            self._trouble = str(error)
            return []
        if counts is None:
            self._trouble = "no server serves it"
            return []
        self._heard, self._trouble = self._clock(), ""
        grown = counts - (counts if self._last is None else self._last)
        self._last = counts
        if not grown.grew:  # a counter began anew: from here on, then
            return []
        return self._watched.look(self._watched.counts + grown)

    def _end(self) -> Judgement:
        requests = self._watched.counts.requests
        least = self._watched.guard.min_requests
        if requests < least:
            few = (
                f"{count_of(requests, 'request')} in {self._watched.guard.period} are too few to "
                f"judge it by: min_requests is {least}"
            )
            return self._judgement("too few", [few])
        return self._judgement("passed", self._watched.facts())

    def _judgement(
        self, verdict: Literal["passed", "breached", "too few"], reasons: list[str]
    ) -> Judgement:
        requests = self._watched.counts.requests
        return Judgement(verdict=verdict, reasons=reasons, requests=requests)
