"""Releases of a store that is not on this disk are kept here, once they were verified."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from components.core.storage import Store
from components.release.fetch import fetch

# Whoever opened a release reads from it for the length of a run, or of a server's life.
_UNUSED_S = 30 * 86400


def cached(store: Store, model: str, version: str, manifest_sha256: str) -> Path:
    """The folder of a release on this disk: fetched once, and verified.

    Raises:
        ReleaseError: when the store's files are not those of that manifest.
        StoreError: when the store cannot be read.
    """
    place = _place(os.environ)
    folder = place / manifest_sha256
    fetch(store, model, version, manifest_sha256, folder)
    os.utime(folder)  # it was used
    _prune(place, time.time() - _UNUSED_S)
    return folder


def _place(environment: Mapping[str, str]) -> Path:
    """The user's cache, where nobody else can write; a temporary one where there is none."""
    base = environment.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    place = Path(base) / "driftline" / "releases"
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.access(place, os.W_OK):
            return place
    except OSError:  # a container without a home, or a full disk
        pass
    folder = Path(tempfile.mkdtemp(prefix="driftline-releases-"))
    # Not sooner: this process may serve a release from there.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _prune(place: Path, before: float) -> None:
    """Remove what was not used since then; of several processes that do so, all may."""
    for path in place.iterdir():
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < before:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
