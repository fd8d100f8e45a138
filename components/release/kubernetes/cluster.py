"""The few calls that driftline makes to a cluster, each tried until it is certain how it ends."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.resource import Resource
from urllib3.exceptions import HTTPError

from components.core.errors import ClusterError
from components.release.kubernetes.answers import (
    growing,
    is_our_mistake,
    problem,
    retry_after,
    root,
)
from components.release.kubernetes.connect import MountedToken
from components.release.kubernetes.names import MANAGER
from components.release.kubernetes.refusals import AbsentError, Asked, refusal, unreachable

_TRANSIENT = {408, 410, 429, 500, 502, 503, 504}
# To connect, and between two reads; the answer as it came.
_RAW: dict[str, Any] = {"serialize": False, "_request_timeout": (5, 30)}
_FIRST_CONTACT_S = 6.0
_PATIENCE_S = 120.0
_POD_PATIENCE_S = 2.0

_KINDS = {
    # kind: (prefix, group, version, resource)
    "Deployment": ("apis", "apps", "v1", "deployments"),
    "ReplicaSet": ("apis", "apps", "v1", "replicasets"),
    "Service": ("api", "", "v1", "services"),
    "Pod": ("api", "", "v1", "pods"),
    "HorizontalPodAutoscaler": ("apis", "autoscaling", "v2", "horizontalpodautoscalers"),
    "PodDisruptionBudget": ("apis", "policy", "v1", "poddisruptionbudgets"),
    "Workflow": ("apis", "argoproj.io", "v1alpha1", "workflows"),
    "InferenceService": ("apis", "serving.kserve.io", "v1beta1", "inferenceservices"),
}

Object = dict[str, Any]


@dataclass(frozen=True)
class Time:
    """How time passes: tests let it pass without waiting.

    `pause` takes seconds, `clock` tells seconds that never go back, `now` the time of day.
    """

    pause: Callable[[float], object] = time.sleep
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class Cluster:
    """One namespace of a cluster, through the official client.

    An API server that restarts, is overloaded, or loses a connection is asked again with growing
    pauses, for two minutes once it has answered at all. What it refuses is an error at once, except
    a mounted token that it accepted before: that one has been renewed, and arrives a moment later.

    Args:
        client: made by `connect`.
        namespace: everything is in this one.
        time: how time passes.
    """

    def __init__(self, client: DynamicClient, namespace: str, time: Time | None = None) -> None:
        self._client = client
        self.namespace = namespace
        self.time = time or Time()
        self.server = str(client.configuration.host)
        hook = client.configuration.refresh_api_key_hook
        self._token = hook if isinstance(hook, MountedToken) else None
        self._answered = False

    def get(self, kind: str, name: str) -> Object | None:
        """An object, or None where there is none.

        Raises:
            ClusterError: when the cluster cannot be asked, or does not tell.
        """
        resource = self._resource(kind)
        asked = self._asked("get", resource, name)
        try:
            return self._json(asked, lambda: self._client.get(resource, **self._place(name)))
        except AbsentError:
            return None

    def find(self, kind: str, selector: str) -> list[Object]:
        """All objects of a kind with these labels.

        Raises:
            ClusterError: when the cluster cannot be asked, or does not tell.
        """
        resource = self._resource(kind)
        found = self._json(
            self._asked("list", resource),
            lambda: self._client.get(resource, **self._place(), label_selector=selector),
        )
        return list(found.get("items") or [])

    def apply(
        self,
        manifest: Mapping[str, Any],
        *,
        manager: str = MANAGER,
        force: bool = False,
        dry_run: bool = False,
    ) -> Object:
        """Apply a manifest server-side.

        Args:
            manifest: with `metadata.resourceVersion`, it must still be that version.
            manager: the field manager.
            force: take fields that belong to others.
            dry_run: only let the cluster say whether it would do it.

        Raises:
            StaleError: when the object changed since it had that version.
            TakenError: when a field belongs to another manager, and `force` is not set.
            ClusterError: when the cluster refuses it, or cannot be asked.
        """
        resource = self._resource(manifest["kind"])
        name = manifest["metadata"]["name"]
        return self._json(
            self._asked("patch", resource, name),
            # Not the typed client's patch_*: given a field manager, it still merges.
            lambda: self._client.server_side_apply(
                resource,
                body=dict(manifest),
                **self._place(name),
                field_manager=manager,
                force_conflicts=force,
                dry_run="All" if dry_run else None,
            ),
        )

    def delete(self, kind: str, name: str, uid: str = "") -> None:
        """Delete an object and, in the background, what it owns; one that is gone stays gone.

        Args:
            kind: its kind.
            name: its name.
            uid: only the object that has this one.

        Raises:
            StaleError: when the object of that name has another uid.
            ClusterError: when the cluster refuses it, or cannot be asked.
        """
        resource = self._resource(kind)
        body: Object = {"propagationPolicy": "Background"}
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            self._json(
                self._asked("delete", resource, name),
                lambda: self._client.delete(resource, **self._place(name), body=body),
            )
        except AbsentError:
            return

    def logs(self, pod: str, container: str, *, lines: int, previous: bool) -> str:
        """The last lines that a container wrote.

        Args:
            pod: the pod's name.
            container: one of its containers.
            lines: at most so many.
            previous: those of the run before the present one.

        Raises:
            AbsentError: when there is no such pod any more.
            ClusterError: when the cluster does not tell, or that run of it left no log.
        """
        query = [
            ("container", container),
            ("tailLines", lines),
            ("previous", str(previous).lower()),
        ]
        return self._text(pod, pod, "log", query)

    def proxy(self, pod: str, port: int, path: str) -> str:
        """What a pod answers to a GET, asked through the API server.

        Raises:
            AbsentError: when there is no such pod any more.
            ClusterError: when the pod or the cluster does not answer, or it is not allowed.
        """
        return self._text(pod, f"{pod}:{port}", f"proxy/{path}", [])

    def offers(self, kind: str) -> bool:
        """Whether the cluster knows a kind at all.

        Raises:
            ClusterError: when the cluster cannot be asked.
        """
        resource = self._resource(kind)
        path = f"/{resource.prefix}/{resource.group_version}"
        asked = self._asked("get", resource)
        try:
            found = self._json(asked, lambda: self._client.request("get", path, **_RAW))
        except AbsentError:
            return False
        return any(entry["name"] == resource.name for entry in found.get("resources", []))

    def _resource(self, kind: str) -> Resource:
        prefix, group, version, name = _KINDS[kind]
        return Resource(
            prefix=prefix,
            group=group,
            api_version=version,
            kind=kind,
            namespaced=True,
            name=name,
            client=self._client,
        )

    def _place(self, name: str | None = None) -> Object:
        return {"name": name, "namespace": self.namespace, **_RAW}

    def _asked(self, verb: str, resource: Resource, name: str = "", sub: str = "") -> Asked:
        return Asked(
            verb,
            f"{resource.name}/{sub}" if sub else resource.name,
            resource.group or "",
            name,
            self.namespace,
            self.server,
            **({"login": self._token.remedy} if self._token else {}),
        )

    def _json(self, asked: Asked, once: Callable[[], Any]) -> Object:
        content = self._call(asked, once)
        try:
            return dict(json.loads(content))
        except (ValueError, TypeError):
            raise ClusterError(
                f"{self.server} does not answer as an API server does: {content[:200]!r}; check "
                "the address in the kubeconfig, and whether a proxy stands before it"
            ) from None

    def _text(self, pod: str, place: str, sub: str, query: list[tuple[str, Any]]) -> str:
        """A subresource of a pod; one that does not answer soon is left out, not waited for."""
        resource = self._resource("Pod")
        path = f"{resource.path(name=place, namespace=self.namespace)}/{sub}"
        return self._call(
            self._asked("get", resource, pod, sub.split("/")[0]),
            lambda: self._client.request(
                "get",
                path,
                query_params=list(query),
                header_params={"Accept": "application/json, */*"},
                **_RAW,
            ),
            _POD_PATIENCE_S,
        )

    def _call(self, asked: Asked, once: Callable[[], Any], patience_s: float | None = None) -> str:
        """One request's answer, asked for until the server gives one that is its own."""
        began = self.time.clock()
        attempt = 0
        while True:
            try:
                answer = bytes(once().data).decode("utf-8", errors="replace")
            except ApiException as error:
                status = int(error.status or 0)
                # A server that says "later" is there, unlike what a proxy says in its place.
                self._answered = self._answered or status == 429
                if not self._passes(status) or is_our_mistake(error):
                    raise self._final(status, error, asked) from None
                what, wait = problem(error), retry_after(error)
                refused = self._final(status, error, asked) if status == 401 else None
            except HTTPError as error:
                what, wait, refused = root(error), 0.0, None
            else:
                self._answered = True
                return answer
            attempt += 1
            pause = max(wait, growing(attempt))
            patience = patience_s or (_PATIENCE_S if self._answered else _FIRST_CONTACT_S)
            if self.time.clock() - began + pause > patience:
                raise refused or unreachable(asked, self.time.clock() - began, what)
            self.time.pause(pause)

    def _passes(self, status: int) -> bool:
        """Whether an answer may be another one in a moment."""
        renewed = status == 401 and self._token is not None and self._answered
        return status in _TRANSIENT or renewed

    def _final(self, status: int, error: ApiException, asked: Asked) -> Exception:
        if status:
            return refusal(status, error.body, asked)
        what = " ".join(str(error.reason).split())
        return unreachable(asked, 0, f"its certificate is not accepted ({what})")
