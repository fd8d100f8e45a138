"""What the release commands show."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from components.core.errors import ReleaseError, UsageError
from components.model.card_page import card_page
from components.model.files import CARD, CARD_PAGE
from components.release.package import Release
from components.release.target import Deployment, Failure, Status, Target


def list_rows(target: Target) -> list[dict[str, str]]:
    """One row a release, oldest first, as text."""
    history = target.history()
    current = history[-1].version if history else None
    failed = {failure.entry.version: failure for failure in target.failures()}
    rows = []
    for version in sorted({*target.releases.versions(), *(entry.version for entry in history)}):
        served = [entry for entry in history if entry.version == version]
        first = next((entry for entry in served if entry.action == "deploy"), None)
        rows.append(
            {
                "version": version,
                "serving": "champion" if version == current else "",
                "state": _state(target, version),
                "deployed": _moment(first.at) if first else "never",
                "reason": first.reason if first else _why_not(failed.get(version)),
            }
        )
    return rows


def _moment(at: str) -> str:
    return datetime.fromisoformat(at).isoformat(timespec="seconds")


def _why_not(failure: Failure | None) -> str:
    return f"{failure.entry.action} failed: {failure.problem}" if failure else ""


def _state(target: Target, version: str) -> str:
    try:
        return "intact" if target.releases.look(version) else "complete"
    except ReleaseError:
        return "damaged" if version in target.releases.versions() else "missing"


def show(target: Target, version: str) -> Release:
    """A release by its version, or the champion where that is empty.

    Raises:
        ReleaseError: when there is no such release, or it is damaged.
    """
    return target.releases.open(version) if version else target.require_champion()


def write_page(release: Release, path: Path) -> None:
    """Write a release's model card as a page.

    Raises:
        UsageError: when it cannot be written there.
    """
    if CARD_PAGE in release.manifest.files:
        page = release.text(CARD_PAGE)
    else:  # an older release
        page = card_page(release.text(CARD), release.manifest.model)
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; choose another") from None


def verify_rows(target: Target, version: str = "") -> list[dict[str, str]]:
    """One row a release: what is wrong with it, empty for nothing.

    Every file is read and held against the manifest, and the champion's manifest against the
    deployment record.

    Args:
        target: whose releases.
        version: only this one; all of them where empty.

    Raises:
        ReleaseError: when there is no such release.
    """
    current = target.current()
    if version:
        target.releases.manifest_bytes(version)  # says so when there is none
    champions = [current.version] if current else []
    versions = [version] if version else sorted({*target.releases.versions(), *champions})
    return [{"version": each, "problem": _problem(target, each, current)} for each in versions]


def _problem(target: Target, version: str, current: Deployment | None) -> str:
    try:
        if current and current.version == version:
            target.require_champion()
        else:
            target.releases.open(version)
    except ReleaseError as error:
        return str(error)
    return ""


def status_lines(status: Status, current: Deployment | None) -> list[str]:
    """What a target serves at this moment, as text."""
    if current is None:
        lines = ["champion: none; train one with 'driftline run training'"]
    else:
        verb = "deployed" if current.action == "deploy" else "rolled back to"
        lines = [
            f"champion: {current.version}, {verb} {current.at} by {current.run}: {current.reason}"
        ]
    if status.note:
        lines.append(status.note)
    if not status.replicas:
        lines.append("no server is running; 'driftline serve' starts one")
    for replica in status.replicas:
        ready = "ready" if replica.ready else "not ready"
        note = f"  {replica.note}" if replica.note else ""
        lines.append(f"{replica.name}  {replica.version}  {ready}{note}")
    return lines


def status_document(status: Status, current: Deployment | None) -> dict[str, Any]:
    """The same for machines."""
    return {
        **status.model_dump(),
        "deployment": current.model_dump() if current else None,
    }
