"""What an interrupted rollout of the local target left behind, and how it ends."""

from __future__ import annotations

from components.release.deployment import DeploymentRecord, DeploymentState
from components.release.servers import Servers
from components.release.target import Progress, silent


def repair(record: DeploymentRecord, servers: Servers, progress: Progress = silent) -> None:
    """End a rollout whose process is gone: a deployment is undone, a rollback done.

    A release that was not watched to the end must not become the champion by chance. A rollback
    goes to one that was, so it needs no more than that no server refuses it.

    Args:
        record: what is deployed.
        servers: those that follow it.
        progress: told what happens.
    """
    underway = record.read().underway
    if underway is None or not underway.is_stale:
        return
    entry = underway.entry
    after = record.change(lambda state: _ended(state, servers))
    ended = "undone" if after.champion != entry else "done"
    progress(f"the {entry.action} of {entry.version} by {entry.run} was interrupted; it is {ended}")


def _ended(state: DeploymentState, servers: Servers) -> DeploymentState:
    underway = state.underway
    if underway is None or not underway.is_stale:
        return state
    entry = underway.entry
    if entry.action == "rollback" and not any(note.refuses(entry) for note in servers.live()):
        return state.proven()
    return state.undone(f"it was interrupted: {underway.owner} is gone")
