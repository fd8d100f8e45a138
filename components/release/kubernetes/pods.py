"""The pod that serves a release: an init container fetches it, one container serves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.core.window import parse_duration
from components.release.kubernetes.names import PORT, PORT_NAME
from components.release.target import Deployment
from components.spec.model import Resources, Spec

FETCH = "fetch"
SERVER = "server"

DRAIN_S = 3
# Endpoints are taken out while the server still answers; then it is told, and sends clients away.
_PRE_STOP_S = 2
# preStop, the drain, ten seconds for what is being answered, twenty for the prediction log.
_GRACE_S = 60
# As long as it takes: a start that is cut off for want of CPU costs the next one as much again.
_START_S = 300
_RELEASE = "/release"
_FOLDER = f"{_RELEASE}/served"
_TOKEN = "/var/run/driftline/token"  # noqa: S105 # a folder, not a token

_ENVIRONMENT = {
    # The p99 of a model with two OpenMP threads reached a second on a busy node.
    "OMP_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "HOME": "/tmp",  # noqa: S108 # the pod's own emptyDir: all else is read-only
}


def progress_s(spec: Spec) -> int:
    """How long a rollout may go without progress, in whole seconds."""
    return max(1, int(parse_duration(spec.serving.kubernetes.progress).total_seconds()))


def pod_template(
    spec: Spec,
    entry: Deployment,
    image: str,
    store: str,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    *,
    server: str = SERVER,
) -> dict[str, Any]:
    """A pod template, `{metadata, spec}`.

    The server is given the store's credentials for its prediction log alone: the release is read
    from an emptyDir that the init container filled, and only if it is the one that was deployed.

    Args:
        spec: what is served, and with which resources.
        entry: the release, and its manifest's sha256.
        image: the image of both containers.
        store: the store's address, as the pod reaches it.
        labels: of the pod.
        annotations: of the pod.
        server: what the container that serves is called.
    """
    return {
        "metadata": {"labels": dict(labels), "annotations": dict(annotations)},
        "spec": {
            "serviceAccountName": spec.serving.kubernetes.service_account,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": _GRACE_S,
            "securityContext": {
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "topologySpreadConstraints": _spread(labels),
            "initContainers": [_fetch(spec, entry, image, store)],
            "containers": [_server(spec, entry, image, store, server)],
            "volumes": _volumes(spec.serving.kubernetes.token_secret),
        },
    }


def _fetch(spec: Spec, entry: Deployment, image: str, store: str) -> dict[str, Any]:
    options = {
        "store": store,
        "model": spec.model,
        "version": entry.version,
        "manifest-sha256": entry.manifest_sha256,
        "to": _FOLDER,
    }
    command = ["python", "-m", "components.release.fetch", *_flags(options)]
    return _container(FETCH, image, command, spec, read_only=False)


def _server(spec: Spec, entry: Deployment, image: str, store: str, name: str) -> dict[str, Any]:
    options = {
        "folder": _FOLDER,
        "manifest-sha256": entry.manifest_sha256,
        "host": "0.0.0.0",  # noqa: S104 # the pod's own network
        "port": str(PORT),
        "drain": str(DRAIN_S),
        "log-store": store,
    }
    command = ["python", "-m", "components.serving.server", *_flags(options)]
    for prefix in spec.estimator.allowed_prefixes:
        if prefix != "sklearn.":  # which it allows by itself
            command += ["--allow-prefix", prefix]
    token = spec.serving.kubernetes.token_secret
    if token:
        command += ["--token-file", f"{_TOKEN}/token"]
    container = _container(name, image, command, spec, read_only=True)
    if token:
        container["volumeMounts"].append({"name": "token", "mountPath": _TOKEN, "readOnly": True})
    return {
        **container,
        "ports": [{"name": PORT_NAME, "containerPort": PORT, "protocol": "TCP"}],
        "startupProbe": _probe("live", period=2, failures=max(_START_S, progress_s(spec)) // 2),
        "readinessProbe": _probe("ready", period=5, failures=3),
        "livenessProbe": _probe("live", period=10, failures=12),
        "lifecycle": {"preStop": {"sleep": {"seconds": _PRE_STOP_S}}},
    }


def _container(
    name: str, image: str, command: list[str], spec: Spec, *, read_only: bool
) -> dict[str, Any]:
    kubernetes = spec.serving.kubernetes
    container: dict[str, Any] = {
        "name": name,
        "image": image,
        "command": command,
        "env": [{"name": key, "value": value} for key, value in _ENVIRONMENT.items()],
        "resources": _resources(kubernetes.resources),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "release", "mountPath": _RELEASE, **({"readOnly": True} if read_only else {})},
            {"name": "scratch", "mountPath": "/tmp"},  # noqa: S108 # an emptyDir
        ],
        # A container that fails leaves its last lines in the pod's status.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if kubernetes.store_secret:
        container["envFrom"] = [{"secretRef": {"name": kubernetes.store_secret}}]
    return container


def _resources(resources: Resources) -> dict[str, Any]:
    return {
        "requests": {"cpu": resources.cpu, "memory": resources.memory},
        "limits": {"cpu": resources.cpu_limit, "memory": resources.memory_limit},
    }


def _probe(path: str, *, period: int, failures: int) -> dict[str, Any]:
    """Patient: to end a server that is only busy leaves more work for the others."""
    return {
        "httpGet": {"path": f"/v2/health/{path}", "port": PORT_NAME},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def _spread(labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """Over nodes and zones, each revision by itself: the one that leaves must not count."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": dict(labels)},
            "matchLabelKeys": ["pod-template-hash"],
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]


def _volumes(token_secret: str) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = [
        {"name": "release", "emptyDir": {}},
        {"name": "scratch", "emptyDir": {}},
    ]
    if token_secret:
        volumes.append({"name": "token", "secret": {"secretName": token_secret}})
    return volumes


def _flags(options: Mapping[str, str]) -> list[str]:
    return [part for key, value in options.items() for part in (f"--{key}", value)]
