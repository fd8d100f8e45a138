"""What the cluster holds of a model, and what is put in its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from components.core.errors import ClusterError
from components.release.kubernetes.history import Revision, kept
from components.release.kubernetes.manifests import Manifest
from components.release.kubernetes.names import Underway, identity
from components.release.target import Deployment

Object = dict[str, Any]


@dataclass(frozen=True)
class Serving:
    """An entry of the history, with the manifest that serves it and its headline figures."""

    entry: Deployment
    manifest: Manifest
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Seen:
    """What the cluster holds of a model at one moment.

    `live` is the object that driftline applies, `deployment` the one whose pods serve, and `mark`
    the one that a mark is written on; `serving` is the entry that the pods carry, or will;
    `underway` is the mark of a rollout that is not proven yet.
    """

    live: Object | None = None
    deployment: Object | None = None
    mark: Object | None = None
    serving: Deployment | None = None
    underway: Underway | None = None
    remembered: list[Revision] = field(default_factory=list)

    @property
    def proven(self) -> list[Revision]:
        """What was deployed and stayed, oldest first: the history."""
        unproven: list[tuple[str, str]] = []
        if self.underway is not None:
            unproven = [identity(self.underway), *self.underway.unproven]
        return [one for one in kept(self.remembered) if identity(one.entry) not in unproven]

    @property
    def champion(self) -> Revision | None:
        """What was proven last."""
        return self.proven[-1] if self.proven else None

    def revision(self, version: str) -> Revision | None:
        """The last rollout of a release that stayed."""
        found = [one for one in self.proven if one.entry.version == version]
        return found[-1] if found else None

    def shows(self, entry: Deployment, underway: Underway | None) -> bool:
        """Whether this is what was to be applied."""
        return self._ids() == (identity(entry), _id(underway))

    def leads_from(self, seen: Seen, entry: Deployment, underway: Underway | None) -> bool:
        """Whether nobody deployed since `seen` but whoever applies these, whole or in part."""
        (serving, mark), (was_serving, was_mark) = self._ids(), seen._ids()
        return serving in (was_serving, identity(entry)) and mark in (was_mark, _id(underway))

    def _ids(self) -> tuple[tuple[str, str] | None, tuple[str, str] | None]:
        return _id(self.serving), _id(self.underway)


def _id(entry: Deployment | Underway | None) -> tuple[str, str] | None:
    return None if entry is None else identity(entry)


class SupersededError(ClusterError):
    """Somebody else deployed in between; `seen` is what is there now."""

    def __init__(self, seen: Seen) -> None:
        super().__init__("somebody else deployed in between")
        self.seen = seen
