"""What the pods of a model count, asked through the API server's proxy."""

from __future__ import annotations

from components.core.errors import ClusterError
from components.release.counts import Replicas, Scrape
from components.release.kubernetes.cluster import Cluster
from components.release.kubernetes.failing import is_leaving
from components.release.kubernetes.names import PORT
from components.release.kubernetes.refusals import AbsentError, UnansweredError
from components.release.recent import METRICS


def pod_scrape(cluster: Cluster, selector: str) -> Scrape:
    """A scrape over the pods that there are, whatever starts and ends in between.

    It raises ClusterError where none of the pods can be asked.

    Args:
        cluster: where the pods are.
        selector: their labels.
    """
    return Replicas(lambda: pod_metrics(cluster, selector))


def pod_metrics(cluster: Cluster, selector: str, path: str = METRICS) -> dict[str, str]:
    """The metrics of every pod that answers, by its name.

    Raises:
        ClusterError: when none of the pods can be asked.
    """
    texts: dict[str, str] = {}
    problem = "none runs"
    for pod in cluster.find("Pod", selector):
        if pod.get("status", {}).get("phase") != "Running" or is_leaving(pod):
            continue
        name = pod["metadata"]["name"]
        try:
            texts[name] = cluster.proxy(name, PORT, path)
        except AbsentError:  # it ended in between
            continue
        except UnansweredError as error:  # it is not up yet, or cannot be reached
            problem = f"pod {name}: {error.problem}"
    if not texts:
        raise ClusterError(
            f"no pod tells its metrics: {problem}; let the API server reach port {PORT} of the "
            "pods ('driftline permissions --api-server ADDRESS' writes the policy for it), or set "
            "serving.guard.period to 0s to roll out without a guard"
        )
    return texts
