"""The detector's state between windows: `<model>/checks/<window>/concept.json` in the store."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationError

from components.core.errors import DriftlineError
from components.core.storage import Store
from components.core.verdict import Document
from components.core.window import Window
from components.model.concept import WEIGHTS, Alarm, Stream
from components.model.records import ErrorReference

FILE = "concept.json"


class PastAlarm(Document):
    """An alarm of an earlier window."""

    window: str
    alarm: Alarm


class ConceptState(Document):
    """Where the detector stood after a window, for the next one to go on from.

    `continues` is the window that this one went on from, `""` where the detector began anew;
    `through` the event time of the last label that was looked at, in microseconds since 1970 in
    UTC; `earlier` the same champion's alarms before, oldest first.
    """

    version: Literal[1] = 1
    champion: str
    window: str
    continues: str = ""
    reference: ErrorReference
    through: int | None = None
    stream: Stream = Field(default_factory=Stream)
    earlier: list[PastAlarm] = Field(default_factory=list)


class ConceptMemory:
    """Finds the state that a window goes on from, and keeps the one that it leaves.

    A window goes on from the same champion's window with the latest end before its own. So a
    window that is run again, with more labels, starts where it started before and replaces what it
    left; and one champion never goes on from another's state.
    """

    def __init__(self, store: Store, model: str) -> None:
        self._store = store
        self._root = f"{model}/checks"

    def before(
        self, champion: str, window: Window, reference: ErrorReference, since: Window
    ) -> tuple[ConceptState | None, list[str]]:
        """The state to go on from.

        Args:
            champion: the release that is judged.
            window: the window that is judged.
            reference: what is normal for that champion.
            since: the champion's holdout; it has answered nothing new before its end.

        Returns:
            The state, or None where the detector begins anew; and what could not be read, a
            sentence each.

        Raises:
            StoreError: when the store cannot be reached.
        """
        earlier = [
            found
            for key in self._store.children(self._root)
            if (found := window_of(key)) and since.end < found.end < window.end
        ]
        problems: list[str] = []
        for candidate in sorted(earlier, key=lambda found: (found.end, found.start), reverse=True):
            name = self._name(candidate)
            if not self._store.exists(name):
                continue
            try:
                state = ConceptState.model_validate_json(self._store.read(name))
            except ValidationError:
                problems.append(f"the state after {candidate} cannot be read")
                continue
            if state.champion != champion:
                continue
            if len(state.stream.trails) not in (0, len(WEIGHTS)) or state.reference != reference:
                problems.append(f"the state after {candidate} is of another detector")
                continue
            return state, problems
        return None, problems

    def keep(self, state: ConceptState) -> None:
        """Write a window's state, in the place of an older one of the same window."""
        self._store.write(self._name(Window.parse(state.window)), state.model_dump_json().encode())

    def _name(self, window: Window) -> str:
        return f"{self._root}/{window.key}/{FILE}"


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
