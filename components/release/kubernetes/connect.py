"""From a kubeconfig, or from within a pod, to a client; each way to fail has its remedy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kubernetes import client, config
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.incluster_config import InClusterConfigLoader
from kubernetes.dynamic import DynamicClient

from components.core.errors import ClusterError

_DEFAULT = "~/.kube/config"
_DEPLOYER = Path("/var/run/secrets/driftline/deployer")
_OWN = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class MountedToken:
    """A service account's token in a folder that Kubernetes keeps up to date.

    It is read anew for every request, because a rollout may last longer than a token. While the
    folder is being changed, the token that was read last is sent.

    Args:
        folder: holds `token` and `ca.crt`.
        remedy: what to do when the cluster does not accept it.
    """

    def __init__(self, folder: Path, remedy: str) -> None:
        self.folder = folder
        self.remedy = remedy

    @property
    def exists(self) -> bool:
        """Whether the folder is mounted, and holds a token."""
        return bool(self._read())

    def __call__(self, configuration: Any) -> None:
        """Give a client's configuration the token of this moment; the client's own hook."""
        if token := self._read():
            configuration.api_key["authorization"] = f"Bearer {token}"

    def _read(self) -> str:
        try:
            return (self.folder / "token").read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""


def connect(context: str = "") -> DynamicClient:
    """A client for the cluster that this process is in, or that the kubeconfig names.

    `KUBECONFIG` wins over the account that is mounted for deployments, that one over the pod's own,
    and that one over `~/.kube/config`.

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
    deployer = MountedToken(
        _DEPLOYER,
        "run 'scripts/apply_manifests.sh' again, which makes the Secret driftline-deployer, then "
        "start the step again",
    )
    own = MountedToken(_OWN, "start the pod again, which gives it a new one")
    account = deployer if deployer.exists else own
    configuration = client.Configuration()
    try:
        InClusterConfigLoader(
            token_filename=str(account.folder / "token"),
            cert_filename=str(account.folder / "ca.crt"),
            try_refresh_token=False,
        ).load_and_set(configuration)
    except (ConfigException, OSError, UnicodeDecodeError) as error:
        problem = " ".join(str(error).split())
        raise ClusterError(
            f"this pod has no account to reach the cluster with: {problem} ({account.folder}); "
            f"mount the Secret driftline-deployer at {_DEPLOYER}, or let the pod mount its service "
            "account's token (automountServiceAccountToken: true)"
        ) from None
    configuration.refresh_api_key_hook = account
    account(configuration)
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
