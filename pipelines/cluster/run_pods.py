"""A run's pods: what keeps them from beginning, and the last lines that a step wrote."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from components.core.errors import ClusterError
from components.release.kubernetes import failing
from components.release.kubernetes.cluster import Cluster
from components.release.kubernetes.connect import connect as connect_cluster
from components.release.kubernetes.refusals import AbsentError
from pipelines.cluster.address import KfpAddress

_LINES, _READ_LINES = 20, 200
_EXECUTOR = "executor"
# What Kubeflow's launcher and Argo's executor add to what the step itself says.
_FOREIGN = re.compile(r"[IWEF]\d{4} \d\d:|time=\S+ level=|Error: exit status \d+$")
_UNSCHEDULABLE_S = 60.0
_NODE_NAME = "workflows.argoproj.io/node-name"
_MAIN = "main"
# As KFP's compiler calls the templates that its steps' pods are of.
_TEMPLATES = ("retry-system-container-impl", "system-container-impl")
_NO_NODE = "finds no node"
_REMEDIES = {
    "Image": "is the image where the nodes can pull it (scripts/build_image.sh, --image)?",
    _NO_NODE: "make room on the cluster, or lower cluster.resources in the spec",
    "service account": "scripts/apply_manifests.sh makes driftline-runner, and "
    "DRIFTLINE_KFP_SERVICE_ACCOUNT names another",
    "quota": "raise the quota, or lower cluster.resources in the spec",
    "Config": "see that the secrets it names are there (scripts/apply_manifests.sh)",
}


class RunPods:
    """The pods of one run, where the kubeconfig leads to them; else what the server tells of them.

    Args:
        client: made by `connect`.
        run_id: the run.
        cluster: where the pods are; None where only Kubeflow's own address is known.
    """

    def __init__(self, client: Any, run_id: str, cluster: Cluster | None) -> None:
        self._client = client
        self._run_id = run_id
        self._cluster = cluster

    def troubles(self) -> dict[str, bool]:
        """What keeps pods from beginning, a sentence each, and whether it may pass by itself.

        A node may become free; an image that is not there does not come. Nothing where that is
        not known.
        """
        if self._cluster is None:
            return {}
        try:
            pods = self._find(self._cluster)
        except (ClusterError, AbsentError):
            self._cluster = None  # they may not be listed: the run itself is watched all the same
            return {}
        waiting = [pod for pod in pods if pod.get("status", {}).get("phase") == "Pending"]
        found = failing.troubles({}, waiting, _UNSCHEDULABLE_S)
        return {
            f"{trouble.sentence.rstrip('.')}; {_remedy(trouble.sentence)}": _NO_NODE
            in trouble.sentence
            for trouble in found
        }

    def refused(self) -> str:
        """Why no pod could be made, with what mends it; empty where that is not known.

        Only Argo's own object says so: Kubeflow's API passes no message on.
        """
        if self._cluster is None:
            return ""
        try:
            found = self._cluster.find("Workflow", f"pipeline/runid={self._run_id}")
        except (ClusterError, AbsentError):
            return ""
        nodes = [node for one in found for node in one.get("status", {}).get("nodes", {}).values()]
        said = [str(node.get("message", "")) for node in nodes if node.get("phase") == "Error"]
        sentence = next((" ".join(text.split()) for text in said if "forbidden" in text), "")
        return f"{sentence}; {_remedy(sentence)}" if sentence else ""

    def tail(self, task: Any, details: Sequence[Any]) -> str:
        """The last lines that a step wrote; empty where nobody has them.

        Args:
            task: the step, among the run's tasks.
            details: all of the run's tasks.
        """
        try:
            step = task.display_name
            found = self._from_cluster(self._cluster, step) if self._cluster else ""
        except (ClusterError, AbsentError):
            found = ""
        return _own_lines(found or self._from_kubeflow(task, details))

    def _find(self, cluster: Cluster) -> list[Any]:
        return cluster.find("Pod", f"pipeline/runid={self._run_id}")

    def _from_cluster(self, cluster: Cluster, step: str) -> str:
        place = re.compile(rf"\.{re.escape(step)}(\(\d+\))?\.executor(\(\d+\))?$")
        pods = [
            pod
            for pod in self._find(cluster)
            if place.search((pod["metadata"].get("annotations") or {}).get(_NODE_NAME, ""))
        ]
        pods.sort(key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))
        for pod in reversed(pods):
            name = pod["metadata"]["name"]
            log = cluster.logs(name, _MAIN, lines=_READ_LINES, previous=False)
            if log.strip():
                return log
        return ""

    def _from_kubeflow(self, task: Any, details: Sequence[Any]) -> str:
        """As the UI gets it: the pod's log, or the archived one.

        Kubeflow names the parent of no task; but the attempts to run this one began with it.
        """
        executors = [
            each
            for each in details
            if each.display_name == _EXECUTOR
            and task.start_time <= each.start_time <= task.end_time
        ]
        for each in (*executors, task):
            for child in reversed(each.child_tasks or []):
                workflow, _, number = str(child.pod_name).rpartition("-")
                for template in _TEMPLATES:
                    if log := self._log(f"{workflow}-{template}-{number}"):
                        return log
        return ""

    def _log(self, pod: str) -> str:
        api = self._client._run_api.api_client
        try:
            answer = api.call_api(
                f"/apis/v1alpha1/runs/{self._run_id}/nodes/{pod}/log",
                "GET",
                auth_settings=["Bearer"],
                _preload_content=False,
                _return_http_data_only=True,
            )
            text = answer.data.decode("utf-8", errors="replace")
            return "\n".join(text.splitlines()[-_READ_LINES:])
        except Exception:  # whatever it is: the log is an extra, and the failure was told
            return ""


def pods_of(client: Any, address: KfpAddress, run_id: str) -> RunPods:
    """A run's pods, through the kubeconfig where that is how Kubeflow was found."""
    if address.host:
        return RunPods(client, run_id, None)
    try:
        cluster = Cluster(connect_cluster(address.context), address.installed_in)
    except ClusterError:
        cluster = None
    return RunPods(client, run_id, cluster)


def _own_lines(log: str) -> str:
    """The last lines that are the step's own."""
    lines = [line for line in log.splitlines() if not _FOREIGN.match(line)]
    return "\n".join(lines[-_LINES:]).strip()


def _remedy(sentence: str) -> str:
    found = (text for word, text in _REMEDIES.items() if word in sentence)
    return next(found, "kubectl describe tells more")
