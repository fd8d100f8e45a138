"""Fetch one release to this disk: `python -m components.release.fetch --store S --to DIR ...`.

A pod's init container runs this: the server beside it reads a local folder only. The manifest's
sha256 comes from the deployment record, not from the store, so whoever can write to the store
cannot swap the release. Nothing is interpreted before its digest was checked, and the folder is
there completely or not at all.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from components.core.errors import DriftlineError, ReleaseError, StoreError
from components.core.storage import Store
from components.release.package import (
    MANIFEST,
    Manifest,
    digest,
    parse_manifest,
    verify,
)
from components.release.store import ReleaseStore

_ATTEMPTS = 5


def fetch(store: Store, model: str, version: str, manifest_sha256: str, to: Path) -> Manifest:
    """Fetch a release and verify it, file by file.

    Args:
        store: where it was published.
        model: the spec's model name.
        version: the release.
        manifest_sha256: of the manifest that was deployed, in hexadecimal.
        to: the folder it will be; another one of that name is replaced.

    Returns:
        The manifest.

    Raises:
        ReleaseError: when it is not the release that was deployed; `to` is left as it was.
        StoreError: when the store cannot be read.
    """
    to = to.absolute()
    to.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(to.parent / f".{to.name}.lock"):
        if _is_there(to, manifest_sha256):
            return verify(to)
        scratch = to.parent / f".{to.name}.fetching"
        shutil.rmtree(scratch, ignore_errors=True)  # of a fetch that was killed
        scratch.mkdir()
        try:
            manifest = _download(store, model, version, manifest_sha256, scratch)
            _put(scratch, to)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return manifest


def _is_there(folder: Path, manifest_sha256: str) -> bool:
    """Whether an earlier start of this container fetched it already."""
    if not (folder / MANIFEST).is_file() or digest(folder / MANIFEST) != manifest_sha256:
        return False
    try:
        verify(folder)
    except ReleaseError:
        return False
    return True


def _download(
    store: Store, model: str, version: str, manifest_sha256: str, folder: Path
) -> Manifest:
    content = ReleaseStore(store, model).manifest_bytes(version)
    if (found := hashlib.sha256(content).hexdigest()) != manifest_sha256:
        raise ReleaseError(
            f"release {version} of {model} is refused: its manifest in {store.address} is "
            f"{found[:12]}, but {manifest_sha256[:12]} was deployed; restore it, or deploy again"
        )
    manifest = parse_manifest(content, store.url(f"{model}/releases/{version}/{MANIFEST}"))
    (folder / MANIFEST).write_bytes(content)
    for name in manifest.files:
        if name != Path(name).name:
            raise ReleaseError(f"release {version} of {model} is refused: it names a file {name!r}")
        store.download(f"{model}/releases/{version}/{name}", folder / name)
    return verify(folder)


def _put(scratch: Path, to: Path) -> None:
    if not to.exists():
        scratch.rename(to)
        return
    damaged = to.parent / f".{to.name}.damaged"
    shutil.rmtree(damaged, ignore_errors=True)
    to.rename(damaged)
    scratch.rename(to)
    shutil.rmtree(damaged, ignore_errors=True)


def main(
    arguments: list[str] | None = None, *, pause: Callable[[float], object] = time.sleep
) -> int:
    """Run the command line; returns the exit code: 0 done, 1 failed, 2 wrong usage.

    A store that does not answer is asked again, with growing pauses; a wrong release is not.
    """
    options = _parser().parse_args(arguments)
    for attempt in range(1, options.attempts + 1):
        try:
            manifest = fetch(
                Store(options.store),
                options.model,
                options.version,
                options.manifest_sha256,
                options.to,
            )
        except StoreError as error:
            sys.stderr.write(f"driftline: {error}\n")
            if attempt < options.attempts:
                pause(2.0**attempt)
        except (DriftlineError, OSError) as error:  # OSError: this disk is full, or read-only
            sys.stderr.write(f"driftline: {error}\n")
            return 1
        else:
            sys.stdout.write(
                f"driftline: release {manifest.version} of {manifest.model} is in {options.to}, "
                f"all {len(manifest.files)} files verified\n"
            )
            return 0
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.release.fetch",
        description="Fetch one release into a folder, and verify every file of it.",
        epilog="Example: python -m components.release.fetch --store s3://bucket/driftline "
        "--model flights --version 2013-04-01-1705d4f1 --manifest-sha256 9f86... --to /release/it",
    )
    add = parser.add_argument
    add("--store", required=True, help="the store's address")
    add("--model", required=True, help="the model's name")
    add("--version", required=True, help="the release")
    add("--manifest-sha256", required=True, metavar="HEX", help="of the manifest that was deployed")
    add("--to", type=Path, required=True, metavar="DIR", help="the folder that it will be")
    add(
        "--attempts",
        type=int,
        default=_ATTEMPTS,
        help="how often to ask a store that does not answer (%(default)s)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
