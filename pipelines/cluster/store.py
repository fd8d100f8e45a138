"""The store of a cluster, as it is reached from outside: its credentials, and a way in."""

from __future__ import annotations

import base64
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlsplit

from components.core.errors import ClusterError
from components.release.kubernetes.connect import connect
from pipelines.cluster.address import KfpAddress
from pipelines.cluster.steps import STORE_KEYS
from pipelines.cluster.tunnel import listening, open_pod

# Where Kubeflow Pipelines keeps its own files, which is there wherever it is.
STORE = "s3://mlpipeline/driftline"
_SERVICE = re.compile(r"(?P<name>[a-z0-9-]+)\.(?P<namespace>[a-z0-9-]+)(\.svc(\.cluster\.local)?)?")
_ENDPOINT = STORE_KEYS[2]
_TIMEOUT_S = (5, 30)


@contextmanager
def reaching(store: str, address: KfpAddress, secret: str) -> Iterator[None]:
    """Within the block, this process reaches the store that the cluster's steps write to.

    Where AWS_ENDPOINT_URL is set, the user has said how, and so it is. Else the credentials are
    those of the secret that the steps use, and an endpoint that is a Service of the cluster is
    reached through the API server.

    Args:
        store: the store's address; only one at S3 needs a way.
        address: how the cluster is reached.
        secret: the name of the secret with the store's credentials, where the steps run.

    Raises:
        ClusterError: when the cluster does not let us read the secret, or reach the store.
    """
    if not store.startswith("s3://") or address.host or os.environ.get(_ENDPOINT):
        yield
        return
    client = connect(address.context).client
    found = _credentials(client, address.installed_in, secret)
    with ExitStack() as stack:
        if found.get(_ENDPOINT):
            found[_ENDPOINT] = _way_to(client, found[_ENDPOINT], stack)
        stack.enter_context(_environment(found))
        yield


def _credentials(client: Any, namespace: str, secret: str) -> dict[str, str]:
    """What the secret holds; nothing where there is none: then the user's own are used."""
    found = _ask(client, f"/api/v1/namespaces/{namespace}/secrets/{secret}")
    data = (found or {}).get("data") or {}
    return {key: base64.b64decode(data[key]).decode() for key in STORE_KEYS if key in data}


def _way_to(client: Any, endpoint: str, stack: ExitStack) -> str:
    """An address by which the endpoint is reached from here."""
    parts = urlsplit(endpoint)
    match = _SERVICE.fullmatch(parts.hostname or "")
    service = None
    if match:
        path = f"/api/v1/namespaces/{match['namespace']}/services/{match['name']}"
        service = _ask(client, path)
    if not match or service is None:  # a name that the whole world knows
        return endpoint
    namespace = match["namespace"]
    _pod_of(client, namespace, service, parts.port or 80)  # what is wrong there is said at once

    def far() -> socket.socket:
        try:  # looked for each time: the store's pod may be another one by now
            pod, port = _pod_of(client, namespace, service, parts.port or 80)
        except ClusterError as error:
            raise ConnectionError(str(error)) from error
        return open_pod(lambda: _own_client(client), namespace, pod, port)

    return f"http://127.0.0.1:{stack.enter_context(listening(far))}"


def _pod_of(client: Any, namespace: str, service: Mapping[str, Any], port: int) -> tuple[str, int]:
    """A pod behind a Service that is ready, and the port that the Service's leads to."""
    name = service["metadata"]["name"]
    target = next(
        (each.get("targetPort", port) for each in service["spec"]["ports"] if each["port"] == port),
        None,
    )
    selector = ",".join(f"{key}={value}" for key, value in service["spec"]["selector"].items())
    path = f"/api/v1/namespaces/{namespace}/pods"
    pods = (_ask(client, path, [("labelSelector", selector)]) or {}).get("items", [])
    for pod in pods:
        conditions = pod.get("status", {}).get("conditions") or []
        ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
        if ready and target is not None:
            return pod["metadata"]["name"], _number(pod, target)
    raise ClusterError(
        f"the store's Service {name} in {namespace!r} has no pod that is ready at port {port}; see "
        f"'kubectl --namespace {namespace} get pods', or scripts/cluster_status.sh"
    )


def _number(pod: Mapping[str, Any], target: int | str) -> int:
    """A port's number, which a Service may know by name alone."""
    for container in pod["spec"]["containers"]:
        for port in container.get("ports", []):
            if port.get("name") == target:
                return int(port["containerPort"])
    return int(target)


def _ask(client: Any, path: str, query: list[tuple[str, str]] | None = None) -> Any:
    """One answer of the API server; None where it has no such thing."""
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        return client.call_api(
            path,
            "GET",
            query_params=query or [],
            header_params={"Accept": "application/json"},
            auth_settings=["BearerToken"],
            response_type="object",
            _return_http_data_only=True,
            _request_timeout=_TIMEOUT_S,
        )
    except ApiException as error:
        if error.status == 404:
            return None
        raise ClusterError(
            f"the cluster does not give {path.removeprefix('/api/v1/')}: {error.status} "
            f"{error.reason}; ask for that right, or set AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY to reach the store another way"
        ) from None
    except HTTPError as error:
        raise ClusterError(f"the cluster cannot be reached: {error}") from None


def _own_client(client: Any) -> Any:
    from kubernetes.client import ApiClient

    return ApiClient(client.configuration)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables as S3 clients read them; whoever has read others forgets them."""
    import fsspec

    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    try:
        yield
    finally:
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value
