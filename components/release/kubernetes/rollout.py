"""Wait for a rollout to its end: done, failed with its reason, or taken over by somebody else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from components.core.errors import RolloutError
from components.release.kubernetes.failing import (
    Trouble,
    last_words,
    overdue,
    troubles,
    unready,
)
from components.release.kubernetes.names import identity, read_entry, selector
from components.release.kubernetes.workload import Workload
from components.release.target import Deployment, Progress

_POLL_S = 1.0
_SLACK_S = 30.0
_LINGERS_S = 5.0

Object = Mapping[str, Any]


class Rollout:
    """One Deployment on its way to an entry of the history.

    Polled, because watches end and answer 410: a poll needs no beginning to go on from.

    Args:
        workload: whose it is.
        name: the Deployment's name.
        entry: what it is on its way to.
        progress_s: how long it may go without getting on.
        say: told how far it is.
        still_ours: called at each poll; raises where somebody else deployed in between.
        patient: fail only where nothing gets on: what is put back has served before.
    """

    def __init__(
        self,
        workload: Workload,
        name: str,
        entry: Deployment,
        progress_s: float,
        say: Progress,
        still_ours: Callable[[], None],
        *,
        patient: bool = False,
    ) -> None:
        self._workload = workload
        self._cluster = workload.cluster
        self._name = name
        self._entry = entry
        self._progress_s = progress_s
        self._say = say
        self._still_ours = still_ours
        self._patient = patient
        self._since: dict[str, float] = {}
        self._overdue_at: float | None = None
        self._reached: tuple[int, ...] = ()
        self._reached_at = self._cluster.time.clock()

    def wait(self) -> None:
        """Return once every replica serves the entry's release, and none another.

        Raises:
            RolloutError: saying which pod fails, why, and its last lines.
            ClusterError: when the cluster cannot be asked any more.
        """
        while True:
            self._still_ours()
            deployment = self._cluster.get("Deployment", self._name)
            if deployment is not None:
                if self._arrived(deployment):
                    return
                if self._is_seen(deployment):
                    self._fail_if_stuck(deployment)
            elif self._late():
                said = self._workload.remark()
                raise RolloutError(f"there is no deployment {self._name}; {said}".rstrip("; "))
            self._cluster.time.pause(_POLL_S)

    def _arrived(self, deployment: Object) -> bool:
        """Whether the controller has seen the template, and all replicas are the new ones."""
        template = deployment["spec"]["template"]["metadata"].get("annotations")
        found = read_entry(template)
        if found is None or identity(found) != identity(self._entry):
            return False  # KServe's controller writes it later
        if not self._is_seen(deployment):
            return False
        status = deployment["status"]
        wanted = deployment["spec"].get("replicas", 1)
        counts = [
            status.get(key, 0)
            for key in ("updatedReplicas", "readyReplicas", "availableReplicas", "replicas")
        ]
        self._tell(wanted, *counts)
        updated, _, available, every = counts
        return bool(updated == available == every == wanted and wanted > 0)

    @staticmethod
    def _is_seen(deployment: Object) -> bool:
        """Whether the status speaks of this deployment, and not of what it was before."""
        observed = (deployment.get("status") or {}).get("observedGeneration", 0)
        return bool(observed >= deployment["metadata"]["generation"])

    def _tell(self, wanted: int, updated: int, ready: int, available: int, every: int) -> None:
        reached = (wanted, updated, ready, available, every)
        if reached == self._reached:
            return
        self._reached = reached
        self._reached_at = self._cluster.time.clock()
        old = max(0, every - updated)
        rest = f", {old} of what was before" if old else ""
        self._say(
            f"{self._name}: {updated} of {wanted} replicas are {self._entry.version}; "
            f"{ready} ready, {available} for long enough{rest}"
        )

    def _fail_if_stuck(self, deployment: Object) -> None:
        pods = self._new_pods(deployment)
        found = troubles(deployment, pods, self._progress_s / 2)
        now = self._cluster.time.clock()
        self._since = {
            trouble.sentence: self._since.get(trouble.sentence, now) for trouble in found
        }
        for trouble in [] if self._patient else found:
            if now - self._since[trouble.sentence] >= trouble.patience_s:
                raise self._failure(trouble)
        if self._overdue(deployment, now) or self._late():
            nothing = Trouble(f"deployment {self._name} gets no further", 0.0)
            worst = (found or [unready(pods) or nothing])[0]
            raise self._failure(worst, f"no progress for {self._progress_s:.0f} s: ")

    def _overdue(self, deployment: Object, now: float) -> bool:
        """Kubernetes gave up; what it said of a rollout before this one lingers for a moment."""
        if not overdue(deployment):
            self._overdue_at = None
            return False
        if self._overdue_at is None:
            self._overdue_at = now
        return now - self._overdue_at >= _LINGERS_S

    def _late(self) -> bool:
        """Kubernetes keeps its own deadline; this one also holds where its controller is down."""
        waited = self._cluster.time.clock() - self._reached_at
        return waited > self._progress_s + _SLACK_S

    def _failure(self, trouble: Trouble, before: str = "") -> RolloutError:
        words = last_words(self._cluster, trouble)
        said = f"; its last lines: {' | '.join(words.splitlines())}" if words else ""
        return RolloutError(f"{before}{trouble.sentence}{said}")

    def _new_pods(self, deployment: Object) -> list[dict[str, Any]]:
        labels = deployment["spec"]["selector"]["matchLabels"]
        return [
            pod
            for pod in self._cluster.find("Pod", selector(labels))
            if (entry := read_entry(pod["metadata"].get("annotations"))) is not None
            and identity(entry) == identity(self._entry)
        ]
