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
    """The Role that deploys one model, bound to an account: its objects by name, and no others.

    Args:
        model: the model's name.
        namespace: where it is served.
        account: who deploys it.

    Raises:
        UsageError: when one of the names cannot be one.

    >>> role, binding = model_permissions("flights", "prod", Account("kubeflow", "deployer"))
    >>> role["rules"][0]["resourceNames"], binding["subjects"][0]["name"]
    (['driftline-flights', 'driftline-flights-canary'], 'deployer')
    """
    _check("the model", ModelName, model, "lower-case letters, digits and '-', 50 at most")
    _check("the namespace", Namespace, namespace, "driftline-development")
    names = Names(model)
    metadata = {
        "name": f"driftline-deploy-{model}",
        "namespace": namespace,
        "labels": {**_PART_OF, **names.serving},
    }
    role = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "Role",
        "metadata": metadata,
        "rules": _rules(names),
    }
    binding = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": metadata["name"]},
        "subjects": [
            {"kind": "ServiceAccount", "name": account.name, "namespace": account.namespace}
        ],
    }
    return [role, binding]


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


def _rules(names: Names) -> list[Manifest]:
    changed = [*_MAKE, "delete"]
    return [
        _rule("apps", "deployments", ["get", *changed], names.main, names.canary),
        _rule("apps", "deployments", ["get"], names.predictor),
        _rule("", "services", _MAKE, names.main),
        _rule("autoscaling", "horizontalpodautoscalers", changed, names.main),
        _rule("policy", "poddisruptionbudgets", ["get", *changed], names.main),
        _rule("serving.kserve.io", "inferenceservices", ["get", *changed], names.main),
    ]


def _rule(group: str, resource: str, verbs: list[str], *names: str) -> Manifest:
    return {
        "apiGroups": [group],
        "resources": [resource],
        "resourceNames": list(names),
        "verbs": list(verbs),
    }


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
