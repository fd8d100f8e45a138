"""The local target: one document says which release is served, and what was served before."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Literal

from components.core.errors import ConflictError, ReleaseError
from components.core.storage import Store
from components.core.verdict import Document
from components.release.package import Release
from components.release.store import ReleaseStore


class Deployment(Document):
    """One entry of the history: a release began to be served."""

    version: str
    manifest_sha256: str
    action: Literal["deploy", "rollback"]
    at: str
    run: str
    reason: str


class DeploymentState(Document):
    """What `deployment.json` holds: the whole history; its last entry is the champion."""

    model: str
    history: list[Deployment]


class LocalTarget:
    """Serves the release that `<store>/<model>/deployment.json` points to.

    The pointer and the history are one document, switched by compare-and-swap: whoever wrote
    in between is noticed, never overwritten.
    """

    def __init__(self, store: Store, model: str) -> None:
        self._store = store
        self._model = model
        self._name = f"{model}/deployment.json"
        self.releases = ReleaseStore(store, model)

    def history(self) -> list[Deployment]:
        """Every deployment and rollback, oldest first."""
        return self._read()[0].history

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
        if self._manifest_sha256(deployment.version) != deployment.manifest_sha256:
            raise ReleaseError(
                f"release {deployment.version} of {self._model} is refused: its manifest is not "
                f"the one that was deployed; {self._way_out()}"
            )
        try:
            return self.releases.open(deployment.version)
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

    def deploy(self, version: str, *, expected: str | None, run: str, reason: str) -> Deployment:
        """Make a published release the champion.

        Args:
            version: the release, already in the store.
            expected: the champion that the release was proven against; None for no champion.
            run: the run that deploys.
            reason: why, in words.

        Returns:
            The new entry; the present one where that release is the champion already.

        Raises:
            ConflictError: when another release became the champion in the meantime.
            ReleaseError: when there is no such release.
        """
        state, seen = self._read()
        current = state.history[-1].version if state.history else None
        if current == version:
            return state.history[-1]
        if current != expected:
            raise ConflictError(
                f"release {version} was proven against {expected or 'no champion'}, but "
                f"{current or 'nothing'} is deployed now; run the training again to compare "
                "with that"
            )
        self.releases.open(version)  # a damaged release is refused before it serves
        return self._append(state, seen, version, "deploy", run, reason)

    def rollback(self, to: str | None = None, *, run: str, reason: str) -> Deployment:
        """Serve an earlier release again.

        Args:
            to: a version; by default the one that the present champion replaced.
            run: who rolls back.
            reason: why, in words.

        Raises:
            ReleaseError: when there is nothing to go back to, or that release is damaged.
        """
        state, seen = self._read()
        target = to or _replaced(state.history)
        if target is None:
            raise ReleaseError(
                f"{self._model} has no earlier release to go back to; "
                "'driftline releases list' shows what there is"
            )
        if state.history and state.history[-1].version == target:
            raise ReleaseError(f"release {target} of {self._model} is deployed already")
        self.releases.open(target)  # a damaged release is refused before it serves
        return self._append(state, seen, target, "rollback", run, reason)

    def _way_out(self) -> str:
        if _replaced(self.history()) is not None:
            return "restore it, or go back with 'driftline releases rollback'"
        return f"restore it, or move {self._store.url(self._name)} away and train again"

    def _append(
        self,
        state: DeploymentState,
        seen: bytes | None,
        version: str,
        action: Literal["deploy", "rollback"],
        run: str,
        reason: str,
    ) -> Deployment:
        deployment = Deployment(
            version=version,
            manifest_sha256=self._manifest_sha256(version),
            action=action,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            run=run,
            reason=reason,
        )
        after = DeploymentState(model=self._model, history=[*state.history, deployment])
        self._store.replace(self._name, after.model_dump_json(indent=2).encode(), seen)
        return deployment

    def _read(self) -> tuple[DeploymentState, bytes | None]:
        if not self._store.exists(self._name):
            return DeploymentState(model=self._model, history=[]), None
        content = self._store.read(self._name)
        try:
            return DeploymentState.model_validate_json(content), content
        except ValueError:
            raise ReleaseError(
                f"{self._store.url(self._name)} is damaged; restore it from a backup, or move it "
                "away and deploy again"
            ) from None

    def _manifest_sha256(self, version: str) -> str:
        return hashlib.sha256(self.releases.manifest_bytes(version)).hexdigest()


def _replaced(history: list[Deployment]) -> str | None:
    """The release that the champion replaced; a rollback undoes a deployment, not another one."""
    served: list[str] = []
    for entry in history:
        if entry.action == "rollback" and entry.version in served:
            del served[served.index(entry.version) + 1 :]
        elif not served or served[-1] != entry.version:
            served.append(entry.version)
    return served[-2] if len(served) > 1 else None
