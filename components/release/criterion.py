"""One thing that a release is held to while it is watched."""

from __future__ import annotations

from typing import Protocol

from components.release.counts import Counts


class Criterion(Protocol):
    """One thing that a release is held to; it may remember what it saw."""

    def judge(self, counts: Counts) -> str | None:
        """Why the release must go back, or None.

        Args:
            counts: what was counted of it since it is watched.
        """

    def fact(self) -> str:
        """What was seen, for a release that stays."""
