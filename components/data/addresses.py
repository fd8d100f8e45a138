"""Files at any fsspec address: which there are, and how each is opened and closed."""

from __future__ import annotations

import io
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from urllib.parse import unquote

from components.core.errors import DataError, DriftlineError
from components.data.sources import one_line

Opened = str | BinaryIO

_NO_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".zst")
_SUFFIXES = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".tsv": "csv", ".txt": "csv"}
# Their exceptions are neither OSError nor ValueError, and importing them to name them is dear.
_CLIENTS = {"aiobotocore", "aiohttp", "azure", "botocore", "gcsfs", "google", "pyarrow", "s3fs"}
_PACKERS = {"_lzma", "zipfile", "zlib"}


@dataclass(frozen=True)
class Part:
    """One file: its path for the file system, its format, and its values from hive folders.

    `groups` are those of its row groups that are meant, `[first, last)`, or None for the whole
    file; `stamp` is what the file has to look like when it is opened, where that matters.
    """

    path: str
    format: str
    partition: dict[str, str | None] = field(default_factory=dict)
    groups: tuple[int, int] | None = None
    stamp: str = ""


class Address:
    """A file, a folder or a pattern at an fsspec address.

    >>> folder = getfixture("tmp_path") / "date=2013-04-01"
    >>> folder.mkdir()
    >>> _ = (folder / "a.csv").write_text("x")
    >>> [(part.format, part.partition) for part in Address(str(folder.parent), {}).parts("auto")]
    [('csv', {'date': '2013-04-01'})]
    """

    def __init__(self, path: str, options: dict[str, Any]) -> None:
        from fsspec.core import url_to_fs

        self.shown = _without_secrets(path)
        self._is_http = path.startswith(("http://", "https://"))
        with self.reading():
            options = _patient(options) if self._is_http else options
            # A cached instance would remember listings and connections of an earlier run.
            self._fs, self._path = url_to_fs(path, **{"skip_instance_cache": True, **options})
        self._is_local = "file" in self._fs.protocol

    @property
    def is_local(self) -> bool:
        """Whether the files lie on this machine's disk."""
        return self._is_local

    def parts(self, form: str) -> list[Part]:
        """The files, sorted by path.

        Args:
            form: `parquet` or `csv` for files of any name, `auto` to go by their names.

        Raises:
            DataError: when there are none, or the address cannot be listed.
        """
        with self.reading():
            base, paths = self._list()
        parts = [Part(path, self._format(path, form), _partition(path, base)) for path in paths]
        parts = [part for part in parts if part.format in ("parquet", "csv")]
        if not parts:
            raise DataError(
                f"there are no Parquet or CSV files at {self.shown}; check source.path, or set "
                "source.format if the files' names do not end in .parquet or .csv"
            )
        return sorted(parts, key=lambda part: part.path)

    def open_stream(self, part: Part) -> AbstractContextManager[BinaryIO]:
        """A file to read from its beginning to its end, decompressed; reads may be short."""
        packed = _bare(part.path).endswith(_COMPRESSED)
        # Without blocks, a web server that cannot serve ranges will do.
        blocks = {"block_size": 0} if self._is_http else {}
        opened: AbstractContextManager[BinaryIO] = self._fs.open(
            part.path, "rb", compression="infer" if packed else None, **blocks
        )
        return opened

    def open_random(self, part: Part, closing: ExitStack) -> Opened:
        """A file to read at any place; closed with `closing`. A path where that will do."""
        if self._is_local:
            return part.path
        file: BinaryIO = closing.enter_context(self._fs.open(part.path, "rb", cache_type="none"))
        if not self._is_http or _serves_ranges(file):
            return file
        copy = tempfile.TemporaryFile()  # noqa: SIM115 - it outlives this function
        closing.callback(copy.close)
        with self._fs.open(part.path, "rb", block_size=0) as stream:
            shutil.copyfileobj(stream, copy)
        copy.seek(0)
        return copy

    def size(self, part: Part) -> int:
        """The file's size in bytes, 0 where its server does not say."""
        return int(self._fs.info(part.path).get("size") or 0)

    def stamp(self, part: Part) -> str:
        """What changes when the file does: its size, and its digest or time, as far as known."""
        about = self._fs.info(part.path)
        marks = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified")
        mark = next((about[name] for name in marks if about.get(name)), "")
        return f"{about.get('size')} {mark}".strip()

    @contextmanager
    def reading(self, part: Part | None = None) -> Iterator[None]:
        """Turn what a file system or a reader raises into one line with a remedy."""
        where = _without_secrets(part.path) if part else self.shown
        try:
            yield
        except DriftlineError:
            raise
        except Exception as error:  # clients share no ancestor; others are raised again
            if not _is_reading_error(error):
                raise
            raise DataError(f"{where} {_explained(_root(error))}") from error

    def _list(self) -> tuple[str, list[str]]:
        """The folder above the hive folders, and the files' paths."""
        path = self._path
        magic = re.search(r"\*" if self._is_http else r"[*?\[]", path)
        if magic and not (self._is_local and self._fs.exists(path)):
            found = self._fs.glob(path, detail=True)
            files = [name for name in found if found[name]["type"] != "directory"]
            folders = [name for name in found if found[name]["type"] == "directory"]
            below = [name for folder in folders for name in self._fs.find(folder)]
            base = path[: path.rfind("/", 0, magic.start()) + 1]
            return base, _visible({*files, *below}, base)
        # Asking a web server whether an address is a folder would download the file.
        if (self._is_http and not path.endswith("/")) or self._fs.isfile(path):
            return path, [path]
        base = path.rstrip("/") + "/"
        return base, _visible(self._fs.find(path), base)

    def _format(self, path: str, form: str) -> str:
        name = _bare(path)
        for ending in _COMPRESSED:
            name = name.removesuffix(ending)
        known = next((kind for end, kind in _SUFFIXES.items() if name.endswith(end)), None)
        if form != "auto":
            return form if known in (form, None) or path == self._path else "other"
        if known is None and path == self._path:
            return self._sniff(path)
        return known or "other"

    def _sniff(self, path: str) -> str:
        """One file without a telling name: Parquet says so in its first bytes."""
        with self.reading(), self._fs.open(path, "rb") as file:
            return "parquet" if file.read(4) == b"PAR1" else "csv"


