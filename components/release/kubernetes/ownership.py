"""Applying an object so that nobody else's change is lost, and nobody else's field taken."""

from __future__ import annotations

import copy
import uuid
from typing import Any

from components.release.kubernetes.cluster import Cluster
from components.release.kubernetes.manifests import Manifest
from components.release.kubernetes.names import FIRST_MANAGER, MANAGER, REPLICAS_MANAGER
from components.release.kubernetes.refusals import StaleError, TakenError

Object = dict[str, Any]


def write(cluster: Cluster, body: Manifest, live: Object | None, *, force: bool) -> None:
    """Apply over the very object that was seen, or make it where there was none.

    Args:
        cluster: where it is.
        body: the manifest; it is given the version that it must meet.
        live: the object as it was seen.
        force: take fields that belong to others.

    Raises:
        StaleError: when it is not as it was seen any more.
        TakenError: when a field belongs to another manager.
    """
    if live is None:
        _make(cluster, body)
        return
    half_made = _managers(live, FIRST_MANAGER)
    body["metadata"].update(_version_of(live))
    cluster.apply(body, force=force or bool(half_made))
    for manager in half_made:
        _give_up(cluster, body, manager)


def is_half_made(live: Object | None) -> bool:
    """Whether a process of ours died between making an object and taking it over."""
    return live is not None and bool(_managers(live, FIRST_MANAGER))


def owns_replicas(live: Object) -> bool:
    """Whether leaving `replicas` out of what is applied would set it back to one."""
    return any(
        "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
        for entry in live["metadata"].get("managedFields", [])
        if entry.get("manager") == MANAGER and entry.get("operation") == "Apply"
    )


def hand_over_replicas(cluster: Cluster, live: Object) -> Object:
    """Let another field manager keep the number of replicas until the autoscaler takes it.

    It is in the first manifest, and in no later one: the autoscaler owns it. Had nobody else taken
    it by then, leaving it out would set it back to one.

    Returns:
        The object, with its new version.
    """
    body = _only(live)
    body["metadata"].update(_version_of(live))
    body["spec"] = {"replicas": live["spec"]["replicas"]}
    return cluster.apply(body, manager=REPLICAS_MANAGER)


def _make(cluster: Cluster, body: Manifest) -> None:
    """Make an object, or find that somebody else was first.

    An apply by one and the same manager would take what another process has just made for its own
    older version. Two managers get into each other's way, as they should.
    """
    manager = f"{FIRST_MANAGER}{uuid.uuid4().hex[:8]}"
    try:
        made = cluster.apply(body, manager=manager)
    except TakenError as error:
        raise StaleError(str(error)) from None
    ours = copy.deepcopy(body)
    ours["metadata"]["uid"] = made["metadata"]["uid"]
    cluster.apply(ours)
    _give_up(cluster, body, manager)


def _give_up(cluster: Cluster, body: Manifest, manager: str) -> None:
    """Let a manager own nothing any more; what another one owns as well stays."""
    cluster.apply(_only(body), manager=manager)


def _only(body: Object) -> Object:
    """An object's name, and nothing else of it."""
    metadata = {key: body["metadata"][key] for key in ("name", "namespace")}
    return {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": metadata}


def _version_of(live: Object) -> dict[str, str]:
    """What makes an apply fail unless the object is still this very one.

    The uid, too: where the object is gone, its resource version alone would be ignored, and
    another one made.
    """
    return {key: live["metadata"][key] for key in ("resourceVersion", "uid")}


def _managers(live: Object, prefix: str) -> list[str]:
    entries = live["metadata"].get("managedFields", [])
    return [entry["manager"] for entry in entries if entry.get("manager", "").startswith(prefix)]
