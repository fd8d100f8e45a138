"""Serve the champion on this machine."""

from __future__ import annotations

from components.core.errors import UsageError
from components.core.storage import Store
from components.release.targets import open_target
from components.serving.options import Settings
from components.serving.server import follow, serve
from components.spec.model import Spec


def serve_champion(
    store: Store, spec: Spec, settings: Settings, *, wait: bool = False, url: str = ""
) -> None:
    """Serve until a signal ends it.

    On the local target the server follows what is deployed. Of another target it serves what is
    the champion now, beside the target's own servers and unknown to them.

    Args:
        store: where the releases are.
        spec: the model's spec.
        settings: how to serve.
        wait: where nothing is deployed yet, wait for it.
        url: where others reach the server; by host and port where left out.

    Raises:
        UsageError: for another target, when asked to wait, or where others reach it.
        DriftlineError: as `follow` and `serve` do.
    """
    if spec.serving.target in ("auto", "local"):
        follow(store, spec.model, settings, wait=wait, url=url)
        return
    if wait or url:
        raise UsageError(
            f"--wait and --url are for servers that follow a store; serving.target is "
            f"{spec.serving.target}, whose champion is served as it is now"
        )
    champion = open_target(spec, store).require_champion()
    serve(champion.folder, settings, champion.manifest_sha256)
