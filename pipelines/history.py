"""What the release commands show."""

from __future__ import annotations

from components.core.storage import Store
from components.release.local import LocalTarget
from components.release.package import Release


def list_rows(store: Store, model: str) -> list[dict[str, str]]:
    """One row a release, oldest first, as text."""
    target = LocalTarget(store, model)
    current = target.current()
    rows = []
    for version in target.releases.versions():
        served = [entry for entry in target.history() if entry.version == version]
        rows.append(
            {
                "version": version,
                "serving": "champion" if current and current.version == version else "",
                "deployed": served[-1].at if served else "never",
                "reason": served[-1].reason if served else "",
            }
        )
    return rows


def show(store: Store, model: str, version: str) -> Release:
    """A release by its version, or the champion where that is empty.

    Raises:
        ReleaseError: when there is no such release, or it is damaged.
    """
    target = LocalTarget(store, model)
    return target.releases.open(version) if version else target.require_champion()
