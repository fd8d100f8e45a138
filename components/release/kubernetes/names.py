"""What driftline calls its objects in a cluster, and what it writes on them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field, ValidationError

from components.core.errors import SpecError
from components.core.verdict import Document
from components.release.target import Deployment

MANAGER = "driftline"
"""The field manager of everything that driftline applies."""

REPLICAS_MANAGER = "driftline-replicas"
"""Keeps `replicas` from the moment driftline gives it up until the autoscaler takes it."""

FIRST_MANAGER = "driftline-first-"
"""Begins the name of a manager that makes an object, and gives it up to `MANAGER` at once."""

SERVER_PODS = {"app.kubernetes.io/component": "model-server"}
"""The label of all pods that serve a model, whichever; network policies select by it."""

PORT = 8080
PORT_NAME = "http"
_DOMAIN = "driftline.dev"
UNDERWAY = f"{_DOMAIN}/underway"
CHANGE_CAUSE = "kubernetes.io/change-cause"
_METRICS = f"{_DOMAIN}/metrics"
_CANARY = "-canary"
_ENTRY = {
    "version": f"{_DOMAIN}/release",
    "manifest_sha256": f"{_DOMAIN}/manifest-sha256",
    "action": f"{_DOMAIN}/action",
    "at": f"{_DOMAIN}/at",
    "run": f"{_DOMAIN}/run",
    "reason": f"{_DOMAIN}/reason",
}


@dataclass(frozen=True)
class Names:
    """The names of one model's objects, all made from the model's own.

    >>> names = Names("flights")
    >>> names.main, names.canary, names.selector
    ('driftline-flights', 'driftline-flights-canary', 'driftline.dev/model=flights')
    """

    model: str

    def __post_init__(self) -> None:
        if self.model.endswith(("-", _CANARY)):
            raise SpecError(
                f"model {self.model!r} cannot be served on Kubernetes: its name must not end in "
                f"'-' or {_CANARY!r}; rename it"
            )

    @property
    def main(self) -> str:
        """The Deployment, Service, autoscaler and disruption budget."""
        return f"driftline-{self.model}"

    @property
    def canary(self) -> str:
        """The Deployment of a canary."""
        return f"{self.main}{_CANARY}"

    @property
    def predictor(self) -> str:
        """The Deployment that KServe makes."""
        return f"{self.main}-predictor"

    @property
    def labels(self) -> dict[str, str]:
        """What all pods of the model carry; the Service selects by the last of them."""
        return {
            "app.kubernetes.io/name": "driftline",
            **SERVER_PODS,
            "app.kubernetes.io/instance": self.model,
            "app.kubernetes.io/managed-by": "driftline",
            f"{_DOMAIN}/model": self.model,
        }

    @property
    def serving(self) -> dict[str, str]:
        """The label by which all pods of the model are found, the canary's among them."""
        return {f"{_DOMAIN}/model": self.model}

    def track(self, canary: bool) -> dict[str, str]:
        """The labels by which one Deployment finds its own pods."""
        return {**self.serving, f"{_DOMAIN}/track": "canary" if canary else "stable"}

    @property
    def selector(self) -> str:
        """The same as `serving`, as the API asks for it."""
        return selector(self.serving)


def selector(labels: Mapping[str, str]) -> str:
    """Labels as the API's list call takes them.

    >>> selector({"a": "1", "b": "2"})
    'a=1,b=2'
    """
    return ",".join(f"{key}={value}" for key, value in labels.items())


class Underway(Document):
    """Written on what is deployed while a rollout runs, and taken off once it is proven.

    The release `version` is not the champion yet. `run` and `at` are those of its entry in the
    history; after `until` (ISO 8601), whoever wrote this is no longer at work. `unproven` are the
    rollouts, by `identity`, that it found half done and takes back.
    """

    version: str
    run: str
    at: str
    until: str
    unproven: list[tuple[str, str]] = Field(default_factory=list)


def identity(entry: Deployment | Underway) -> tuple[str, str]:
    """What tells one rollout from every other: its time, to the microsecond, and its run."""
    return entry.at, entry.run


def entry_annotations(entry: Deployment, metrics: Mapping[str, float]) -> dict[str, str]:
    """An entry of the history as annotations of a pod template.

    Args:
        entry: what is deployed, by whom, and why.
        metrics: the release's headline figures.

    >>> entry = Deployment(
    ...     version="v1", manifest_sha256="9f86", action="deploy", at="2024", run="r", reason="new"
    ... )
    >>> read_entry(entry_annotations(entry, {})) == entry
    True
    """
    written = {key: str(getattr(entry, name)) for name, key in _ENTRY.items()}
    return {**written, _METRICS: json.dumps(dict(metrics))}


def read_entry(annotations: Mapping[str, str] | None) -> Deployment | None:
    """The entry in the annotations of a pod or of a template; None where there is none."""
    fields: dict[str, Any] = {name: (annotations or {}).get(key) for name, key in _ENTRY.items()}
    try:
        return Deployment.model_validate(fields)
    except ValidationError:  # somebody else's pod, or one that was edited by hand
        return None


def read_metrics(annotations: Mapping[str, str] | None) -> dict[str, float]:
    """The headline figures in the annotations of a template."""
    try:
        found = json.loads((annotations or {}).get(_METRICS, "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def read_underway(annotations: Mapping[str, str] | None) -> Underway | None:
    """The mark of a rollout that is not proven yet; None where there is none."""
    try:
        return Underway.model_validate_json((annotations or {}).get(UNDERWAY, ""))
    except ValidationError:
        return None


def change_cause(entry: Deployment) -> str:
    """What `kubectl rollout history` shows of an entry."""
    return f"{entry.action} of {entry.version} by {entry.run}: {entry.reason}"
