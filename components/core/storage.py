"""The store: a folder at any fsspec address, written so that no reader sees half a file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.core.errors import ConflictError, DriftlineError, StoreError

# What an object store answers when a conditional put meets another object than expected.
_CONDITION_FAILED = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
# Where files are written before they get their name, outside of every folder that others read.
_SCRATCH = ".writing"


@dataclass(frozen=True)
class StoredFile:
    """An object in the store: its name, its size in bytes, and when it was written last."""

    name: str
    size: int
    modified: datetime


class Store:
    """Bytes by name under one address, for example `.driftline` or `s3://bucket/driftline`.

    Names use `/`. On a local disk a write is a temporary file, then a rename; on an object store
    a put is atomic by itself, and `create` and `replace` are conditional puts.

    >>> store = Store(getfixture("tmp_path"))
    >>> store.create("a/b.json", b"{}"), store.create("a/b.json", b"[]")
    (True, False)
    >>> store.read("a/b.json"), store.names("a")
    (b'{}', ['a/b.json'])
    """

    def __init__(self, address: str | Path) -> None:
        import fsspec

        self.address = str(address).rstrip("/") or "/"
        try:
            self._fs, self._root = fsspec.core.url_to_fs(self.address, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise StoreError(f"the store {self.address!r} cannot be opened: {error}") from error
        self._root = self._root.rstrip("/")
        self.is_local = "file" in _protocols(self._fs)

    def path(self, name: str) -> str:
        """The full address of a name, as its own file system writes it."""
        return f"{self._root}/{name}" if name else self._root

    def url(self, name: str) -> str:
        """The full address of a name, with its protocol."""
        return str(self._fs.unstrip_protocol(self.path(name)))

    def exists(self, name: str) -> bool:
        """Whether there is an object or a folder of that name.

        Raises:
            StoreError: when the store cannot be reached.
        """
        with self._reaching(name, "read"):
            try:
                self._fs.info(self.path(name))  # exists() takes even a Ctrl-C for "no"
            except FileNotFoundError:
                return self._is_absent(name)
            return True

    def read(self, name: str, start: int | None = None, end: int | None = None) -> bytes:
        """The object's bytes, or those from `start` to `end` (excluded).

        Raises:
            StoreError: when there is none, or it cannot be read.
        """
        with self._reaching(name, "read"):
            return bytes(self._fs.cat_file(self.path(name), start=start, end=end))

    def download(self, name: str, path: Path) -> None:
        """Copy an object into a local file, in pieces: it need not fit into memory.

        Raises:
            StoreError: when there is none, or it cannot be read.
        """
        with self._reaching(name, "read"):
            self._fs.get_file(self.path(name), str(path))

    def names(self, prefix: str) -> list[str]:
        """The names of all objects below a folder, sorted; empty when the folder is not there.

        Raises:
            StoreError: when the store cannot be reached.
        """
        with self._reaching(prefix, "read"):
            try:
                found = self._fs.find(self.path(prefix))
            except FileNotFoundError:
                found = []
            if not found:
                self._is_absent(prefix)
        cut = len(self._root) + 1
        below = f"{self.path(prefix)}/"  # s3fs may name the folder itself among its contents
        return sorted(
            str(path)[cut:]
            for path in found
            if str(path).startswith(below) and not _is_temporary(str(path)[cut:])
        )

    def files(self, prefix: str) -> list[StoredFile]:
        """All objects below a folder with their sizes and ages, by name.

        Raises:
            StoreError: when the store cannot be reached.
        """
        return [found for found in self._files(prefix) if not _is_temporary(found.name)]

    def leftovers(self) -> list[StoredFile]:
        """What writers have begun and not finished yet, or never will: none on object stores."""
        return self._files(_SCRATCH) if self.is_local else []

    def _files(self, prefix: str) -> list[StoredFile]:
        with self._reaching(prefix, "read"):
            try:
                found = self._fs.find(self.path(prefix), detail=True)
            except FileNotFoundError:
                found = {}
            if not found:
                self._is_absent(prefix)
        cut, below = len(self._root) + 1, f"{self.path(prefix)}/"
        return [
            StoredFile(str(path)[cut:], int(about.get("size") or 0), _modified(about))
            for path, about in sorted(found.items())
            if str(path).startswith(below)
        ]

    def children(self, prefix: str) -> list[str]:
        """The names directly below a folder, without the folder's own name, sorted.

        Raises:
            StoreError: when the store cannot be reached.
        """
        with self._reaching(prefix, "read"):
            try:
                found = self._fs.ls(self.path(prefix), detail=False)
            except FileNotFoundError:
                found = []
            if not found:
                self._is_absent(prefix)
        names = {str(path).rstrip("/").rsplit("/", 1)[-1] for path in found}
        return sorted(name for name in names if not _is_temporary(name))

    def write(self, name: str, data: bytes) -> None:
        """Write or overwrite an object in one step."""
        with self._reaching(name, "written"):
            if self.is_local:
                os.replace(self._temporary(name, data), self.path(name))
            else:
                self._fs.pipe_file(self.path(name), data)

    def create(self, name: str, data: bytes) -> bool:
        """Write an object only if there is none of that name yet; of several callers one wins.

        Returns:
            True for the caller that wrote, False when it was there already.
        """
        with self._reaching(name, "written"):
            if self.is_local:
                temporary = self._temporary(name, data)
                try:
                    os.link(temporary, self.path(name))  # fails when the name is taken
                except FileExistsError:
                    return False
                finally:
                    os.unlink(temporary)
                return True
            try:
                self._fs.pipe_file(self.path(name), data, mode="create")
            except FileExistsError:
                return False
            except OSError as error:
                if _condition_failed(error):
                    return False
                raise
            return True

    def replace(self, name: str, data: bytes, expected: bytes | None) -> None:
        """Compare and swap: write only if the object still holds `expected` (None: is not there).

        Raises:
            ConflictError: when somebody else wrote in between.
        """
        if expected is None:
            if not self.create(name, data):
                raise ConflictError(f"{self.url(name)} was written by somebody else; read it again")
            return
        with self._reaching(name, "written"):
            if self.is_local:
                self._replace_local(name, data, expected)
            else:
                self._replace_remote(name, data, expected)

    def delete(self, name: str) -> None:
        """Remove an object or a whole folder; nothing happens when it is not there."""
        with self._reaching(name, "deleted"), suppress(FileNotFoundError):
            # Not fsspec's exists(), which takes a Ctrl-C for "no".
            self._fs.rm(self.path(name), recursive=True)

    def _replace_local(self, name: str, data: bytes, expected: bytes) -> None:
        from filelock import FileLock

        folder = Path(self.path(name)).parent
        with FileLock(folder / f".{Path(name).name}.lock"):
            if not self.exists(name) or self.read(name) != expected:
                raise ConflictError(f"{self.url(name)} was written by somebody else; read it again")
            os.replace(self._temporary(name, data), self.path(name))

    def _replace_remote(self, name: str, data: bytes, expected: bytes) -> None:
        try:
            tag = self._fs.info(self.path(name))["ETag"]
            if self.read(name) != expected:
                raise ConflictError(f"{self.url(name)} was written by somebody else; read it again")
            self._fs.pipe_file(self.path(name), data, IfMatch=tag)
        except KeyError:
            raise StoreError(
                f"{self.url(name)}: this kind of store has no conditional writes; use s3 or a disk"
            ) from None
        except OSError as error:
            if isinstance(error, FileNotFoundError) or _condition_failed(error):
                raise ConflictError(
                    f"{self.url(name)} was written by somebody else; read it again"
                ) from error
            raise

    def _temporary(self, name: str, data: bytes) -> str:
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        scratch = self.path(_SCRATCH)
        os.makedirs(scratch, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=scratch)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            os.unlink(temporary)
            raise
        os.chmod(temporary, 0o644)
        return temporary

    def _is_absent(self, name: str) -> bool:
        """False, once it is certain that the name is missing and not the whole bucket."""
        bucket = self._root.split("/", 1)[0]
        if not self.is_local and not self._fs.exists(bucket):
            raise StoreError(
                f"{self.url(name)} cannot be reached: there is no {bucket}, or the credentials "
                "do not show it; create it, or choose another store"
            )
        return False

    @contextmanager
    def _reaching(self, name: str, verb: str) -> Iterator[None]:
        """Turn whatever a disk or a remote client raises into a sentence with the address."""
        try:
            yield
        except DriftlineError:
            raise
        except FileNotFoundError as error:
            if verb == "read":
                raise StoreError(f"{self.url(name)} does not exist in the store") from None
            raise StoreError(f"{self.url(name)} cannot be {verb}: {error}") from error
        except Exception as error:  # botocore, aiohttp and others have no common ancestor
            raise StoreError(
                f"{self.url(name)} cannot be {verb}: {str(error) or type(error).__name__}; "
                "check the address, the disk, or the credentials"
            ) from error


def _modified(about: Mapping[str, Any]) -> datetime:
    """When an object was written, as its file system tells; now, where it does not tell."""
    told = next((about[key] for key in ("mtime", "LastModified", "updated") if key in about), None)
    if isinstance(told, int | float):
        return datetime.fromtimestamp(told, UTC)
    if isinstance(told, str):
        told = datetime.fromisoformat(told)
    return told if isinstance(told, datetime) else datetime.now(UTC)


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def _condition_failed(error: OSError) -> bool:
    """Whether the store refused a conditional put, going by its error code alone."""
    answer = getattr(error.__cause__, "response", None) or {}
    return answer.get("Error", {}).get("Code") in _CONDITION_FAILED


def _is_temporary(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))
