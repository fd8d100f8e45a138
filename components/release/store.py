"""Releases in the store: immutable folders, complete as soon as their manifest is there."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

from components.core.errors import ReleaseError
from components.core.storage import Store
from components.release.package import (
    MANIFEST,
    Manifest,
    Release,
    load_release,
    parse_manifest,
    read_manifest,
)


class ReleaseStore:
    """The releases of one model."""

    def __init__(self, store: Store, model: str) -> None:
        self._store = store
        self._model = model

    def publish(self, folder: Path) -> Manifest:
        """Copy a sealed folder into the store; the manifest last, so half a copy is no release.

        Publishing the same version again changes nothing: a version is made from its content.
        """
        manifest = read_manifest(folder)
        if manifest.version in self.versions():
            return self.manifest(manifest.version)
        for name in manifest.files:
            self._store.write(self._name(manifest.version, name), (folder / name).read_bytes())
        self._store.create(self._name(manifest.version, MANIFEST), (folder / MANIFEST).read_bytes())
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
            raise ReleaseError(
                f"there is no release {version!r} of {self._model} in {self._store.address}; "
                "'driftline releases list' shows what there is"
            )
        return self._store.read(name)

    def open(self, version: str) -> Release:
        """Fetch a release where it is not on this disk, verify it, and open it."""
        self.manifest_bytes(version)  # says so when there is none
        local = Path(self._store.path(f"{self._model}/releases/{version}"))
        if self._store.is_local:
            return load_release(local)
        folder = Path(tempfile.mkdtemp(prefix=f"driftline-{version}-"))
        # Not sooner: this process may serve the release from there.
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        for name in self._store.names(f"{self._model}/releases/{version}"):
            (folder / name.rsplit("/", 1)[-1]).write_bytes(self._store.read(name))
        return load_release(folder)

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

    def _name(self, version: str, file: str) -> str:
        return f"{self._model}/releases/{version}/{file}"
