"""The history of a Deployment, from its ReplicaSets: nothing else remembers what was deployed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from components.release.kubernetes.names import identity, read_entry, read_metrics
from components.release.target import Deployment

_REVISION = "deployment.kubernetes.io/revision"
_EARLIER = "deployment.kubernetes.io/revision-history"
_HASH = "pod-template-hash"


@dataclass(frozen=True)
class Revision:
    """One rollout that the cluster remembers: its entry, and the pod template it rolled out.

    `numbers` are the Deployment's revisions under which it was rolled out: more than one where it
    was put back after another that failed.
    """

    entry: Deployment
    template: Mapping[str, Any]
    numbers: frozenset[int]

    @property
    def metrics(self) -> dict[str, float]:
        """The release's headline figures."""
        return read_metrics(self.template["metadata"].get("annotations"))


def revisions(replica_sets: Iterable[Mapping[str, Any]], owner: str) -> list[Revision]:
    """What a Deployment rolled out, by when it last did; each rollout once.

    Args:
        replica_sets: as the cluster lists them.
        owner: the Deployment's uid.
    """
    found: dict[tuple[str, str], Revision] = {}
    for replica_set in replica_sets:
        if not any(by["uid"] == owner for by in replica_set["metadata"].get("ownerReferences", [])):
            continue
        revision = _revision(replica_set)
        if revision is None:
            continue
        key = identity(revision.entry)
        if key in found:  # a 'kubectl rollout restart' makes a second one
            revision = _merged(found[key], revision)
        found[key] = revision
    return sorted(found.values(), key=lambda revision: max(revision.numbers, default=0))


def kept(found: list[Revision]) -> list[Revision]:
    """Those that were not undone: without each that stood between two rollouts of another.

    A release that failed, or did worse under guard, was followed by the very template that was
    there before it, under a new number: the cluster itself remembers that it was undone.
    """
    return [one for one in found if not any(_undone(one, other) for other in found)]


def _undone(one: Revision, other: Revision) -> bool:
    if one is other or not one.numbers:
        return False
    last = max(one.numbers)
    return min(other.numbers, default=last) < last < max(other.numbers, default=last)


def _revision(replica_set: Mapping[str, Any]) -> Revision | None:
    template = replica_set["spec"]["template"]
    entry = read_entry(template["metadata"].get("annotations"))
    if entry is None:
        return None
    annotations = replica_set["metadata"].get("annotations") or {}
    numbers = re.findall(
        r"\d+", f"{annotations.get(_REVISION, '')},{annotations.get(_EARLIER, '')}"
    )
    return Revision(entry, _without_hash(template), frozenset(map(int, numbers)))


def _without_hash(template: Mapping[str, Any]) -> dict[str, Any]:
    """The template as the Deployment had it: with its label, another ReplicaSet would be made."""
    metadata = dict(template["metadata"])
    metadata["labels"] = {
        key: value for key, value in (metadata.get("labels") or {}).items() if key != _HASH
    }
    metadata.pop("creationTimestamp", None)  # always null here
    return {**template, "metadata": metadata}


def _merged(one: Revision, other: Revision) -> Revision:
    later = max((one, other), key=lambda revision: max(revision.numbers, default=0))
    return Revision(later.entry, later.template, one.numbers | other.numbers)
