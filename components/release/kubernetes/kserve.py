"""A model's releases as a KServe InferenceService, its predictor being the driftline server."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cached_property

from components.core.errors import ClusterError, SpecError
from components.release.kubernetes.cluster import Cluster
from components.release.kubernetes.history import Revision
from components.release.kubernetes.manifests import CPU_PERCENT, STRATEGY, Manifest, budget
from components.release.kubernetes.names import (
    CHANGE_CAUSE,
    Underway,
    change_cause,
    entry_annotations,
    read_entry,
    read_underway,
)
from components.release.kubernetes.ownership import write
from components.release.kubernetes.pods import pod_template
from components.release.kubernetes.seen import Seen, Serving
from components.release.kubernetes.workload import Workload, marked
from components.release.target import Deployment
from components.spec.model import Spec

# By this name KServe knows the container that serves.
_CONTAINER = "kserve-container"
_BUDGET = "PodDisruptionBudget"


class InferenceServiceWorkload(Workload):
    """One model's InferenceService, and the disruption budget for its pods.

    KServe makes the Deployment, whose ReplicaSets are the history as everywhere. It copies the
    InferenceService's annotations onto the pods, so that a mark there would start a rollout of its
    own: the mark of a rollout that is under way stands on the budget.
    """

    def __init__(self, cluster: Cluster, spec: Spec, store: str, image: str) -> None:
        super().__init__(cluster, spec, store, image)
        if spec.serving.kubernetes.canary:
            raise SpecError(
                "serving.kubernetes.canary is for target kubernetes; set it to 0, or the target to "
                "kubernetes"
            )
        self.deployment = self.names.predictor

    def read(self) -> Seen:
        """What the cluster holds now.

        Raises:
            ClusterError: when it cannot be asked, or has no KServe.
        """
        self._require_kserve()
        live = self.cluster.get("InferenceService", self.names.main)
        mark = self.cluster.get(_BUDGET, self.names.main)
        running = self.cluster.get("Deployment", self.deployment)
        predictor = live["spec"]["predictor"] if live else {}
        return Seen(
            live=live,
            deployment=running,
            mark=mark,
            serving=read_entry(predictor.get("annotations")),
            underway=read_underway(mark["metadata"].get("annotations")) if mark else None,
            remembered=self._remembered(running) if running else [],
        )

    def underway(self) -> Underway | None:
        """The mark of the rollout that is not proven yet, if there is one."""
        mark = self.cluster.get(_BUDGET, self.names.main)
        return read_underway(mark["metadata"].get("annotations")) if mark else None

    def fresh(self, entry: Deployment, metrics: Mapping[str, float]) -> Serving:
        """What serves a release that is new."""
        return self._inference_service(entry, metrics, self._image)

    def again(self, revision: Revision, entry: Deployment | None = None) -> Serving:
        """What served a release before: made anew, with the image that served it.

        KServe fills the pod template in by itself, so its template is not ours to put back.
        """
        containers = revision.template["spec"]["containers"]
        image = next(one["image"] for one in containers if one["name"] == _CONTAINER)
        return self._inference_service(entry or revision.entry, revision.metrics, image)

    def beside(self) -> list[Manifest]:
        """KServe makes the Service, and the budget comes with the mark."""
        return []

    def after(self) -> list[Manifest]:
        """KServe makes the autoscaler."""
        return []

    def remove(self, seen: Seen) -> None:
        """Take away what served, and the mark."""
        super().remove(seen)
        self.cluster.delete(_BUDGET, self.names.main)

    def remove_canary(self) -> None:
        """There never is one."""

    def remark(self) -> str:
        """What KServe says of an InferenceService that is not ready."""
        live = self.cluster.get("InferenceService", self.names.main) or {}
        said = [
            f"{condition['type']}: {condition['message']}"
            for condition in live.get("status", {}).get("conditions", [])
            if condition.get("status") == "False" and condition.get("message")
        ]
        return "; ".join(said)

    @cached_property
    def _offered(self) -> bool:
        return self.cluster.offers("InferenceService")

    def _require_kserve(self) -> None:
        if not self._offered:
            raise ClusterError(
                "this cluster has no InferenceService (serving.kserve.io/v1beta1); install KServe "
                "in it, or set serving.target to kubernetes"
            )

    def _apply(
        self, manifest: Manifest, underway: Underway | None, seen: Seen, force: bool
    ) -> None:
        write(self.cluster, marked(budget(self.spec), underway), seen.mark, force=force)
        write(self.cluster, copy.deepcopy(manifest), seen.live, force=force)

    def _inference_service(
        self, entry: Deployment, metrics: Mapping[str, float], image: str
    ) -> Serving:
        kubernetes = self.spec.serving.kubernetes
        labels = {**self.names.labels, **self.names.track(canary=False)}
        annotations = {**entry_annotations(entry, metrics), CHANGE_CAUSE: change_cause(entry)}
        template = pod_template(
            self.spec, entry, image, self._store, labels, annotations, server=_CONTAINER
        )
        manifest = {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {
                "name": self.names.main,
                "namespace": kubernetes.namespace,
                "labels": self.names.labels,
                # Called Standard since KServe 0.16, which knows this name too.
                "annotations": {"serving.kserve.io/deploymentMode": "RawDeployment"},
            },
            "spec": {
                "predictor": {
                    **template["metadata"],
                    **template["spec"],
                    "minReplicas": kubernetes.replicas,
                    "maxReplicas": kubernetes.max_replicas,
                    "scaleMetric": "cpu",
                    "scaleTarget": CPU_PERCENT,
                    "deploymentStrategy": STRATEGY,
                }
            },
        }
        return Serving(entry, manifest, metrics)
