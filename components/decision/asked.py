"""Runs that were asked for from outside, each recorded once with its reason before it begins."""

from __future__ import annotations

import logging
from typing import Literal, TypeVar

from components.core.errors import StoreError
from components.core.storage import Store
from components.core.verdict import Document

_logger = logging.getLogger(__name__)

State = Literal["declined", "submitted", "ended", "failed"]
Record = TypeVar("Record", bound=Document)


class Asked(Document):
    """A run as it was asked for: all that it takes to start it, now or after a crash.

    `content` is a digest of what the asker sent, so that a key that is used again for something
    else is noticed.
    """

    run: str
    pipeline: Literal["training", "monitoring"]
    start: str
    end: str
    as_of: str
    reason: str
    source: str
    at: str
    content: str


class Outcome(Document):
    """What became of it: `submitted` to a cluster, `ended` here, `declined` or `failed`."""

    run: str
    state: State
    sentence: str
    at: str


class AskedRuns:
    """The runs of one model that were asked for from outside.

    >>> runs = AskedRuns(Store(getfixture("tmp_path")), "flights")
    >>> asked = Asked(run="a", pipeline="training", start="auto", end="2013-04", as_of="2013-05",
    ...     reason="latency", source="alertmanager", at="2013-05", content="")
    >>> runs.add(asked), runs.add(asked), [each.run for each in runs.open()]
    (True, False, ['a'])
    """

    def __init__(self, store: Store, model: str) -> None:
        self._store = store
        self._folder = f"{model}/asked"

    def add(self, asked: Asked) -> bool:
        """Record a run; of all that ask for it at once, wherever they are, one is told True."""
        return self._store.create(self._name(asked.run), asked.model_dump_json(indent=2).encode())

    def read(self, run: str) -> Asked | None:
        """A run as it was asked for, or None where nobody did."""
        found = self._read(self._name(run))
        return None if found is None else self._parse(run, found, Asked)

    def outcome(self, run: str) -> Outcome | None:
        """What became of a run, or None while nothing did."""
        found = self._read(self._outcome_name(run))
        return None if found is None else self._parse(run, found, Outcome)

    def close(self, outcome: Outcome) -> None:
        """Record what became of a run; the first word stands."""
        data = outcome.model_dump_json(indent=2).encode()
        self._store.create(self._outcome_name(outcome.run), data)

    def open(self) -> list[Asked]:
        """Runs of which nothing became yet, the oldest first: in progress, or lost in a crash."""
        names = {name.rsplit("/", 1)[-1] for name in self._store.names(self._folder)}
        waiting = [
            name.removesuffix(".json")
            for name in names
            if not name.endswith(".outcome.json")
            and f"{name.removesuffix('.json')}.outcome.json" not in names
        ]
        found = [asked for run in waiting if (asked := self._readable(run)) is not None]
        return sorted(found, key=lambda asked: (asked.at, asked.run))

    def _readable(self, run: str) -> Asked | None:
        """A run, or None where its record is damaged: the others go on."""
        try:
            return self.read(run)
        except StoreError as error:
            _logger.warning("%s is passed over: %s", run, error)
            return None

    def _name(self, run: str) -> str:
        return f"{self._folder}/{run}.json"

    def _outcome_name(self, run: str) -> str:
        return f"{self._folder}/{run}.outcome.json"

    def _read(self, name: str) -> bytes | None:
        return self._store.read(name) if self._store.exists(name) else None

    def _parse(self, run: str, data: bytes, kind: type[Record]) -> Record:
        try:
            return kind.model_validate_json(data)
        except ValueError:
            name = self._store.url(self._name(run))
            raise StoreError(f"{name} or its outcome is damaged; delete it") from None