def _visible(paths: Iterable[str], base: str) -> list[str]:
    """Without what writers leave behind: `_SUCCESS`, `_temporary/`, `.part.crc`."""
    return [
        path
        for path in paths
        if not any(
            step.startswith((".", "_")) and "=" not in step for step in path[len(base) :].split("/")
        )
    ]


def _partition(path: str, base: str) -> dict[str, str | None]:
    values: dict[str, str | None] = {}
    for step in path[len(base) :].split("/")[:-1]:
        name, equals, value = step.partition("=")
        if equals:
            values[unquote(name)] = None if value == _NO_PARTITION else unquote(value)
    return values


def _bare(path: str) -> str:
    return re.sub(r"[?#].*", "", path).lower() if "://" in path else path.lower()


def _without_secrets(path: str) -> str:
    """An address without a user's password and without a signed query."""
    path = re.sub(r"(?<=://)[^/@]*@", "", path)
    return re.sub(r"\?.*", "", path) if path.startswith("http") else path


def _patient(options: dict[str, Any]) -> dict[str, Any]:
    """A large file may take longer than aiohttp's five minutes; a silent server may not."""
    from aiohttp import ClientTimeout

    timeout = ClientTimeout(total=None, sock_connect=30, sock_read=60)
    return {**options, "client_kwargs": {"timeout": timeout, **options.get("client_kwargs", {})}}


def _serves_ranges(file: BinaryIO) -> bool:
    try:
        file.seek(-4, io.SEEK_END)
        return file.read(4) == b"PAR1"
    except (OSError, ValueError):
        return False


def _root(error: Exception) -> BaseException:
    """A web server's answer, which fsspec calls a missing file whatever it was."""
    cause = error.__cause__
    missing = getattr(cause, "status", None) in (404, 410)
    return cause if cause and _package(type(cause)) == "aiohttp" and not missing else error


def _explained(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist; check source.path"
    said = one_line(error)
    if isinstance(error, PermissionError) or getattr(error, "status", None) in (401, 403):
        return f"may not be read: {said}; check the permissions or the credentials"
    if isinstance(error, ImportError):
        return f"needs a library: {said}; pip install 'driftline[remote]'"
    return f"cannot be read: {said}; check the address, source.options and the file itself"


def _is_reading_error(error: Exception) -> bool:
    """Whether it tells of the file or of the way to it, rather than of a mistake in this code."""
    return isinstance(error, OSError | ValueError | ImportError | EOFError) or any(
        _package(kind) in _CLIENTS | _PACKERS for kind in type(error).__mro__
    )


def _package(kind: type) -> str:
    return kind.__module__.partition(".")[0]
