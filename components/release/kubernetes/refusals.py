"""What an API server refuses, in one sentence with the remedy."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from components.core.errors import ClusterError

_FORBIDDEN = re.compile(r'User "(?P<user>[^"]*)" cannot \S+ resource')
_NO_NAMESPACE = re.compile(r'namespaces "(?P<namespace>[^"]*)" not found')
_MANAGER = re.compile(r'conflict with "(?P<manager>[^"]*)"')

_LOGIN = "log in to the cluster again, or choose another context with 'kubectl config use-context'"
_ACCOUNT = "system:serviceaccount:"


class StaleError(Exception):
    """The object changed since it was read."""


class AbsentError(Exception):
    """There is no such object."""


class UnansweredError(ClusterError):
    """The cluster, or a pod behind it, did not answer; `problem` is what came instead."""

    def __init__(self, message: str, problem: str) -> None:
        super().__init__(message)
        self.problem = problem


class TakenError(ClusterError):
    """Fields that would be applied belong to another field manager."""


@dataclass(frozen=True)
class Asked:
    """One request, as sentences and access rules name it; `login` mends a refused login."""

    verb: str
    resource: str
    group: str
    name: str
    namespace: str
    server: str
    login: str = _LOGIN

    @property
    def qualified(self) -> str:
        """The resource with its group, as kubectl takes it."""
        return f"{self.resource}.{self.group}" if self.group else self.resource

    def __str__(self) -> str:
        return f"{self.qualified} {self.name!r}" if self.name else self.qualified


def refusal(status: int, body: str | bytes | None, asked: Asked) -> Exception:
    """The exception for an answer that is no success and will be none if it is tried again.

    Args:
        status: the HTTP status.
        body: the answer's body, a `Status` object or anything else.
        asked: the request.
    """
    answer = _status(body)
    message = " ".join(str(answer.get("message") or body or "").split())[:1000]
    if status == 401:
        return ClusterError(f"{asked.server} does not accept your credentials; {asked.login}")
    if status == 403:
        return ClusterError(_forbidden(message, asked))
    if status == 404:
        if missing := _NO_NAMESPACE.search(message):
            return ClusterError(_no_namespace(missing["namespace"]))
        return AbsentError(message)
    if status == 409:
        return _conflict(answer, message, asked)
    if status == 422 and "metadata.uid" in message:
        return StaleError(message)  # the object was deleted, and perhaps made anew
    if status in (422, 500):
        return ClusterError(f"the cluster refuses {asked}: {message}; change the spec's serving")
    return ClusterError(f"{asked.server} answered {status} for {asked.verb} of {asked}: {message}")


def unreachable(asked: Asked, seconds: float, problem: str) -> UnansweredError:
    """For a server that did not answer, or only with errors of its own."""
    return UnansweredError(
        f"{asked.server} does not answer to a {asked.verb} of {asked}, tried for {seconds:.0f} s: "
        f"{problem}; start the cluster, or choose another with 'kubectl config use-context'",
        problem,
    )


def _status(body: str | bytes | None) -> dict[str, Any]:
    try:
        answer = json.loads(body or "{}")
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _forbidden(message: str, asked: Asked) -> str:
    """Either the access rules, or admission: a quota, Pod Security, a policy."""
    found = _FORBIDDEN.search(message)
    if found is None:
        return f"the cluster does not admit {asked} in namespace {asked.namespace}: {message}"
    user = found["user"] or "this user"
    refused = f"{user} may not {asked.verb} {asked} in namespace {asked.namespace}"
    if user.startswith(_ACCOUNT):
        return (
            f"{refused}; 'scripts/apply_manifests.sh --model MODEL' lets the account "
            "driftline-deployer do it, and makes the Secret by which a deploy step acts as that one"
        )
    return (
        f"{refused}; grant it: kubectl create role driftline-{asked.resource.split('/')[0]}"
        f" -n {asked.namespace} --verb={asked.verb} --resource={asked.qualified}, and bind it with "
        f"'kubectl create rolebinding'"
    )


def _no_namespace(namespace: str) -> str:
    return (
        f"there is no namespace {namespace!r} in the cluster; create it with "
        f"'kubectl create namespace {namespace}', or set serving.kubernetes.namespace"
    )


def _conflict(answer: dict[str, Any], message: str, asked: Asked) -> Exception:
    causes = (answer.get("details") or {}).get("causes") or []
    taken = [cause for cause in causes if cause.get("reason") == "FieldManagerConflict"]
    if not taken:
        return StaleError(message)
    fields = [
        f"{cause.get('field', 'a field')} belongs to {_manager(cause.get('message', ''))}"
        for cause in taken
    ]
    return TakenError(
        f"{asked} in namespace {asked.namespace} was changed by others: {'; '.join(fields)}; undo "
        "that change, or set serving.kubernetes.force to true to take these fields"
    )


def _manager(message: str) -> str:
    found = _MANAGER.search(message)
    return found["manager"] if found else message
