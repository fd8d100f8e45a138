"""Where a profile comes about in the store, so that shards meet and nothing is counted twice.

    <store>/<model>/profiles/<window>/runs/<run>.json    the run's plan, and its clock
    <store>/<model>/profiles/<window>/<plan>/plan.json, reference.json
                                            /parts/00000.json, 00000.ids, 00000.again.json
                                            /repeats/repeats.json, 00000.ids
                                            /profile.json, merged.json

Everything is made from the plan alone, so that whoever does it again writes the same bytes; what is
there is not done again. When the profile is there, the parts and what led to it are removed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TypeVar

import numpy as np

from components.core.errors import DataError, StoreError
from components.core.storage import Store
from components.core.verdict import Document
from components.core.window import Window, format_time, parse_time
from components.data.hashing import Hashes
from components.drift.profile import Profile
from components.profiling.merging import MergeRecord, WindowProfile
from components.profiling.part import Counted, PartProfile
from components.profiling.plan import Plan
from components.profiling.repeats import index_of

Known = TypeVar("Known", bound=Document)

_HASH = 8


class _Clock(Document):
    """When a run first asked for labels, and the plan that it made then."""

    as_of: str
    plan: str = ""


class _Ids(Document):
    """Where each range of hashes begins in a shard's ids."""

    index: list[int]


class _Repeats(Document):
    """The shards that repeat ids of earlier ones."""

    shards: list[int]


