"""The detector's state between windows, in `<model>/checks/<window>/concept--<champion>.json`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

from pydantic import Field, ValidationError

from components.core.errors import DriftlineError
from components.core.storage import Store
from components.core.verdict import Document
from components.core.window import Window
from components.model.concept import WEIGHTS, Alarm, Stream
from components.model.records import ErrorReference


class PastAlarm(Document):
    """An alarm of an earlier window."""

    window: str
    alarm: Alarm


class ConceptState(Document):
    """Where the detector stood after a window, for the next one to go on from.

    `continues` is the window that this one went on from, `""` where the detector began anew, and
    `continues_digest` the digest of the state that it left then; `earlier` are the same champion's
    alarms before, oldest first.
    """

    version: Literal[1] = 1
    champion: str
    window: str
    continues: str = ""
    continues_digest: str = ""
    reference: ErrorReference
    stream: Stream = Field(default_factory=Stream)
    earlier: list[PastAlarm] = Field(default_factory=list)

    @property
    def digest(self) -> str:
        """The sha256 of the state; equal labels give an equal one."""
        return sha256(self.model_dump_json().encode()).hexdigest()


@dataclass(frozen=True)
class Problem:
    """Why a newer state could not be gone on from, and the windows to run again, oldest first."""

    reason: str
    windows: list[Window]


@dataclass
class _Chain:
    """The states read so far, None where there is none that can be read, and the broken ones.

    `broken` tells of a window, whose chain was followed, the two between which it is broken.
    """

    states: dict[str, ConceptState | None] = field(default_factory=dict)
    broken: dict[str, tuple[str, str] | None] = field(default_factory=dict)


class ConceptMemory:
    """Finds the state that a window goes on from, and keeps the one that it leaves.

    A window goes on from the same champion's latest window that ended before it began. So one that
    overlaps others looks at all its own labels, also those that were late for the others, and no
    label counts twice; and a window that is run again starts where it started before and replaces
    what it left. The states that went on from what it replaced are then out of date, and are gone
    on from no more until their windows are run again too.
    """

    def __init__(self, store: Store, model: str) -> None:
        self._store = store
        self._root = f"{model}/checks"

    def before(
        self, champion: str, window: Window, reference: ErrorReference, since: Window
    ) -> tuple[ConceptState | None, list[Problem]]:
        """The state to go on from.

        Args:
            champion: the release that is judged.
            window: the window that is judged.
            reference: what is normal for that champion.
            since: the champion's holdout; it has answered nothing new before its end.

        Returns:
            The state, or None where the detector begins anew; and why newer ones were passed over.

        Raises:
            StoreError: when the store cannot be reached.
        """
        chain = _Chain()
        problems: list[Problem] = []
        stale: dict[tuple[str, str], list[Window]] = {}
        known: ConceptState | None = None
        for candidate in self._earlier(champion, window, since):
            state = self._read(chain, candidate, champion)
            if state is None:
                reason = f"the state after {candidate} cannot be read"
                problems.append(Problem(reason, [candidate]))
            elif not _fits(state, reference):
                reason = f"the state after {candidate} is of another detector"
                problems.append(Problem(reason, [candidate]))
            elif link := self._broken(chain, str(candidate), champion):
                stale.setdefault(link, []).insert(0, candidate)
            else:
                known = state
                break
        problems += [
            Problem(f"{changed} was run again since {went_on} went on from it", windows)
            for (changed, went_on), windows in stale.items()
        ]
        return known, problems

    def keep(self, state: ConceptState) -> None:
        """Write a window's state, in the place of an older one of the same window."""
        name = self._name(Window.parse(state.window), state.champion)
        self._store.write(name, state.model_dump_json().encode())

    def _earlier(self, champion: str, window: Window, since: Window) -> Iterator[Window]:
        """The windows that may be gone on from, the latest end first."""
        found = [
            earlier
            for key in self._store.children(self._root)
            if (earlier := window_of(key)) and since.end < earlier.end <= window.start
        ]
        # Of two that end together the longer one has seen more.
        for earlier in sorted(found, key=lambda one: (-one.end.timestamp(), one.start)):
            if self._store.exists(self._name(earlier, champion)):
                yield earlier

    def _read(self, chain: _Chain, window: Window, champion: str) -> ConceptState | None:
        """The state after a window; None where there is none, or none that can be read."""
        name = str(window)
        if name not in chain.states:
            chain.states[name] = None
            file = self._name(window, champion)
            if self._store.exists(file):
                try:
                    state = ConceptState.model_validate_json(self._store.read(file))
                    if state.champion == champion and state.window == name:
                        chain.states[name] = state
                except ValidationError:
                    pass
        return chain.states[name]

    def _broken(self, chain: _Chain, window: str, champion: str) -> tuple[str, str] | None:
        """A window that was run again, and the one that had gone on from it, in a state's chain.

        A state that is gone breaks nothing: it was not run again.
        """
        path: list[str] = []
        link: tuple[str, str] | None = None
        while window and window not in chain.broken:
            path.append(window)
            state = self._read(chain, Window.parse(window), champion)
            if state is None or not state.continues:
                break
            before = self._read(chain, Window.parse(state.continues), champion)
            if before and before.digest != state.continues_digest:
                link = (state.continues, window)
                break
            window = state.continues
        else:
            link = chain.broken.get(window)
        chain.broken |= dict.fromkeys(path, link)
        return link

    def _name(self, window: Window, champion: str) -> str:
        return f"{self._root}/{window.key}/concept--{champion}.json"


def _fits(state: ConceptState, reference: ErrorReference) -> bool:
    return len(state.stream.trails) in (0, len(WEIGHTS)) and state.reference == reference


def window_of(key: str) -> Window | None:
    """The window that a folder's name stands for, None where it stands for none.

    >>> window_of(Window.parse("2013-04-01T06:30..2013-05").key) == Window.parse(
    ...     "2013-04-01T06:30..2013-05"
    ... )
    True
    >>> window_of("notes") is None
    True
    """
    try:
        return Window.between(*key.split("_"))
    except (DriftlineError, TypeError):
        return None
