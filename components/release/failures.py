"""Requests that fail, and requests that are refused."""

from __future__ import annotations

import math

from components.core.words import count_of, percent
from components.release.betting import excess, upper_share
from components.release.counts import Counts
from components.spec.model import Guard

_ALPHA_ERRORS, _ALPHA_REFUSED = 0.0003, 0.0001
# A release refuses too much where it refuses a tenth of what the champion took. Less than that may
# be clients that send nonsense, who come and go; a release that wants other columns refuses all.
_REFUSED = 0.1


class Failures:
    """No more requests may fail than the champion's, or than the spec allows.

    Where the champion failed more often than allowed, chance is left to it as well.
    """

    def __init__(self, champion: Counts | None, guard: Guard) -> None:
        self._allowed = guard.errors
        if champion is not None and champion.errors > guard.errors * champion.requests:
            self._allowed = upper_share(champion.errors, champion.requests, _ALPHA_ERRORS / 2)
        self._seen = "no request came"

    def judge(self, counts: Counts) -> str | None:
        """Whether it fails too often, and that is no chance."""
        failed, requests = counts.errors, counts.requests
        if not requests:
            return None
        self._seen = (
            f"{failed:,} of {count_of(requests, 'request')} failed ({percent(failed / requests)}), "
            f"where at most {percent(self._allowed)} may"
        )
        evidence = excess(failed, requests, self._allowed)
        return self._seen if evidence > -math.log(_ALPHA_ERRORS / 2) else None

    def fact(self) -> str:
        """How many failed."""
        return self._seen


class Refusals:
    """A release that refuses what the champion took wants other input than it gets."""

    def __init__(self, champion: Counts) -> None:
        self._usual = champion.refused / champion.requests if champion.requests else 0.0
        refused = upper_share(champion.refused, champion.requests, _ALPHA_REFUSED / 2)
        self._allowed = refused + _REFUSED * (1 - refused)
        self._seen = "no request was refused"

    def judge(self, counts: Counts) -> str | None:
        """Whether it refuses too much, and that is no chance."""
        refused, requests = counts.refused, counts.requests
        if not refused:
            return None
        self._seen = (
            f"{refused:,} of {count_of(requests, 'request')} were refused as invalid "
            f"({percent(refused / requests)}), and {percent(self._usual)} of the champion's"
        )
        if excess(refused, requests, self._allowed) <= -math.log(_ALPHA_REFUSED / 2):
            return None
        return f"{self._seen}: it cannot answer what its clients send"

    def fact(self) -> str:
        """How many it refused."""
        return self._seen