class Work:
    """The making of one profile."""

    def __init__(self, store: Store, model: str, window: Window, key: str) -> None:
        self._store = store
        self._folder = f"{model}/profiles/{window.key}/{key}"

    @classmethod
    def of_run(cls, store: Store, model: str, window: Window, run: str) -> Work:
        """What a run has planned.

        Raises:
            DataError: when it has planned nothing.
        """
        name = _clock_name(model, window, run)
        key = _parse(store, name, _Clock).plan if store.exists(name) else ""
        if not key:
            raise DataError(f"run {run} has no plan for {window}; plan the parts first")
        return cls(store, model, window, key)

    @property
    def folder(self) -> str:
        """Its folder in the store."""
        return self._folder

    @property
    def complete(self) -> bool:
        """Whether the profile is there."""
        return self._store.exists(self._name("profile.json"))

    @property
    def plan(self) -> Plan:
        """The plan."""
        return _parse(self._store, self._name("plan.json"), Plan)

    @property
    def reference(self) -> Profile:
        """The champion's profile."""
        return _parse(self._store, self._name("reference.json"), Profile)

    @property
    def profile(self) -> WindowProfile:
        """The merged profile."""
        return _parse(self._store, self._name("profile.json"), WindowProfile)

    def begin(self, plan: Plan, reference: Profile, run: str) -> None:
        """Keep a run's plan."""
        if not self.complete:
            self._write("reference.json", reference)
            self._write("plan.json", plan)
        clock = _Clock(as_of=plan.as_of, plan=plan.key)
        name = _clock_name(plan.model, Window.parse(plan.window), run)
        self._store.write(name, clock.model_dump_json().encode())

    def has_part(self, shard: int) -> bool:
        """Whether a shard was counted."""
        return self._store.exists(self._part(shard))

    def keep_part(self, counted: Counted) -> None:
        """Keep a shard's counts; they are written last, when all else is there."""
        shard = counted.part.shard
        ids = counted.ids.astype("<u8")
        self._store.write(self._name(f"parts/{shard:05d}.ids"), ids.tobytes())
        self._write(f"parts/{shard:05d}.index.json", _Ids(index=index_of(counted.ids)))
        self._write(f"parts/{shard:05d}.json", counted.part)

    def indexes(self, shards: int) -> list[list[int]]:
        """Every shard's index of its ids."""
        names = [self._name(f"parts/{shard:05d}.index.json") for shard in range(shards)]
        return [_parse(self._store, name, _Ids).index for name in names]

    def ids(self, shard: int, start: int, end: int) -> Hashes:
        """A shard's ids from one place to another."""
        if start == end:
            return np.zeros(0, np.uint64)
        name = self._name(f"parts/{shard:05d}.ids")
        return _hashes(self._store.read(name, start * _HASH, end * _HASH))

    def keep_repeats(self, repeats: Mapping[int, Hashes]) -> None:
        """Keep which ids are repeated, by the shards that repeat them."""
        for shard, hashes in repeats.items():
            content = hashes.astype("<u8").tobytes()
            self._store.write(self._name(f"repeats/{shard:05d}.ids"), content)
        self._write("repeats/repeats.json", _Repeats(shards=list(repeats)))

    def repeating(self) -> list[int] | None:
        """The shards that repeat ids, or None where nobody has looked yet."""
        name = self._name("repeats/repeats.json")
        return _parse(self._store, name, _Repeats).shards if self._store.exists(name) else None

    def repeats(self, shard: int) -> Hashes:
        """The ids that a shard has in common with an earlier one."""
        return _hashes(self._store.read(self._name(f"repeats/{shard:05d}.ids")))

    def has_again(self, shard: int) -> bool:
        """Whether a shard was counted without what it repeats."""
        return self._store.exists(self._part(shard, again=True))

    def keep_again(self, part: PartProfile) -> None:
        """Keep the counts of a shard without what it repeats."""
        self._write(f"parts/{part.shard:05d}.again.json", part)

    def missing(self, shards: int, again: Collection[int]) -> list[int]:
        """The shards of which there are no counts, or only those with what they repeat."""
        there = set(self._store.names(self._name("parts")))
        return [
            shard for shard in range(shards) if self._part(shard, again=shard in again) not in there
        ]

    def part(self, shard: int, *, again: bool) -> PartProfile:
        """A shard's counts: without what it repeats, if it repeats anything."""
        return _parse(self._store, self._part(shard, again=again), PartProfile)

    def finish(self, profile: WindowProfile, record: MergeRecord) -> None:
        """Keep the merged profile, once.

        Raises:
            DataError: when another run has kept another profile for the same plan.
        """
        content = profile.model_dump_json().encode()
        self._write("merged.json", record)
        name = self._name("profile.json")
        if not self._store.create(name, content) and self._store.read(name) != content:
            raise DataError(
                f"{self._store.url(name)} holds another profile of the same plan: another version "
                "of driftline, or of a library, counts differently; delete it to count anew"
            )

    def tidy(self) -> None:
        """Remove what led to the profile."""
        for leftover in ("parts", "repeats"):
            self._store.delete(self._name(leftover))

    def _part(self, shard: int, *, again: bool = False) -> str:
        return self._name(f"parts/{shard:05d}{'.again' * again}.json")

    def _write(self, name: str, document: Document) -> None:
        self._store.write(self._name(name), document.model_dump_json().encode())

    def _name(self, name: str) -> str:
        return f"{self._folder}/{name}"


def pinned(store: Store, model: str, window: Window, run: str, as_of: datetime) -> datetime:
    """The clock of a run, which all of its shards go by: what it was when the run began first."""
    name = _clock_name(model, window, run)
    store.create(name, _Clock(as_of=format_time(as_of)).model_dump_json().encode())
    return parse_time(_parse(store, name, _Clock).as_of)


def _clock_name(model: str, window: Window, run: str) -> str:
    return f"{model}/profiles/{window.key}/runs/{run}.json"


def _hashes(content: bytes) -> Hashes:
    return np.frombuffer(content, "<u8").astype(np.uint64)


def _parse(store: Store, name: str, kind: type[Known]) -> Known:
    content = store.read(name)
    try:
        return kind.model_validate_json(content)
    except ValueError:
        raise StoreError(
            f"{store.url(name)} is damaged; delete its folder, and run again"
        ) from None
