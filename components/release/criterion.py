"""One thing that a release is held to while it is watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from components.release.counts import Counts


@dataclass(frozen=True, slots=True)
class Look:
    """What was counted of a release since it is watched, and when, by a clock that only grows."""

    counts: Counts
    at: float


class Criterion(Protocol):
    """One thing that a release is held to; it may remember what it saw."""

    def judge(self, look: Look) -> str | None:
        """Why the release must go back, or None."""

    def fact(self) -> str:
        """What was seen, for a release that stays."""
