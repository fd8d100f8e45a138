"""Releases in the store: immutable folders, complete as soon as their manifest is there."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from components.core.errors import ReleaseError
from components.core.storage import Store
from components.core.verdict import Document
from components.release.package import (
    MANIFEST,
    Manifest,
    Release,
    load_release,
    parse_manifest,
)


class Use(Document):
    """Somebody is about to deploy a release, or did a while ago: it is not to be removed."""

    version: str
    at: str
    run: str


class ReleaseStore:
    """The releases of one model."""

    def __init__(self, store: Store, model: str) -> None:
        self._store = store
        self._model = model

    def publish(self, folder: Path) -> Manifest:
        """Copy a sealed folder into the store; the manifest last, so half a copy is no release.

        What arrived is read again and held against the manifest. Publishing the same version again
        changes nothing, since a version is made from its content, but mends what was damaged.

        Raises:
            ReleaseError: when a file of the folder is not the one that was sealed, or the store
                holds another release of that version, or does not keep what it is given.
        """
        release = Release(folder)
        manifest = release.manifest
        if manifest.version in self.versions():
            known = self.manifest(manifest.version)
            if known.files != manifest.files:
                raise ReleaseError(
                    f"there is another release {manifest.version} of {self._model} in "
                    f"{self._store.address}; it is not overwritten"
                )
        for name in manifest.files:
            self._put(manifest.version, name, release.read(name))
        content = (folder / MANIFEST).read_bytes()
        self._store.create(self._name(manifest.version, MANIFEST), content)
        return self.manifest(manifest.version)

    def versions(self) -> list[str]:
        """All complete releases, by the end of their training window."""
        return [
            version
            for version in self._store.children(f"{self._model}/releases")
            if self._store.exists(self._name(version, MANIFEST))
        ]

    def manifest(self, version: str) -> Manifest:
        """A release's manifest.

        Raises:
            ReleaseError: when there is no such release.
        """
        return parse_manifest(self.manifest_bytes(version), self._name(version, MANIFEST))

    def manifest_bytes(self, version: str) -> bytes:
        """A release's manifest as it was written."""
        name = self._name(version, MANIFEST)
        if not self._store.exists(name):
            if self._store.children(f"{self._model}/releases/{version}"):
                raise ReleaseError(
                    f"release {version} of {self._model} in {self._store.address} has no "
                    f"{MANIFEST}: it is only half there; put its files back from a copy, roll back "
                    "to another release, or train again"
                )
            raise ReleaseError(
                f"there is no release {version!r} of {self._model} in {self._store.address}; "
                "'driftline releases list' shows what there is"
            )
        return self._store.read(name)

    def open(self, version: str, manifest_sha256: str | None = None) -> Release:
        """Fetch a release where it is not on this disk, verify it, and open it.

        Args:
            version: the release.
            manifest_sha256: of the manifest that was deployed; None for the one that is there.

        Raises:
            ReleaseError: when there is no such release, it is another one, or it is damaged.
        """
        found = hashlib.sha256(self.manifest_bytes(version)).hexdigest()
        if manifest_sha256 is not None and found != manifest_sha256:
            raise ReleaseError(
                f"release {version} of {self._model} is refused: its manifest is not the one that "
                "was deployed"
            )
        if self._store.is_local:
            folder = Path(self._store.path(f"{self._model}/releases/{version}"))
        else:
            from components.release.cache import cached

            folder = cached(self._store, self._model, version, found)
        return load_release(folder, found)

    def look(self, version: str) -> bool:
        """Whether a release was verified: on this disk it is, elsewhere its files are only listed.

        Raises:
            ReleaseError: when there is no such release, or it is damaged.
        """
        if self._store.is_local:
            self.open(version)
            return True
        manifest = self.manifest(version)
        folder = f"{self._model}/releases/{version}/"
        found = {name.removeprefix(folder) for name in self._store.names(folder.rstrip("/"))}
        if problems := sorted(found ^ {*manifest.files, MANIFEST}):
            raise ReleaseError(
                f"release {version} of {self._model} is damaged: {problems[0]} is missing, or does "
                "not belong to it"
            )
        return False

    def use(self, version: str, run: str) -> None:
        """Say that a release is about to be deployed, so that nobody removes it.

        Who removes releases says so first, and then looks for such notes: of a deployment and a
        removal at the same time, at least one sees the other.

        Raises:
            ReleaseError: when there is no such release, or it is just being removed.
        """
        self.manifest_bytes(version)
        note = Use(version=version, at=datetime.now(UTC).isoformat(timespec="seconds"), run=run)
        self._store.write(self.use_name(version), note.model_dump_json().encode())
        if self._store.exists(self.removal_name(version)):
            raise ReleaseError(
                f"release {version} of {self._model} is being removed by 'driftline releases gc'; "
                "choose another, or train it again"
            )

    def use_name(self, version: str) -> str:
        """Where the store keeps when a release was deployed last."""
        return f"{self._model}/uses/{version}.json"

    def removal_name(self, version: str) -> str:
        """Where the store keeps that a release is being removed."""
        return f"{self._model}/removals/{version}.json"

    def _put(self, version: str, file: str, data: bytes) -> None:
        """Write a file and read it again: object stores and their clients have lost bytes."""
        name = self._name(version, file)
        if self._store.exists(name) and self._store.read(name) == data:
            return
        self._store.write(name, data)
        if self._store.read(name) != data:
            raise ReleaseError(
                f"{self._store.url(name)} is not what was written there; the store, or the client "
                "that writes to it, damages files"
            )

    def _name(self, version: str, file: str) -> str:
        return f"{self._model}/releases/{version}/{file}"
