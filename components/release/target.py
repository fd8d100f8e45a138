"""What every target can do: say what it serves, deploy, go back, and tell its history."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

from components.core.errors import ReleaseError
from components.core.storage import Store
from components.core.verdict import Document
from components.release.package import Release
from components.release.store import ReleaseStore

Progress = Callable[[str], None]
"""Told one sentence whenever something happens that a waiting person wants to know."""


def silent(_sentence: str) -> None:
    """A progress that tells nobody."""


class Deployment(Document):
    """One entry of the history: a release began to be served.

    `manifest_sha256` is that of the release's manifest, which holds the sha256 of every file.
    """

    version: str
    manifest_sha256: str
    action: Literal["deploy", "rollback"]
    at: str
    run: str
    reason: str


class Failure(Document):
    """A rollout that was undone, when, and why."""

    entry: Deployment
    ended: str
    problem: str


class Replica(Document):
    """One server process of a target: what it serves and whether it is ready to."""

    name: str
    version: str
    ready: bool
    note: str = ""


class Status(Document):
    """What a target serves at this moment; `settled` when every replica serves the champion.

    `underway` is the release that somebody is rolling out just now.
    """

    champion: str | None
    settled: bool
    replicas: list[Replica]
    note: str = ""
    underway: str | None = None


class Target(ABC):
    """Where one model's releases are served.

    What is deployed is the champion; the target itself is the only record of it.
    """

    def __init__(self, store: Store, model: str) -> None:
        self._store = store
        self._model = model
        self.releases = ReleaseStore(store, model)

    @abstractmethod
    def history(self) -> list[Deployment]:
        """Every deployment and rollback that the target remembers, oldest first."""

    def failures(self) -> list[Failure]:
        """The last rollouts that were undone, oldest first, as far as the target remembers."""
        return []

    @abstractmethod
    def status(self) -> Status:
        """What is served at this moment, replica by replica."""

    @abstractmethod
    def deploy(
        self,
        version: str,
        *,
        expected: str | None,
        run: str,
        reason: str,
        progress: Progress = silent,
    ) -> Deployment:
        """Make a published release the champion, and wait until it is served.

        Args:
            version: the release, already in the store.
            expected: the champion that the release was proven against; None for no champion.
            run: the run that deploys.
            reason: why, in words.
            progress: told what happens.

        Returns:
            The new entry; the present one where that release is the champion already.

        Raises:
            ConflictError: when another release became the champion in the meantime; it is named.
            ReleaseError: when there is no such release, or it is damaged.
            RolloutError: when it could not be served, or did worse than the champion under guard;
                the champion before it serves again.
        """

    @abstractmethod
    def rollback(
        self, to: str | None = None, *, run: str, reason: str, progress: Progress = silent
    ) -> Deployment:
        """Serve an earlier release again.

        Args:
            to: a version of the target's own history; by default the one that the champion
                replaced.
            run: who rolls back.
            reason: why, in words.
            progress: told what happens.

        Raises:
            ReleaseError: when there is nothing to go back to, or that release is damaged.
        """

    def repair(self, progress: Progress = silent) -> None:  # noqa: B027 # most targets need none
        """End what an interrupted rollout left behind, where the target does not do so itself.

        Args:
            progress: told what happens.
        """

    def in_use(self) -> set[str]:
        """The releases that are served, or on their way to it, whatever the history says."""
        status = self.status()
        champion = [status.champion] if status.champion else []
        return {*champion, *(replica.version for replica in status.replicas)}

    def current(self) -> Deployment | None:
        """The champion's entry, or None where nothing was deployed yet."""
        history = self.history()
        return history[-1] if history else None

    def champion(self) -> Release | None:
        """The release that is served now, verified against the deployment record.

        Raises:
            ReleaseError: when the release in the store is not the one that was deployed.
        """
        deployment = self.current()
        if deployment is None:
            return None
        try:
            return self.releases.open(deployment.version, deployment.manifest_sha256)
        except ReleaseError as error:
            raise ReleaseError(f"{error}; {self._way_out()}") from None

    def require_champion(self) -> Release:
        """The champion, where a step makes no sense without one.

        Raises:
            ReleaseError: when nothing was deployed yet.
        """
        champion = self.champion()
        if champion is None:
            raise ReleaseError(
                f"no release of {self._model} is deployed in {self._store.address}; "
                "run 'driftline run training' first"
            )
        return champion

    def manifest_sha256(self, version: str) -> str:
        """The sha256 of a release's manifest as it stands in the store."""
        return hashlib.sha256(self.releases.manifest_bytes(version)).hexdigest()

    def _way_out(self) -> str:
        if replaced(self.history()) is not None:
            return "restore it, or go back with 'driftline releases rollback'"
        return "restore it from a backup"


def replaced(history: list[Deployment]) -> str | None:
    """The release that the champion replaced; a rollback undoes a deployment, not another one."""
    served: list[str] = []
    for entry in history:
        if entry.action == "rollback" and entry.version in served:
            del served[served.index(entry.version) + 1 :]
        elif not served or served[-1] != entry.version:
            served.append(entry.version)
    return served[-2] if len(served) > 1 else None
