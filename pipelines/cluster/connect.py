"""From an address to a client of Kubeflow Pipelines that has answered once."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import Any

import kfp
import kfp_server_api

from components.core.errors import ClusterError, UsageError
from pipelines.cluster.address import KfpAddress, read_token
from pipelines.cluster.refusals import no_api, said

# To connect, and between two reads: the client itself would wait for ever.
_TIMEOUT_S = (5.0, 60.0)
_OLDEST = (2, 17)
_PROXY = "/api/v1/namespaces/{}/services/ml-pipeline:http/proxy"
_POD_TOKEN = "/var/run/secrets/kubeflow/pipelines/token"  # noqa: S105 # a path, not a token
_COPIED = (
    "host",
    "ssl_ca_cert",
    "cert_file",
    "key_file",
    "verify_ssl",
    "assert_hostname",
    "api_key",
    "api_key_prefix",
    "proxy",
    "proxy_headers",
)


def connect(address: KfpAddress) -> kfp.Client:
    """A client whose every request has a time limit, for a server that this version can use.

    Args:
        address: by its host, or through the kubeconfig; within a cluster's pod, and without
            either, by the service's name.

    Raises:
        UsageError: when the installation serves several users and no namespace is given.
        ClusterError: when it cannot be reached, does not let us in, or is too old.
    """
    configuration = _configuration(address)
    api = _api_client(configuration)
    with said(address, "asking for its version"):
        health = api.call_api(
            "/apis/v2beta1/healthz",
            "GET",
            header_params={"Accept": "application/json"},
            response_type="object",
            auth_settings=["Bearer"],
            _return_http_data_only=True,
        )
    _check_health(address, health)
    multi_user = bool(health.get("multi_user"))
    with warnings.catch_warnings():
        # It says that it is for Kubeflow Pipelines 2, which we have just made sure of.
        warnings.filterwarnings("ignore", message="This client only works", category=FutureWarning)
        return _Client(configuration, address, multi_user)


def _check_health(address: KfpAddress, health: Any) -> None:
    if not isinstance(health, dict) or "multi_user" not in health:
        raise ClusterError(no_api(address, f"{str(health)[:60]!r}"))
    tag = str(health.get("tag_name", ""))
    version = re.match(r"v?(\d+)\.(\d+)\.\d+", tag)
    if version and (int(version[1]), int(version[2])) < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        raise ClusterError(
            f"Kubeflow Pipelines there is {tag}, too old for what these pipelines ask of a step; "
            f"install {oldest} or later: scripts/install_kfp.sh"
        )
    if health["multi_user"] and not (address.host and address.namespace):
        raise UsageError(
            "this Kubeflow Pipelines serves several users: name its --host and your own "
            "--namespace, and put a token into DRIFTLINE_KFP_TOKEN_FILE"
        )


def _configuration(address: KfpAddress) -> kfp_server_api.Configuration:
    configuration = kfp_server_api.Configuration()
    if address.host:
        configuration.host = address.url
    elif _in_a_pod(address):
        configuration.host = f"http://ml-pipeline.{address.installed_in}:8888"
    else:
        _through_kubeconfig(configuration, address)
        return configuration
    _take_token(configuration, address)
    return configuration


def _in_a_pod(address: KfpAddress) -> bool:
    given = address.context or os.environ.get("KUBECONFIG")
    return not given and "KUBERNETES_SERVICE_HOST" in os.environ


def _through_kubeconfig(configuration: Any, address: KfpAddress) -> None:
    """The way that needs no port-forward; the token there is the kubeconfig's own."""
    from components.release.kubernetes.connect import connect as connect_cluster

    found = connect_cluster(address.context).configuration
    for name in _COPIED:
        setattr(configuration, name, getattr(found, name))
    if found.tls_server_name:
        configuration.assert_hostname = found.tls_server_name
    configuration.host = f"{found.host.rstrip('/')}{_PROXY.format(address.installed_in)}"
    renew = found.refresh_api_key_hook

    def refresh(asked: Any) -> None:
        renew(found)  # not what is asked: it would put the API server's own address there again
        asked.api_key = found.api_key

    if renew is not None:
        configuration.refresh_api_key_hook = refresh


def _take_token(configuration: Any, address: KfpAddress) -> None:
    place = address.token_file
    if not place and not address.token and not address.host and Path(_POD_TOKEN).is_file():
        place = _POD_TOKEN
    if not place and not address.token:
        return

    def refresh(asked: Any) -> None:
        asked.api_key["authorization"] = read_token(place) if place else address.token

    configuration.api_key_prefix["authorization"] = "Bearer"
    configuration.refresh_api_key_hook = refresh
    refresh(configuration)  # the client asks for it only where there is one already


def _api_client(configuration: Any) -> Any:
    configuration.retries = False  # the pauses between attempts are ours, and so are redirects
    return _impatient(kfp_server_api.ApiClient(configuration))


def _impatient(api: Any) -> Any:
    request = api.rest_client.request

    def timed(*arguments: Any, _request_timeout: Any = None, **options: Any) -> Any:
        return request(*arguments, _request_timeout=_request_timeout or _TIMEOUT_S, **options)

    api.rest_client.request = timed
    return api


class _Client(kfp.Client):  # type: ignore[misc] # kfp ships no types
    """kfp's client, told where the server is instead of looking for it.

    Its own search takes a pod's account before KUBECONFIG, prints its failures, and takes the
    namespace that another tool may have left in ~/.config/kfp.
    """

    def __init__(self, configuration: Any, address: KfpAddress, multi_user: bool) -> None:
        self.address = address
        self._found = configuration
        # Where there is one user, the server minds no namespace; without one, kfp asks again.
        self._namespace = address.namespace if multi_user else address.installed_in
        super().__init__(host=configuration.host, namespace=self._namespace)
        # Each of the generated services has the same one.
        _impatient(self._run_api.api_client)

    def _load_config(self, *_arguments: Any, **_options: Any) -> Any:
        return self._found

    def _load_context_setting_or_default(self) -> None:
        self._context_setting = {"namespace": self._namespace}
