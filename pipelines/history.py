"""What the release commands show."""

from __future__ import annotations

from components.core.errors import ReleaseError
from components.core.storage import Store
from components.release.local import LocalTarget
from components.release.package import Release


def list_rows(store: Store, model: str) -> list[dict[str, str]]:
    """One row a release, oldest first, as text."""
    target = LocalTarget(store, model)
    current = target.current()
    history = target.history()
    rows = []
    for version in sorted({*target.releases.versions(), *(entry.version for entry in history)}):
        served = [entry for entry in history if entry.version == version]
        first = next((entry for entry in served if entry.action == "deploy"), None)
        rows.append(
            {
                "version": version,
                "serving": "champion" if current and current.version == version else "",
                "state": _state(target, version),
                "deployed": first.at if first else "never",
                "reason": first.reason if first else "",
            }
        )
    return rows


def _state(target: LocalTarget, version: str) -> str:
    try:
        target.releases.open(version)
    except ReleaseError:
        return "damaged" if version in target.releases.versions() else "missing"
    return "intact"


def show(store: Store, model: str, version: str) -> Release:
    """A release by its version, or the champion where that is empty.

    Raises:
        ReleaseError: when there is no such release, or it is damaged.
    """
    target = LocalTarget(store, model)
    return target.releases.open(version) if version else target.require_champion()
