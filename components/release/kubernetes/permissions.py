"""Who may do what around a model in a cluster, as manifests.

Access rules know no patterns of names, and a network policy knows the API server by its address
alone: what is the same everywhere is in `manifests/`, and this is what differs.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from components.core.errors import UsageError
from components.release.kubernetes.names import PORT, SERVER_PODS, Names
from components.spec.model import ModelName, Namespace

Manifest = dict[str, Any]

_PART_OF = {"app.kubernetes.io/part-of": "driftline"}
_RBAC = "rbac.authorization.k8s.io"
_MAKE = ["create", "patch"]  # server-side apply asks for both, each with the object's name


@dataclass(frozen=True)
class Account:
    """A service account, and its namespace."""

    namespace: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Account:
        """Read `NAMESPACE:NAME`.

        Raises:
            UsageError: when it is not of that form.

        >>> Account.parse("kubeflow:driftline-deployer")
        Account(namespace='kubeflow', name='driftline-deployer')
        """
        namespace, _, name = text.partition(":")
        for part in (namespace, name):
            _check("the account", Namespace, part, "NAMESPACE:NAME, kubeflow:driftline-deployer")
        return cls(namespace, name)


def model_permissions(model: str, namespace: str, account: Account) -> list[Manifest]:
    """Who deploys one model, and who reads what is deployed of it.

    The account changes the model's own objects, each by its name. All steps of a run compare with
    the champion: every account of the deployer's namespace may read which release that is.

    Args:
        model: the model's name.
        namespace: where it is served.
        account: who deploys it.

    Returns:
        A Role and its RoleBinding for the deployer, and then those for all others.

    Raises:
        UsageError: when one of the names cannot be one.

    >>> role, binding, *_ = model_permissions("flights", "prod", Account("kubeflow", "deployer"))
    >>> role["rules"][0]["resourceNames"], binding["subjects"][0]["name"]
    (['driftline-flights', 'driftline-flights-canary'], 'deployer')
    """
    _check("the model", ModelName, model, "lower-case letters, digits and '-', 50 at most")
    _check("the namespace", Namespace, namespace, "driftline-development")
    names = Names(model)
    deployer = {"kind": "ServiceAccount", "name": account.name, "namespace": account.namespace}
    everyone = {
        "kind": "Group",
        "name": f"system:serviceaccounts:{account.namespace}",
        "apiGroup": _RBAC,
    }
    return [
        *_role(names, namespace, "deploy", _deploying(names), deployer),
        *_role(names, namespace, "read", _reading(names), everyone),
    ]


def api_server_access(addresses: Iterable[str], namespace: str) -> Manifest:
    """The policy that lets the API server ask the model servers: so a rollout is watched.

    Args:
        addresses: those from which the API server's requests come: single ones, or networks.
        namespace: where the models are served.

    Raises:
        UsageError: when one of them is no address.

    >>> policy = api_server_access(["192.168.49.2"], "prod")
    >>> policy["spec"]["ingress"][0]["from"]
    [{'ipBlock': {'cidr': '192.168.49.2/32'}}]
    """
    _check("the namespace", Namespace, namespace, "driftline-development")
    networks = sorted({_network(address) for address in addresses})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "api-server", "namespace": namespace, "labels": _PART_OF},
        "spec": {
            "podSelector": {"matchLabels": SERVER_PODS},
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "from": [{"ipBlock": {"cidr": network}} for network in networks],
                    "ports": [{"port": PORT, "protocol": "TCP"}],
                }
            ],
        },
    }


def _role(
    names: Names, namespace: str, what: str, rules: list[Manifest], subject: Manifest
) -> list[Manifest]:
    """A Role, and the RoleBinding that gives it to somebody."""
    name = f"driftline-{what}-{names.model}"
    metadata = {"name": name, "namespace": namespace, "labels": {**_PART_OF, **names.serving}}
    return [
        {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": name},
            "subjects": [subject],
        },
    ]


def _deploying(names: Names) -> list[Manifest]:
    changed = [*_MAKE, "delete"]
    return [
        _rule("apps", "deployments", ["get", *changed], names.main, names.canary),
        _rule("apps", "deployments", ["get"], names.predictor),
        _rule("", "services", _MAKE, names.main),
        _rule("autoscaling", "horizontalpodautoscalers", changed, names.main),
        _rule("policy", "poddisruptionbudgets", ["get", *changed], names.main),
        _rule("serving.kserve.io", "inferenceservices", ["get", *changed], names.main),
        # Their names are not known beforehand: the history, how the pods are, the last lines of
        # one that failed, and the metrics of a release under guard (a `get` sends no POST).
        _rule("apps", "replicasets", ["list"]),
        _rule("", "pods", ["list"]),
        _rule("", "pods/log", ["get"]),
        _rule("", "pods/proxy", ["get"]),
    ]


def _reading(names: Names) -> list[Manifest]:
    return [
        _rule("apps", "deployments", ["get"], names.main, names.predictor),
        _rule("apps", "replicasets", ["list"]),
        _rule("policy", "poddisruptionbudgets", ["get"], names.main),
        _rule("serving.kserve.io", "inferenceservices", ["get"], names.main),
    ]


def _rule(group: str, resource: str, verbs: list[str], *names: str) -> Manifest:
    rule: Manifest = {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}
    return {**rule, "resourceNames": list(names)} if names else rule


def _check(what: str, kind: Any, name: str, wanted: str) -> None:
    try:
        TypeAdapter(kind).validate_python(name)
    except ValidationError:
        raise UsageError(f"{what} {name!r} cannot be called so; write {wanted}") from None


def _network(address: str) -> str:
    try:
        return str(ipaddress.ip_network(address.strip()))
    except ValueError as error:
        raise UsageError(
            f"the API server's address {address!r} is none: {error}; write 192.168.49.2, or a "
            "network such as 10.0.0.0/28"
        ) from None
