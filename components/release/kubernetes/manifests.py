"""A model's objects in a cluster, as manifests: Deployment, Service, autoscaler, budget.

Plain mappings, because they are applied server-side: what a manifest does not name stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from components.release.kubernetes.names import (
    CHANGE_CAUSE,
    PORT_NAME,
    Names,
    change_cause,
    entry_annotations,
)
from components.release.kubernetes.pods import pod_template, progress_s
from components.release.target import Deployment
from components.spec.model import Spec

MIN_READY_S = 5
_HISTORY = 10
CPU_PERCENT = 70

STRATEGY = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}

Manifest = dict[str, Any]


def deployment(
    spec: Spec,
    entry: Deployment,
    image: str,
    store: str,
    metrics: Mapping[str, float],
    *,
    canary: bool = False,
) -> Manifest:
    """The Deployment that serves a release; `replicas` is left to who applies it.

    Args:
        spec: what is served, and how.
        entry: the release, by whom it is deployed, and why.
        image: the image of its containers.
        store: the store's address.
        metrics: the release's headline figures, for its annotations.
        canary: whether it is the second Deployment, beside the champion's.
    """
    names = Names(spec.model)
    labels = {**names.labels, **names.track(canary)}
    template = pod_template(spec, entry, image, store, labels, entry_annotations(entry, metrics))
    return around(spec, entry, template, metrics, canary=canary)


def around(
    spec: Spec,
    entry: Deployment,
    template: Mapping[str, Any],
    metrics: Mapping[str, float],
    *,
    canary: bool = False,
) -> Manifest:
    """The Deployment around a pod template that there is already: the one that served before."""
    names = Names(spec.model)
    track = names.track(canary)
    progress = progress_s(spec)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": names.canary if canary else names.main,
            "namespace": spec.serving.kubernetes.namespace,
            "labels": {**names.labels, **track},
            "annotations": {
                **entry_annotations(entry, metrics),
                CHANGE_CAUSE: change_cause(entry),
            },
        },
        "spec": {
            "selector": {"matchLabels": track},
            "strategy": STRATEGY,
            "minReadySeconds": MIN_READY_S,
            # Kubernetes wants it above minReadySeconds.
            "progressDeadlineSeconds": max(progress, MIN_READY_S + 1),
            "revisionHistoryLimit": _HISTORY,
            "template": dict(template),
        },
    }


def service(spec: Spec) -> Manifest:
    """The Service in front of all pods of the model, the canary's among them."""
    names = Names(spec.model)
    return _object(spec, "v1", "Service") | {
        "spec": {
            "type": "ClusterIP",
            "selector": names.serving,
            "ports": [
                {"name": PORT_NAME, "port": 80, "targetPort": PORT_NAME, "protocol": "TCP"},
            ],
        },
    }


def autoscaler(spec: Spec) -> Manifest:
    """The autoscaler, which owns the number of replicas."""
    kubernetes = spec.serving.kubernetes
    target = {"type": "Utilization", "averageUtilization": CPU_PERCENT}
    return _object(spec, "autoscaling/v2", "HorizontalPodAutoscaler") | {
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": Names(spec.model).main,
            },
            "minReplicas": kubernetes.replicas,
            "maxReplicas": kubernetes.max_replicas,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }


def budget(spec: Spec, pods: Mapping[str, str] | None = None) -> Manifest:
    """The disruption budget: a drained node takes one replica at a time.

    Args:
        spec: what is served.
        pods: the labels of the pods; those of the model's Deployment by default.
    """
    pods = pods or Names(spec.model).track(canary=False)
    return _object(spec, "policy/v1", "PodDisruptionBudget") | {
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": dict(pods)}},
    }


def canary_replicas(share: float, replicas: int) -> int:
    """How many canary replicas take about that share of the requests beside the others.

    >>> canary_replicas(0.1, 9), canary_replicas(0.1, 2), canary_replicas(0.5, 4)
    (1, 1, 4)
    """
    return max(1, math.floor(share * replicas / (1 - share) + 0.5))


def _object(spec: Spec, version: str, kind: str) -> Manifest:
    names = Names(spec.model)
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {
            "name": names.main,
            "namespace": spec.serving.kubernetes.namespace,
            "labels": names.labels,
        },
    }
