"""The local target: servers on machines of one's own, which follow a document in the store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from components.core.errors import ConflictError, ReleaseError
from components.core.storage import Store
from components.core.window import parse_duration
from components.release.deployment import DeploymentRecord, DeploymentState
from components.release.repair import repair
from components.release.servers import Answer, ServerNote, Servers, answering
from components.release.switch import Pace, Switch, taken_by
from components.release.target import (
    Deployment,
    Failure,
    Progress,
    Replica,
    Status,
    Target,
    replaced,
    silent,
)
from components.spec.model import Serving


class LocalTarget(Target):
    """Serves the release that `<store>/<model>/deployment.json` points to.

    The pointer and the history are one document, switched by compare-and-swap: whoever wrote
    in between is noticed, never overwritten. A release is the champion once every server that
    runs answers with it, and it passed the guard.

    Args:
        store: the store, which the servers follow.
        model: the spec's model name.
        serving: the spec's part on serving; its defaults where left out.
        pace: how long things may take; by the spec where left out.
    """

    def __init__(
        self,
        store: Store,
        model: str,
        serving: Serving | None = None,
        pace: Pace | None = None,
    ) -> None:
        super().__init__(store, model)
        self._serving = serving or Serving()
        confirm = parse_duration(self._serving.confirm).total_seconds()
        self._pace = pace or Pace(poll=0.1 if store.is_local else 1.0, confirm=confirm)
        self._record = DeploymentRecord(store, model)
        self._servers = Servers(store, model)

    def history(self) -> list[Deployment]:
        """Every deployment and rollback that was proven, oldest first."""
        return self._record.read().history

    def failures(self) -> list[Failure]:
        """The last rollouts that were undone, oldest first."""
        return self._record.read().failed

    def status(self) -> Status:
        """What is served at this moment, server by server."""
        state = self._record.read()
        champion = state.champion.version if state.champion else None
        live = self._servers.live()
        found = answering([note.url for note in live])
        replicas = [_replica(note, found[note.url]) for note in live]
        settled = state.underway is None and all(
            replica.ready and replica.version == champion for replica in replicas
        )
        return Status(
            champion=champion,
            settled=settled,
            replicas=replicas,
            note=_note(state),
            underway=state.underway.entry.version if state.underway else None,
        )

    def deploy(
        self,
        version: str,
        *,
        expected: str | None,
        run: str,
        reason: str,
        progress: Progress = silent,
    ) -> Deployment:
        """Make a published release the champion, and wait until every server answers with it.

        What an interrupted rollout left behind is undone first.

        Args:
            version: the release, already in the store.
            expected: the champion that the release was proven against; None for no champion.
            run: the run that deploys.
            reason: why, in words.
            progress: told what happens.

        Returns:
            The new entry; the present one where that release is the champion already.

        Raises:
            ConflictError: when another release became the champion, or is on its way to it.
            ReleaseError: when there is no such release, or it is damaged.
            RolloutError: when a server refuses it or takes too long, or it did worse than the
                champion under guard; the champion before it serves again.
        """
        self.repair(progress)
        state = self._record.read()
        if state.underway is None and state.champion and state.champion.version == version:
            return state.champion

        def admit(now: DeploymentState) -> None:
            _refuse_conflict(now, version, expected)

        admit(state)
        self.releases.use(version, run)
        entry = self._entry(version, "deploy", run, reason)
        return self._switch(entry, progress, guarded=True).make(admit)

    def rollback(
        self, to: str | None = None, *, run: str, reason: str, progress: Progress = silent
    ) -> Deployment:
        """Serve an earlier release again, and wait until every server answers with it.

        A rollout that is under way is given up for it.

        Args:
            to: a version that was deployed before; by default the one that the champion replaced,
                or the champion itself where another release is on its way.
            run: who rolls back.
            reason: why, in words.
            progress: told what happens.

        Raises:
            ReleaseError: when there is nothing to go back to, or that release is damaged.
            RolloutError: when a server refuses it or takes too long; what served before serves
                again.
            ConflictError: when somebody else deployed in between.
        """
        self.repair(progress)
        state = self._record.read()
        earlier = self._earlier(state, to)
        if state.underway is None and state.champion and state.champion.version == earlier.version:
            raise ReleaseError(f"release {earlier.version} of {self._model} is deployed already")
        self.releases.use(earlier.version, run)
        entry = self._entry(
            earlier.version, "rollback", run, reason, manifest_sha256=earlier.manifest_sha256
        )

        def admit(now: DeploymentState) -> None:
            if now.history != state.history:
                raise ConflictError(f"rollback to {entry.version} was given up: {taken_by(now)}")

        return self._switch(entry, progress, guarded=False).make(admit)

    def repair(self, progress: Progress = silent) -> None:
        """End what an interrupted rollout left behind: a rollback is done, a deployment undone."""
        repair(self._record, self._servers, progress)

    def in_use(self) -> set[str]:
        """The champion, what is under way, and what servers answer with."""
        pointer = self._record.read().pointer
        return super().in_use() | ({pointer.version} if pointer else set())

    def _earlier(self, state: DeploymentState, to: str | None) -> Deployment:
        version = to or replaced(state.history)
        if to is None and state.underway is not None and state.champion is not None:
            version = state.champion.version
        if version is None:
            raise ReleaseError(
                f"{self._model} has no earlier release to go back to; "
                "'driftline releases list' shows what there is"
            )
        for entry in reversed(state.history):
            if entry.version == version:
                return entry
        self.releases.manifest_bytes(version)  # says so when there is none
        raise ReleaseError(
            f"release {version} of {self._model} was never deployed, so there is no way back to "
            f"it; 'driftline releases deploy {version}' makes it the champion"
        )

    def _switch(self, entry: Deployment, progress: Progress, *, guarded: bool) -> Switch:
        guard = self._serving.guard if guarded else None
        return Switch(self._record, self._servers, entry, guard, self._pace, progress)

    def _entry(
        self,
        version: str,
        action: Literal["deploy", "rollback"],
        run: str,
        reason: str,
        manifest_sha256: str | None = None,
    ) -> Deployment:
        """The entry of a release; one that is damaged is refused before it serves."""
        release = self.releases.open(version, manifest_sha256)
        return Deployment(
            version=version,
            manifest_sha256=release.manifest_sha256,
            action=action,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            run=run,
            reason=reason,
        )

    def _way_out(self) -> str:
        if replaced(self.history()) is not None:
            return "restore it, or go back with 'driftline releases rollback'"
        return f"restore it, or move {self._record.url} away and train again"


def _refuse_conflict(state: DeploymentState, version: str, expected: str | None) -> None:
    if state.underway is not None:
        raise ConflictError(f"release {version} has to wait: {taken_by(state)}")
    current = state.champion.version if state.champion else None
    if current != expected:
        raise ConflictError(
            f"release {version} was proven against {expected or 'no champion'}, but "
            f"{taken_by(state)}"
        )


def _replica(note: ServerNote, answer: Answer) -> Replica:
    said = f"{note.process}, since {note.since}"
    if note.refused is not None:
        said = f"refuses {note.refused.version}: {note.refused.problem}; {said}"
    if answer.release is None:
        said = f"{answer.note}; {said}"
    return Replica(
        name=note.url,
        version=answer.release or note.release or "none",
        ready=answer.release is not None,
        note=said,
    )


def _note(state: DeploymentState) -> str:
    if state.underway is not None:
        entry = state.underway.entry
        return f"{entry.version} is being rolled out by run {entry.run}"
    if state.failed:
        failed = state.failed[-1]
        entry = failed.entry
        last = state.champion
        if last is None or last.at < failed.ended:
            return f"{entry.action} of {entry.version} at {entry.at} failed: {failed.problem}"
    return ""
