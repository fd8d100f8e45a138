"""The local target: one document says which release is served, and what was served before."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from components.core.errors import ConflictError, ReleaseError
from components.core.storage import Store
from components.core.verdict import Document
from components.release.target import (
    Deployment,
    Progress,
    Status,
    Target,
    replaced,
    silent,
)


class DeploymentState(Document):
    """What `deployment.json` holds: the whole history; its last entry is the champion."""

    model: str
    history: list[Deployment]


class LocalTarget(Target):
    """Serves the release that `<store>/<model>/deployment.json` points to.

    The pointer and the history are one document, switched by compare-and-swap: whoever wrote
    in between is noticed, never overwritten.
    """

    def __init__(self, store: Store, model: str) -> None:
        super().__init__(store, model)
        self._name = f"{model}/deployment.json"

    def history(self) -> list[Deployment]:
        """Every deployment and rollback, oldest first."""
        return self._read()[0].history

    def status(self) -> Status:
        """What is served: here the pointer alone."""
        current = self.current()
        return Status(champion=current.version if current else None, settled=True, replicas=[])

    def deploy(
        self,
        version: str,
        *,
        expected: str | None,
        run: str,
        reason: str,
        progress: Progress = silent,
    ) -> Deployment:
        """Make a published release the champion.

        Args:
            version: the release, already in the store.
            expected: the champion that the release was proven against; None for no champion.
            run: the run that deploys.
            reason: why, in words.
            progress: told what happens.

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
        progress(f"{version} becomes the champion")
        return self._append(state, seen, version, "deploy", run, reason)

    def rollback(
        self, to: str | None = None, *, run: str, reason: str, progress: Progress = silent
    ) -> Deployment:
        """Serve an earlier release again.

        Args:
            to: a version; by default the one that the present champion replaced.
            run: who rolls back.
            reason: why, in words.
            progress: told what happens.

        Raises:
            ReleaseError: when there is nothing to go back to, or that release is damaged.
        """
        state, seen = self._read()
        target = to or replaced(state.history)
        if target is None:
            raise ReleaseError(
                f"{self._model} has no earlier release to go back to; "
                "'driftline releases list' shows what there is"
            )
        if state.history and state.history[-1].version == target:
            raise ReleaseError(f"release {target} of {self._model} is deployed already")
        self.releases.open(target)  # a damaged release is refused before it serves
        progress(f"{target} becomes the champion again")
        return self._append(state, seen, target, "rollback", run, reason)

    def _way_out(self) -> str:
        if replaced(self.history()) is not None:
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
            manifest_sha256=self.manifest_sha256(version),
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
