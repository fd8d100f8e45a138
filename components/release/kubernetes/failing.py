"""Why a rollout does not get on: what the Deployment and its pods say, worst first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from components.core.errors import ClusterError
from components.release.kubernetes.cluster import Cluster
from components.release.kubernetes.refusals import AbsentError

_LINES = 5
# How long a container may wait for such a reason, in seconds; it will not mend itself.
_WAITING = {
    "CrashLoopBackOff": 0.0,
    "ImagePullBackOff": 0.0,
    "InvalidImageName": 0.0,
    "ErrImageNeverPull": 0.0,
    "ErrImagePull": 15.0,  # a registry may fail once; then it becomes ImagePullBackOff
    "CreateContainerConfigError": 5.0,
    "CreateContainerError": 15.0,
    "RunContainerError": 15.0,
}
_ADMISSION_S = 10.0
_CRASHES = 2

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Trouble:
    """What stands in the way; it fails the rollout once it lasted for `patience_s`.

    `pod` and `container` say whose log tells more; "" where no container ran. `words` are the last
    lines that the container left in the pod's status.
    """

    sentence: str
    patience_s: float
    pod: str = ""
    container: str = ""
    words: str = ""


def troubles(deployment: Object, pods: Iterable[Object], unschedulable_s: float) -> list[Trouble]:
    """All that stands in the way of a rollout.

    Args:
        deployment: as the cluster has it.
        pods: those of the new release alone.
        unschedulable_s: how long a pod may wait for a node.
    """
    found = list(_of_deployment(deployment))
    for pod in pods:
        found += _of_containers(pod)
        found += _of_scheduling(pod, unschedulable_s)
    return found


def unready(pods: Iterable[Object]) -> Trouble | None:
    """Where nothing fails and still nothing gets on: the first pod that is not ready."""
    for pod in pods:
        if not is_ready(pod):
            name = pod["metadata"]["name"]
            said = _condition(pod, "Ready").get("message") or "it is not ready"
            running = [
                status["name"]
                for status in _statuses(pod)
                if "running" in (status.get("state") or {}) and not status.get("ready")
            ]
            container = running[0] if running else ""
            return Trouble(f"pod {name}: {said}", 0.0, name, container)
    return None


def last_words(cluster: Cluster, trouble: Trouble) -> str:
    """The last lines of the container in trouble, where it left any; never an error."""
    if not trouble.container:
        return trouble.words
    for previous in (True, False):
        try:
            log = cluster.logs(trouble.pod, trouble.container, lines=_LINES, previous=previous)
        except (AbsentError, ClusterError):  # that run left none, or they may not be read
            continue
        if log.strip():
            return log.strip()
    return "\n".join(trouble.words.strip().splitlines()[-_LINES:])


def is_ready(pod: Object) -> bool:
    """Whether a pod takes requests."""
    return not is_leaving(pod) and _condition(pod, "Ready").get("status") == "True"


def is_leaving(pod: Object) -> bool:
    """Whether a pod was told to end."""
    return "deletionTimestamp" in pod["metadata"]


def note(pod: Object) -> str:
    """What a person wants to know of a pod that is not ready, in a few words."""
    if is_leaving(pod):
        return "leaving"
    if is_ready(pod):
        return ""
    for status in _statuses(pod):
        waiting = (status.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") not in (None, "PodInitializing", "ContainerCreating"):
            return f"container {status['name']}: {waiting['reason']}"
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return f"{scheduled.get('reason')}: {scheduled.get('message', '')}".rstrip(": ")
    return str(pod.get("status", {}).get("reason") or pod.get("status", {}).get("phase") or "new")


def _of_deployment(deployment: Object) -> Iterator[Trouble]:
    failure = _condition(deployment, "ReplicaFailure")
    if failure.get("status") == "True":
        said = failure.get("message", "")
        yield Trouble(f"no pod can be made ({failure.get('reason')}): {said}", _ADMISSION_S)


def overdue(deployment: Object) -> bool:
    """Whether Kubernetes gave up waiting for the rollout."""
    progressing = _condition(deployment, "Progressing")
    return progressing.get("reason") == "ProgressDeadlineExceeded"


def _of_containers(pod: Object) -> Iterator[Trouble]:
    name = pod["metadata"]["name"]
    for status in _statuses(pod):
        state = status.get("state") or {}
        waiting = state.get("waiting") or {}
        reason = waiting.get("reason", "")
        place = f"pod {name}, container {status['name']}"
        ended = state.get("terminated") or (status.get("lastState") or {}).get("terminated") or {}
        if reason in _WAITING:
            crashed = reason == "CrashLoopBackOff"
            said = _ending(ended) if crashed else waiting.get("message", "")
            yield Trouble(
                f"{place}: {reason}: {' '.join(said.split())}".rstrip(": "),
                _WAITING[reason],
                name,
                status["name"] if ended else "",
                ended.get("message", ""),
            )
        elif ended.get("exitCode") and _keeps_ending(status):
            sentence = f"{place}: it ended {status['restartCount']} times: {_ending(ended)}"
            yield Trouble(sentence, 0.0, name, status["name"], ended.get("message", ""))


def _keeps_ending(status: Object) -> bool:
    """Not one that serves now, whatever its past: a release that is put back may have had one."""
    return not status.get("ready") and status.get("restartCount", 0) >= _CRASHES


def _ending(terminated: Object) -> str:
    """How a container ended."""
    if not terminated:
        return ""
    reason = terminated.get("reason", "Error")
    said = f"{reason}, exit code {terminated.get('exitCode')}"
    if reason == "OOMKilled":
        said += " (raise serving.kubernetes.resources.memory_limit)"
    return said


def _of_scheduling(pod: Object, patience_s: float) -> Iterator[Trouble]:
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        name = pod["metadata"]["name"]
        said = scheduled.get("message", "")
        yield Trouble(f"pod {name} finds no node: {said}".rstrip(": "), patience_s)


def _statuses(pod: Object) -> list[Object]:
    status = pod.get("status") or {}
    return [
        *(status.get("initContainerStatuses") or []),
        *(status.get("containerStatuses") or []),
    ]


def _condition(thing: Object, kind: str) -> Object:
    for condition in (thing.get("status") or {}).get("conditions") or []:
        if condition["type"] == kind:
            return dict(condition)
    return {}
