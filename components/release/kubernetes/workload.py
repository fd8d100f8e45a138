"""What is deployed of a model, as the cluster holds it: read whole, changed by compare-and-swap."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from components.core.errors import ClusterError
from components.release.kubernetes.cluster import Cluster
from components.release.kubernetes.history import Revision, revisions
from components.release.kubernetes.manifests import (
    Manifest,
    around,
    autoscaler,
    budget,
    deployment,
    service,
)
from components.release.kubernetes.names import (
    UNDERWAY,
    Names,
    Underway,
    entry_annotations,
    read_entry,
    read_underway,
)
from components.release.kubernetes.ownership import (
    hand_over_replicas,
    is_half_made,
    owns_replicas,
    write,
)
from components.release.kubernetes.refusals import StaleError, TakenError
from components.release.kubernetes.seen import Seen, Serving, SupersededError
from components.release.target import Deployment
from components.spec.model import Spec

# The status of a Deployment that is rolling out changes several times a second.
_ATTEMPTS = 50
_PAUSE_S = 0.2

Object = dict[str, Any]


class Workload:
    """One model's Deployment and what surrounds it.

    Args:
        cluster: where it is.
        spec: what is served, and how.
        store: the store's address, as the pods reach it.
        image: the image that serves.
    """

    def __init__(self, cluster: Cluster, spec: Spec, store: str, image: str) -> None:
        self.cluster = cluster
        self.spec = spec
        self.names = Names(spec.model)
        self.deployment = self.names.main
        self._store = store
        self._image = image

    def read(self) -> Seen:
        """What the cluster holds now.

        Raises:
            ClusterError: when it cannot be asked.
        """
        live = self.cluster.get("Deployment", self.names.main)
        if live is None:
            return Seen()
        return Seen(
            live=live,
            deployment=live,
            serving=read_entry(live["spec"]["template"]["metadata"].get("annotations")),
            underway=read_underway(live["metadata"].get("annotations")),
            remembered=self._remembered(live),
        )

    def underway(self) -> Underway | None:
        """The mark of the rollout that is not proven yet, if there is one."""
        live = self.cluster.get("Deployment", self.names.main)
        return read_underway(live["metadata"].get("annotations")) if live else None

    def fresh(self, entry: Deployment, metrics: Mapping[str, float]) -> Serving:
        """What serves a release that is new."""
        manifest = deployment(self.spec, entry, self._image, self._store, metrics)
        return Serving(entry, manifest, metrics)

    def canary(self, serving: Serving, replicas: int) -> Manifest:
        """What serves a release beside the champion, with a number of replicas of its own."""
        entry, metrics = serving.entry, serving.metrics
        manifest = deployment(self.spec, entry, self._image, self._store, metrics, canary=True)
        manifest["spec"]["replicas"] = replicas
        return manifest

    def again(self, revision: Revision, entry: Deployment | None = None) -> Serving:
        """What served a release before, to the letter: its template as the cluster remembers it.

        Args:
            revision: from the history.
            entry: a new entry for it; by default its own, under which its pods go on as they are.
        """
        entry = entry or revision.entry
        template = copy.deepcopy(dict(revision.template))
        template["metadata"]["annotations"].update(entry_annotations(entry, revision.metrics))
        manifest = around(self.spec, entry, template, revision.metrics)
        return Serving(entry, manifest, revision.metrics)

    def beside(self) -> list[Manifest]:
        """What stands beside it from the beginning."""
        return [service(self.spec), budget(self.spec)]

    def after(self) -> list[Manifest]:
        """What is applied once there are replicas to look after."""
        return [autoscaler(self.spec)]

    def put(
        self,
        serving: Serving,
        underway: Underway | None,
        seen: Seen,
        *,
        force: bool,
    ) -> None:
        """Apply a manifest, if nobody deployed since it was looked.

        Args:
            serving: made by `fresh` or `again`.
            underway: the mark that it carries from now on; None takes it off.
            seen: what it replaces.
            force: take fields that belong to others.

        Raises:
            SupersededError: when somebody else deployed in between.
            TakenError: when a field belongs to another manager.
            ClusterError: when the cluster refuses it.
        """
        for _ in range(_ATTEMPTS):
            try:
                return self._apply(serving.manifest, underway, seen, force)
            except StaleError:
                now = self.read()
            if now.shows(serving.entry, underway):
                return None  # ours arrived, its answer did not
            if not now.leads_from(seen, serving.entry, underway):
                raise SupersededError(now)
            seen = now
            self.cluster.time.pause(_PAUSE_S)
        raise ClusterError(
            f"{self.names.main} changes all the time; see who does that with 'kubectl get "
            f"{serving.manifest['kind']} {self.names.main} -n {self.cluster.namespace} -o yaml "
            "--show-managed-fields'"
        )

    def try_out(self, serving: Serving, seen: Seen, *, force: bool) -> None:
        """Let the cluster say whether it would take all of this, before anything changes.

        Args:
            serving: what is to be put.
            seen: what it replaces.
            force: whether fields of others are taken.

        Raises:
            SupersededError: when somebody else deployed in between.
            TakenError: when a field belongs to another manager.
            ClusterError: when the cluster refuses a part of it.
        """
        taking = force or any(is_half_made(one) for one in (seen.live, seen.mark))
        try:
            self.cluster.apply(serving.manifest, force=taking, dry_run=True)
        except TakenError:
            if (now := self.read()).leads_from(seen, serving.entry, None):
                raise
            raise SupersededError(now) from None
        for one in (*self.beside(), *self.after()):
            self.cluster.apply(one, force=force, dry_run=True)

    def remove(self, seen: Seen) -> None:
        """Take away what served; the Service stays, with nothing behind it."""
        if seen.live is not None:
            with suppress(StaleError):  # another of that name: not ours to take away
                self.cluster.delete(
                    seen.live["kind"], self.names.main, seen.live["metadata"]["uid"]
                )
        for one in self.after():
            self.cluster.delete(one["kind"], one["metadata"]["name"])

    def remove_canary(self) -> None:
        """Take the canary away, if there is one."""
        if self.cluster.get("Deployment", self.names.canary) is not None:
            self.cluster.delete("Deployment", self.names.canary)

    def remark(self) -> str:
        """What else is known of a rollout that does not begin."""
        return ""

    def _remembered(self, live: Object) -> list[Revision]:
        found = self.cluster.find("ReplicaSet", self.names.selector)
        return revisions(found, live["metadata"]["uid"])

    def _apply(
        self, manifest: Manifest, underway: Underway | None, seen: Seen, force: bool
    ) -> None:
        body = marked(manifest, underway)
        live = seen.live
        if live is None:
            body["spec"]["replicas"] = self.spec.serving.kubernetes.replicas
        elif owns_replicas(live):
            live = hand_over_replicas(self.cluster, live)
        write(self.cluster, body, live, force=force)


def marked(manifest: Manifest, underway: Underway | None) -> Manifest:
    """A manifest with the mark of a rollout that is under way, or without."""
    body = copy.deepcopy(manifest)
    if underway is not None:
        body["metadata"].setdefault("annotations", {})[UNDERWAY] = underway.model_dump_json()
    return body
