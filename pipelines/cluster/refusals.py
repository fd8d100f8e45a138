"""What a server's refusal means, in a sentence that says what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kfp_server_api.exceptions import ApiException
from urllib3.exceptions import HTTPError

from components.core.errors import ClusterError
from pipelines.cluster.address import KfpAddress

TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})


class UnreachedError(ClusterError):
    """Kubeflow Pipelines did not answer, or only that it cannot now; later it may."""


class GoneError(ClusterError):
    """What was asked for is not there."""


class TakenError(ClusterError):
    """Something of that name is there already."""


@contextmanager
def said(address: KfpAddress, doing: str) -> Iterator[None]:
    """Turn what the client raises in the block into one of these errors.

    Args:
        address: whose server is asked.
        doing: what for, as it follows "while": `creating the run`.

    Raises:
        UnreachedError: when it did not answer, or may answer later.
        GoneError: when it does not have what was asked for.
        TakenError: when a name is taken.
        ClusterError: when it does not do what was asked.
    """
    try:
        yield
    except ApiException as error:
        raise _refusal(address, doing, error) from None
    except HTTPError as error:
        raise UnreachedError(_unreached(address, _first_cause(error))) from None
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        # The client builds its objects from whatever arrives.
        raise ClusterError(no_api(address, f"{type(error).__name__}: {error}")) from None


def _refusal(address: KfpAddress, doing: str, error: ApiException) -> ClusterError:
    status = int(error.status or 0)
    body = _content(error)
    if status == 0:  # the client's own word for a TLS failure
        return ClusterError(_unreached(address, " ".join(str(error.reason).split())))
    if body.get("kind") == "Status":
        return _cluster_refusal(address, status, str(body.get("message", "")))
    message = _message(body) or str(error.reason)
    if status == 401:
        return ClusterError(
            f"{_place(address)} does not know who asks ({message}); put a valid token into "
            "DRIFTLINE_KFP_TOKEN_FILE or DRIFTLINE_KFP_TOKEN"
        )
    if status == 403:
        return ClusterError(
            f"{_place(address)} does not allow {doing}: {message}; ask its owner for the role "
            f"kubeflow-edit in the namespace {address.namespace or address.installed_in!r}, or "
            "choose another --namespace"
        )
    if status in (301, 302, 303, 307, 308):
        where = dict(error.headers or {}).get("Location", "another page")
        return ClusterError(
            f"{_place(address)} sends us to {where}, as it does where one has to log in; put a "
            "token into DRIFTLINE_KFP_TOKEN_FILE, or check --host"
        )
    if status == 404 and not body:
        return ClusterError(no_api(address, "404 Not Found"))
    if status == 404:
        return GoneError(f"{_place(address)} has it not, while {doing}: {message}")
    if status == 409:
        return TakenError(f"{_place(address)} has that name already, while {doing}: {message}")
    problem = f"{_place(address)} failed while {doing}: {status} {message}"
    if status in TRANSIENT:
        logs = f"kubectl --namespace {address.installed_in} logs deployment/ml-pipeline"
        return UnreachedError(f"{problem}; see '{logs}', and try again")
    return ClusterError(problem)


def _cluster_refusal(address: KfpAddress, status: int, message: str) -> ClusterError:
    """The word of the Kubernetes API server that stands between."""
    where = f"the namespace {address.installed_in!r}"
    context = f" --context {address.context}" if address.context else ""
    if status == 401:
        return ClusterError(
            "the cluster does not accept the kubeconfig's credentials; log in again, for example "
            "by 'minikube update-context' or 'gcloud container clusters get-credentials'"
        )
    if status == 403:
        return ClusterError(
            f"the cluster does not let you through to Kubeflow Pipelines: {message}; ask for "
            f"'get' and 'create' on 'services/proxy' in {where}, or reach it another way by --host"
        )
    if status == 404:
        return ClusterError(
            f"there is no Kubeflow Pipelines in {where} of this cluster ({message}); install it "
            "by scripts/install_kfp.sh, or name another --context or --namespace"
        )
    if status in TRANSIENT:
        return UnreachedError(
            f"Kubeflow Pipelines is not ready ({message}); see 'kubectl{context} --namespace "
            f"{address.installed_in} get pods', or scripts/cluster_status.sh, and try again"
        )
    return ClusterError(f"the cluster refuses: {status} {message}")


def _unreached(address: KfpAddress, problem: str) -> str:
    if address.host:
        return (
            f"Kubeflow Pipelines cannot be reached at {address.url}: {problem}; check --host, or "
            "leave it out to go through the kubeconfig"
        )
    return (
        f"the cluster cannot be reached: {problem}; see whether it runs (minikube status, kubectl "
        "cluster-info), and which --context is meant (kubectl config get-contexts)"
    )


def no_api(address: KfpAddress, problem: str) -> str:
    """The sentence for an answer that Kubeflow Pipelines would not give."""
    return (
        f"what answers at {_place(address)} is not the API of Kubeflow Pipelines 2 ({problem}); "
        "check --host, and whether a login page stands before it: then put a token into "
        "DRIFTLINE_KFP_TOKEN_FILE"
    )


def _place(address: KfpAddress) -> str:
    return address.url or "Kubeflow Pipelines"


def _content(error: ApiException) -> dict[str, Any]:
    try:
        found = json.loads(error.body or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _message(body: dict[str, Any]) -> str:
    """The sentence meant for people: of the gateway's answers, or of the upload handlers'."""
    for detail in body.get("details") or []:
        if isinstance(detail, dict) and detail.get("message"):
            inner = str(detail["message"])
            # It says no more than that for whatever went wrong within.
            return str(body.get("message", inner)) if inner == "Internal Server Error" else inner
    found = body.get("message") or body.get("error_message") or body.get("error") or ""
    return " ".join(str(found).split())


def _first_cause(error: BaseException) -> str:
    """The first cause, which says more than the exceptions around it."""
    while True:
        inner = error.__cause__ or error.__context__ or getattr(error, "reason", None)
        if not isinstance(inner, BaseException) or inner is error:
            return " ".join(str(error).split()) or type(error).__name__
        error = inner
