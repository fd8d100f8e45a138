"""The target on Kubernetes: the cluster alone says what is deployed, and what was before."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal

from pydantic import ValidationError

from components.core import build
from components.core.errors import ConflictError, ReleaseError, UsageError
from components.core.storage import Store
from components.core.window import parse_time
from components.image import IMAGE
from components.model.records import Evaluation
from components.release.kubernetes.change import Change
from components.release.kubernetes.cluster import Cluster, Time
from components.release.kubernetes.connect import connect
from components.release.kubernetes.failing import is_leaving, is_ready, note
from components.release.kubernetes.names import Underway, read_entry
from components.release.kubernetes.plan import Plan, claim, taken_by
from components.release.kubernetes.seen import Seen
from components.release.kubernetes.workload import Workload
from components.release.package import Release
from components.release.target import (
    Deployment,
    Progress,
    Replica,
    Status,
    Target,
    replaced,
    silent,
)
from components.spec.model import Spec


class KubernetesTarget(Target):
    """Serves releases from a Deployment, or from an InferenceService, in the spec's namespace.

    Args:
        store: the store, which the pods reach under the same address.
        spec: what is served, and how.
        workload: made of the cluster, the spec, the store's address and the image.
        cluster: connects; by the kubeconfig, or by the pod's own account, by default.
        time: how time passes.
    """

    def __init__(
        self,
        store: Store,
        spec: Spec,
        *,
        workload: Callable[[Cluster, Spec, str, str], Workload] = Workload,
        cluster: Callable[[], Cluster] | None = None,
        time: Time | None = None,
    ) -> None:
        super().__init__(store, spec.model)
        self._spec = spec
        self._time = time or Time()
        self._kind = workload
        self._connect = cluster or self._by_configuration

    @cached_property
    def _workload(self) -> Workload:
        # In a step on a cluster it is the step's own image: that one can be pulled there.
        image = self._spec.serving.kubernetes.image or os.environ.get(build.IMAGE) or IMAGE
        return self._kind(self._connect(), self._spec, self._store.address, image)

    def _by_configuration(self) -> Cluster:
        return Cluster(connect(), self._spec.serving.kubernetes.namespace, self._time)

    def history(self) -> list[Deployment]:
        """Every deployment and rollback that the cluster remembers and that stayed, oldest first.

        Raises:
            ClusterError: when the cluster cannot be asked.
        """
        return [one.entry for one in self._workload.read().proven]

    def status(self) -> Status:
        """What is served at this moment, pod by pod.

        Raises:
            ClusterError: when the cluster cannot be asked.
        """
        seen = self._workload.read()
        champion = seen.champion.entry.version if seen.champion else None
        pods = self._workload.cluster.find("Pod", self._workload.names.selector)
        staying = [_replica(pod) for pod in pods if not is_leaving(pod)]
        leaving = [_replica(pod) for pod in pods if is_leaving(pod)]
        wanted = seen.deployment["spec"].get("replicas", 1) if seen.deployment else 0
        settled = (
            seen.underway is None
            and len(staying) == wanted
            and all(replica.ready and replica.version == champion for replica in staying)
        )
        mark = seen.underway
        return Status(
            champion=champion,
            settled=settled,
            replicas=[*staying, *leaving],
            note=self._note(seen),
            underway=mark.version if mark and not self._is_stale(mark) else None,
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
        """Make a published release the champion, and wait until it is served and was watched.

        A rollout that the same run began and did not finish is carried on; one that another run
        left behind is undone first.

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
            RolloutError: when it could not be served, or did worse than the champion under guard;
                the champion before it serves again.
            ClusterError: when the cluster cannot be reached, or does not allow it.
        """
        self._refuse_local_store()
        seen = self._workload.read()
        champion = seen.champion.entry if seen.champion else None
        if seen.underway is None and champion is not None and champion.version == version:
            return champion
        self._refuse_conflict(seen, version, expected, run)
        self.releases.use(version, run)
        sha256 = self.manifest_sha256(version)
        release = self.releases.open(version, sha256)  # a damaged one is refused
        entry = self._resumed(seen, version, run)
        if entry is None:
            seen = self._repaired(seen, run, progress)
            self._refuse_conflict(seen, version, expected, run)
            entry = self._entry(version, sha256, "deploy", run, reason)
        plan = Plan(
            serving=self._workload.fresh(entry, headline(release)),
            seen=seen,
            claim=claim(seen, version, run, entry.at),
            canary=self._spec.serving.kubernetes.canary if entry != seen.serving else 0.0,
            guard=self._spec.serving.guard,
        )
        Change(self._workload, plan, progress).make()
        return entry

    def rollback(
        self, to: str | None = None, *, run: str, reason: str, progress: Progress = silent
    ) -> Deployment:
        """Serve an earlier release again, from the very pod template that served it.

        A rollout that is under way is given up for it.

        Args:
            to: a version of the cluster's history; by default the one that the champion replaced,
                or the champion itself where another release is on its way: that is given up, and
                is no entry of the history.
            run: who rolls back.
            reason: why, in words.
            progress: told what happens.

        Raises:
            ReleaseError: when there is nothing to go back to, or that release is damaged.
            RolloutError: when it could not be served; what served before serves again.
            ConflictError: when somebody else deployed in between.
            ClusterError: when the cluster cannot be reached, or does not allow it.
        """
        seen = self._workload.read()
        version = to or self._default(seen)
        revision = seen.revision(version)
        if revision is None:
            known = ", ".join(one.entry.version for one in seen.proven) or "nothing"
            raise ReleaseError(
                f"the cluster does not remember release {version!r} of {self._model}; it remembers "
                f"{known}"
            )
        if seen.underway is None and revision is seen.champion:
            raise ReleaseError(f"release {version} of {self._model} is deployed already")
        self.releases.use(version, run)
        sha256 = revision.entry.manifest_sha256
        self.releases.open(version, sha256)  # another one, or a damaged one, is refused
        if revision is seen.champion:  # and another one on its way: that is given up
            return self._put_back(seen, version, run, progress)
        entry = self._entry(version, sha256, "rollback", run, reason)
        plan = Plan(
            serving=self._workload.again(revision, entry),
            seen=seen,
            claim=claim(seen, version, run, entry.at),
        )
        Change(self._workload, plan, progress).make()
        return entry

    def _default(self, seen: Seen) -> str:
        if seen.underway is not None and seen.champion is not None:
            return seen.champion.entry.version
        version = replaced([one.entry for one in seen.proven])
        if version is None:
            raise ReleaseError(
                f"{self._model} has no earlier release to go back to; "
                "'driftline releases list' shows what there is"
            )
        return version

    def _refuse_local_store(self) -> None:
        if self._store.is_local:
            raise UsageError(
                f"the store {self._store.address} is a folder on this machine, which no pod can "
                "read; use one that the cluster reaches, such as --store s3://bucket/driftline"
            )

    def _refuse_conflict(self, seen: Seen, version: str, expected: str | None, run: str) -> None:
        mark = seen.underway
        resumes = mark is not None and (mark.version, mark.run) == (version, run)
        if mark is not None and not resumes and not self._is_stale(mark):
            raise ConflictError(f"release {version} has to wait: {taken_by(seen)}")
        current = seen.champion.entry.version if seen.champion else None
        if current != expected:
            raise ConflictError(
                f"release {version} was proven against {expected or 'no champion'}, but "
                f"{current or 'nothing'} is deployed now; run the training again to compare "
                "with that"
            )

    def _is_stale(self, mark: Underway) -> bool:
        return parse_time(mark.until) <= self._time.now()

    def _resumed(self, seen: Seen, version: str, run: str) -> Deployment | None:
        """The entry of this very deployment, which its run began before it was interrupted."""
        mark = seen.underway
        if mark is None or (mark.version, mark.run) != (version, run) or seen.serving is None:
            return None
        return seen.serving if seen.serving.at == mark.at else None

    def _repaired(self, seen: Seen, run: str, progress: Progress) -> Seen:
        """Undo what another run, or this one before, left half done."""
        mark = seen.underway
        if mark is None:
            return seen
        progress(f"the rollout of {mark.version} by run {mark.run} was interrupted; it is undone")
        if seen.champion is None:
            self._workload.remove_canary()
            self._workload.remove(seen)
        else:
            self._put_back(seen, mark.version, run, progress)
        return self._workload.read()

    def _put_back(self, seen: Seen, version: str, run: str, progress: Progress) -> Deployment:
        """Let the champion serve as it did, under its own entry: its pods go on as they are."""
        assert seen.champion is not None  # noqa: S101 # asked before
        plan = Plan(
            serving=self._workload.again(seen.champion),
            seen=seen,
            claim=claim(seen, version, run, self._now()),
        )
        Change(self._workload, plan, progress).make()
        return seen.champion.entry

    def _entry(
        self,
        version: str,
        sha256: str,
        action: Literal["deploy", "rollback"],
        run: str,
        reason: str,
    ) -> Deployment:
        return Deployment(
            version=version,
            manifest_sha256=sha256,
            action=action,
            at=self._now(),
            run=run,
            reason=reason,
        )

    def _now(self) -> str:
        return self._time.now().isoformat(timespec="microseconds")

    def _note(self, seen: Seen) -> str:
        mark = seen.underway
        if mark is None:
            return ""
        if self._is_stale(mark):
            return (
                f"the rollout of {mark.version} by run {mark.run} was interrupted; the next "
                "deployment undoes it, and so does 'driftline releases rollback'"
            )
        return f"{mark.version} is being rolled out by run {mark.run}"


def headline(release: Release) -> dict[str, float]:
    """The figures by which a release was accepted, four digits each; none where there are none."""
    if "evaluation.json" not in release.manifest.files:
        return {}
    try:
        judged = Evaluation.model_validate_json(release.read("evaluation.json"))
    except ValidationError:
        return {}
    return {name: float(f"{value:.4g}") for name, value in judged.scores().items()}


def _replica(pod: dict[str, Any]) -> Replica:
    entry = read_entry(pod["metadata"].get("annotations"))
    return Replica(
        name=pod["metadata"]["name"],
        version=entry.version if entry else "unknown",
        ready=is_ready(pod),
        note=note(pod),
    )
