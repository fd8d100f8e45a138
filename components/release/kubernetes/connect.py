"""From a kubeconfig, or from within a pod, to a client; each way to fail has its remedy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kubernetes import client, config
from kubernetes.config.config_exception import ConfigException
from kubernetes.dynamic import DynamicClient

from components.core.errors import ClusterError

_DEFAULT = "~/.kube/config"


def connect(context: str = "") -> DynamicClient:
    """A client for the cluster that this process is in, or that the kubeconfig names.

    `KUBECONFIG` wins over the pod's own account, that one over `~/.kube/config`.

    Args:
        context: a context of the kubeconfig; its current one by default.

    Raises:
        ClusterError: when there is no configuration, or it cannot be used.
    """
    given = os.environ.get("KUBECONFIG", "")
    if not given and not context and "KUBERNETES_SERVICE_HOST" in os.environ:
        return _dynamic(_in_cluster())
    return _dynamic(_from_file(given or _DEFAULT, context))


def _in_cluster() -> Any:
    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
    except ConfigException as error:
        raise ClusterError(
            f"this pod has no account to reach the cluster with: {error}; let it mount its service "
            "account's token (automountServiceAccountToken: true)"
        ) from None
    return configuration


def _from_file(path: str, context: str) -> Any:
    places = [Path(part).expanduser() for part in path.split(os.pathsep) if part]
    if not any(place.is_file() for place in places):
        raise ClusterError(
            f"there is no kubeconfig at {path}; set KUBECONFIG, or let your cluster's tool write "
            "one, such as 'minikube start' or 'gcloud container clusters get-credentials'"
        )
    configuration = client.Configuration()
    try:
        config.load_kube_config(
            config_file=os.pathsep.join(str(place) for place in places),
            context=context or None,
            client_configuration=configuration,
            persist_config=False,
        )
    except Exception as error:  # ConfigException, YAMLError, TypeError: the client checks little
        raise ClusterError(_unusable(path, context, error)) from None
    return configuration


def _unusable(path: str, context: str, error: Exception) -> str:
    problem = " ".join(str(error).split()) or type(error).__name__
    known = _contexts(path)
    if context and context not in known:
        problem = f"there is no context {context!r}"
    if known:
        remedy = f"its contexts are {', '.join(known)}; take one by 'kubectl config use-context'"
    else:
        remedy = "'kubectl config view' shows what it holds"
    return f"the kubeconfig {path} cannot be used: {problem}; {remedy}"


def _contexts(path: str) -> list[str]:
    try:
        found, _ = config.list_kube_config_contexts(config_file=path)
    except Exception:  # it fails where no context is current, too: then read it ourselves
        found = _read_contexts(path)
    return [str(entry["name"]) for entry in found]


def _read_contexts(path: str) -> list[dict[str, Any]]:
    import yaml

    try:
        content = yaml.safe_load(Path(path).expanduser().read_text(encoding="utf-8"))
        return [entry for entry in content["contexts"] if "name" in entry]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError):
        return []


class _NoDiscovery:
    """In the discoverer's place: driftline knows the few kinds that it uses.

    The client's own asks the cluster for everything it has, and keeps the answers in a file of a
    guessable name below /tmp, where another user, or another cluster at the same address, may have
    put its own.
    """

    def __init__(self, client: Any, cache_file: str | None) -> None:
        del client, cache_file


def _dynamic(configuration: Any) -> DynamicClient:
    configuration.retries = False  # the pauses between attempts are ours
    return DynamicClient(client.ApiClient(configuration), discoverer=_NoDiscovery)
