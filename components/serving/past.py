"""How counters stood some time ago."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Mapping
from typing import Generic, NamedTuple, Protocol, TypeVar

_STEP_S, _LONGEST_S = 5.0, 1800.0


class _Counted(Protocol):
    """Counters of one thing."""

    rows: int
    requests: dict[tuple[str, int], int]

    def copy(self: _T) -> _T:
        """The same counts, which stay as they are."""


_T = TypeVar("_T", bound=_Counted)


class Past(Generic[_T]):
    """Remembers for half an hour how counters stood, every five seconds.

    Counters change with a request only. So it is enough to look before one is counted, and only
    where the last look is long enough ago; without requests there is nothing to remember.

    Args:
        start: when counting began, in seconds of a clock that only grows.
    """

    def __init__(self, start: float) -> None:
        self._kept: deque[_Standing[_T]] = deque(maxlen=int(_LONGEST_S / _STEP_S) + 1)
        self._kept.append(_Standing(start, {}))
        self._last = start
        self._due = start + _STEP_S

    def pass_on(self, now: float, counters: Mapping[str, _T]) -> None:
        """Remember how the counters stand, if it is time, before they count what happens now."""
        if now >= self._due:
            last = self._kept[-1].counters
            copies = {name: _copied(each, last.get(name)) for name, each in counters.items()}
            self._kept.append(_Standing(self._last, copies))
            self._due = now + _STEP_S
        self._last = now

    def at(self, moment: float, counters: Mapping[str, _T]) -> Mapping[str, _T]:
        """How they stood then, or up to five seconds earlier; at the earliest that is known.

        Args:
            moment: in seconds of the clock.
            counters: how they stand now.
        """
        if moment >= self._last:
            return counters
        place = bisect_right(self._kept, moment, key=lambda kept: kept.since)
        return self._kept[max(place - 1, 0)].counters


class _Standing(NamedTuple, Generic[_T]):
    """How counters stood since a request, until the next one."""

    since: float
    counters: Mapping[str, _T]


def _copied(counted: _T, last: _T | None) -> _T:
    """A copy, or the last one where nothing was counted since."""
    if last is not None and (last.requests, last.rows) == (counted.requests, counted.rows):
        return last
    return counted.copy()
