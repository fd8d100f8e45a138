"""What a rollout is to do, decided before anything changes."""

from __future__ import annotations

from dataclasses import dataclass

from components.release.kubernetes.names import Underway, identity
from components.release.kubernetes.seen import Seen, Serving
from components.spec.model import Guard


@dataclass(frozen=True)
class Plan:
    """What a rollout does.

    `serving` is what serves in the end; `seen` is what it replaces, and `claim` the mark that says
    so. `canary` is the share of replicas that serves it first. Where there is no `guard`, nothing
    is watched.
    """

    serving: Serving
    seen: Seen
    claim: Underway
    canary: float = 0.0
    guard: Guard | None = None


def claim(seen: Seen, version: str, run: str, at: str) -> Underway:
    """The mark of a rollout that begins, which also keeps in mind what it finds unproven.

    Args:
        seen: what it finds.
        version: what is rolled out, or undone.
        run: whose rollout it is.
        at: when it began, which tells it from every other.
    """
    unproven: list[tuple[str, str]] = []
    if seen.underway is not None:
        unproven = [*seen.underway.unproven, identity(seen.underway)]
    return Underway(version=version, run=run, at=at, until=at, unproven=unproven[-10:])


def taken_by(seen: Seen) -> str:
    """Who deployed what, as far as the cluster knows, and what follows."""
    if seen.underway is not None:
        mark = seen.underway
        return f"{mark.version} is being rolled out by run {mark.run}; wait for it, then look again"
    if seen.champion is not None:
        entry = seen.champion.entry
        return (
            f"{entry.version} serves now, deployed by run {entry.run} ({entry.reason}); run the "
            "training again to compare with that"
        )
    return "what was deployed was taken away in between; deploy it again"
