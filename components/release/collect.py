"""Removing what nobody needs any more: old releases, half copies, and what killed processes left.

A release goes in an order that no interruption and no deployment at the same time can turn into
harm. First a mark says that it is being removed, which `ReleaseStore.use` refuses; then it is
looked whether it is in use; then its manifest goes, without which it is no release, then the rest.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from components.core.errors import StoreError, UsageError
from components.core.storage import Store, StoredFile
from components.core.verdict import Document
from components.core.window import parse_time
from components.core.words import count_of
from components.release.package import MANIFEST
from components.release.servers import Servers
from components.release.store import Use
from components.release.target import Progress, Target, silent

SHORTEST = timedelta(hours=1)
"""Whatever is younger may be at work still: a release that is published, or a file written."""


class Collected(Document):
    """What was removed, or would be; `kept` says why each release stays."""

    releases: list[str]
    incomplete: list[str]
    files: list[str]
    size: int
    kept: dict[str, str]

    @property
    def headline(self) -> str:
        """All of it in a few words."""
        parts = [
            count_of(len(self.releases), "release"),
            count_of(len(self.incomplete), "incomplete copy").replace("copys", "copies"),
            count_of(len(self.files), "stale file"),
        ]
        return f"{', '.join(parts)}, {self.size / 1e6:.1f} MB"


def collect(
    target: Target,
    store: Store,
    model: str,
    *,
    keep: int = 5,
    age: timedelta = timedelta(days=7),
    dry_run: bool = False,
    now: datetime | None = None,
    progress: Progress = silent,
) -> Collected:
    """Remove releases that nobody needs, and what interrupted work left behind.

    The champion stays, and what servers answer with, the last releases of the history, and whatever
    was made or deployed lately.

    Args:
        target: where the releases are served.
        store: where they are.
        model: the spec's model name.
        keep: how many of the history's last releases stay.
        age: what is younger stays.
        dry_run: only say what would be removed.
        now: the present, for tests.
        progress: told what happens.

    Raises:
        UsageError: for an age that would remove what somebody is at.
        DriftlineError: when it cannot be told what is in use; nothing is removed then.
    """
    if age < SHORTEST or keep < 0:
        raise UsageError(
            "an age below 1h, or a negative number to keep, could remove what somebody is "
            "deploying at this moment"
        )
    work = _Collection(target, store, model, keep, age, now or datetime.now(UTC))
    return work.run(None if dry_run else progress)


class Removal(Document):
    """The mark of a release that is being removed, and by whom."""

    at: str
    by: str


@dataclass(frozen=True)
class _Needs:
    """What the target needs at one moment."""

    champion: str | None
    used: set[str]
    last: list[str]


class _Collection:
    """One collection; releases that were made after `_before` are young, files after `_at_work`."""

    def __init__(
        self, target: Target, store: Store, model: str, keep: int, age: timedelta, now: datetime
    ) -> None:
        self._target = target
        self._releases = target.releases
        self._store = store
        self._model = model
        self._keep = keep
        self._before = now - age
        self._at_work = now - SHORTEST
        self._mark = Removal(at=now.isoformat(), by=uuid.uuid4().hex).model_dump_json().encode()
        self._folder = f"{model}/releases"

    def run(self, progress: Progress | None) -> Collected:
        """Look, and remove unless there is no progress to tell."""
        found: dict[str, list[StoredFile]] = {}
        for file in self._store.files(self._folder):
            version = file.name.removeprefix(f"{self._folder}/").partition("/")[0]
            found.setdefault(version, []).append(file)
        needs = self._needs()
        kept = {each: why for each in found if (why := self._why_kept(each, found[each], needs))}
        old = [version for version in found if version not in kept]
        files = self._stale_files()
        if progress:
            kept |= {version: why for version in old if (why := self._remove(version))}
            old = [version for version in old if version not in kept]
            self._end_removals()
            for file in files:
                self._store.delete(file.name)
            progress(f"{count_of(len(old), 'release')} removed")
        whole = [version for version in old if self._is_whole(found[version])]
        gone = [file for version in old for file in found[version]]
        return Collected(
            releases=whole,
            incomplete=[version for version in old if version not in whole],
            files=[file.name for file in files],
            size=sum(file.size for file in [*gone, *files]),
            kept=kept,
        )

    def _needs(self) -> _Needs:
        history = [entry.version for entry in self._target.history()]
        return _Needs(
            champion=history[-1] if history else None,
            used=self._target.in_use(),
            last=list(dict.fromkeys(reversed(history)))[: self._keep],
        )

    def _why_kept(self, version: str, files: list[StoredFile], needs: _Needs) -> str:
        """Why a release stays; empty where it does not."""
        young = max(file.modified for file in files) > self._before
        return self._why_needed(version, needs) or ("it is young" if young else "")

    def _why_needed(self, version: str, needs: _Needs) -> str:
        if version == needs.champion:
            return "it is the champion"
        if version in needs.used:
            return "it is served, or on its way to it"
        if version in needs.last:
            return f"it is among the last {self._keep} of the history"
        used = self._used(version)
        return "it was deployed lately" if used and used > self._before else ""

    def _used(self, version: str) -> datetime | None:
        """When somebody was about to deploy a release last."""
        name = self._releases.use_name(version)
        if not self._store.exists(name):
            return None
        try:
            return parse_time(Use.model_validate_json(self._store.read(name)).at)
        except ValueError:  # a later driftline's
            return datetime.now(UTC)

    def _is_whole(self, files: list[StoredFile]) -> bool:
        return any(file.name.endswith(f"/{MANIFEST}") for file in files)

    def _remove(self, version: str) -> str:
        """Remove a release, unless it turns out to be needed; returns why, then."""
        mark = self._releases.removal_name(version)
        if not self._take(mark):
            return "somebody else is removing it"
        if why := self._why_needed(version, self._needs()):  # by a deployment just now
            self._store.delete(mark)
            return why
        self._store.delete(f"{self._folder}/{version}/{MANIFEST}")
        self._store.delete(f"{self._folder}/{version}")
        self._store.delete(self._releases.use_name(version))
        self._store.delete(mark)
        return ""

    def _take(self, mark: str) -> bool:
        """Put our mark there, also in the place of one whose owner is long gone."""
        if self._store.create(mark, self._mark):
            return True
        try:
            found = self._store.read(mark)
            if parse_time(Removal.model_validate_json(found).at) > self._at_work:
                return False
            self._store.replace(mark, self._mark, found)
        except (StoreError, ValueError):  # taken away, or taken over, in between
            return False
        return True

    def _end_removals(self) -> None:
        """See removals through that were interrupted."""
        for file in self._store.files(f"{self._model}/removals"):
            self._remove(file.name.rpartition("/")[2].removesuffix(".json"))

    def _stale_files(self) -> list[StoredFile]:
        """Notes of servers and deployments that are long gone, and files never finished."""
        stale = set(Servers(self._store, self._model).stale())
        notes = [file for file in self._store.files(f"{self._model}/servers") if file.name in stale]
        left = [
            file for file in [*notes, *self._store.leftovers()] if file.modified < self._at_work
        ]
        uses = self._store.files(f"{self._model}/uses")
        return [*left, *(file for file in uses if file.modified < self._before)]
