"""The servers that follow a store: each keeps a note there, so that a deployment can wait for it.

A note is `<store>/<model>/servers/<id>.json`. A server writes it when it begins to answer, again
every few seconds, and whenever it has switched or refused a release; it takes it away at its end.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from pydantic import ConfigDict

from components.core.errors import StoreError
from components.core.process import ProcessId
from components.core.storage import Store
from components.core.verdict import Document
from components.core.window import parse_time
from components.release.target import Deployment

BEAT_S = 5.0
"""A server gives a sign of life that often."""

# Many beats: those of a server whose store is slow come late.
_SILENT_S = 30.0
_TIMEOUT_S = 2.0
_LARGEST = 2**16
_AT_ONCE = 16


class Refusal(Document):
    """A server could not load the release it was to switch to, and serves what it served before.

    `at` is when the deployment began, which tells it from a later attempt with the same release.
    """

    version: str
    at: str
    problem: str


class ServerNote(Document):
    """What a server says of itself.

    `url` is where others reach it, `release` what it answers with (empty: nothing yet), `beat` its
    last sign of life. What a later driftline's server says besides is passed over.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    url: str
    process: ProcessId
    since: str
    beat: str
    release: str = ""
    refused: Refusal | None = None

    def refuses(self, entry: Deployment) -> bool:
        """Whether it could not load what this very deployment asked for."""
        found = self.refused
        return found is not None and (found.version, found.at) == (entry.version, entry.at)

    def is_silent(self, now: datetime) -> bool:
        """Whether it gave no sign of life lately, by the clocks of two machines."""
        return abs((now - parse_time(self.beat)).total_seconds()) >= _SILENT_S


@dataclass(frozen=True)
class Answer:
    """What a server says when asked whether it is ready: its release, or None and why not."""

    release: str | None
    note: str


def answering(urls: Sequence[str]) -> dict[str, Answer]:
    """Ask servers what they answer with, all at once; by their addresses."""
    if not urls:
        return {}
    with ThreadPoolExecutor(min(len(urls), _AT_ONCE)) as pool:
        return dict(zip(urls, pool.map(_ask, urls), strict=True))


def _ask(url: str) -> Answer:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/v2/health/ready")
        response = connection.getresponse()
        told = json.loads(response.read(_LARGEST))
        release = str(told["release"])
    except (OSError, http.client.HTTPException) as error:
        return Answer(None, f"it does not answer ({str(error) or type(error).__name__})")
    except (ValueError, LookupError, TypeError):
        return Answer(None, "it answers as no driftline server does")
    finally:
        connection.close()
    if response.status != 200 or told.get("ready") is not True:
        return Answer(None, "it says that it is not ready")
    return Answer(release, f"it answers with {release}")


def _living(notes: Sequence[ServerNote]) -> list[ServerNote]:
    now = datetime.now(UTC)
    there = [note for note in notes if not note.process.is_gone]
    found = answering([note.url for note in there if note.is_silent(now)])
    return [
        note for note in there if not note.is_silent(now) or found[note.url].release is not None
    ]


class Servers:
    """The notes of one model's servers.

    >>> servers = Servers(Store(getfixture("tmp_path")), "flights")
    >>> now = datetime.now(UTC).isoformat()
    >>> servers.write(ServerNote(
    ...     id="a", url="http://127.0.0.1:8080", process=ProcessId.own(), since=now, beat=now
    ... ))
    >>> [note.url for note in servers.live()]
    ['http://127.0.0.1:8080']
    """

    def __init__(self, store: Store, model: str) -> None:
        self._store = store
        self._folder = f"{model}/servers"

    def write(self, note: ServerNote) -> None:
        """Write a server's note, or write it again."""
        self._store.write(self._name(note.id), note.model_dump_json(indent=2).encode())

    def remove(self, server: str) -> None:
        """Take a server's note away; nothing happens where there is none."""
        self._store.delete(self._name(server))

    def all(self) -> list[ServerNote]:
        """All notes that can be read, also those of servers that were killed."""
        return [note for _, note in self._notes() if note is not None]

    def live(self) -> list[ServerNote]:
        """The notes of the servers that run, as far as can be told from here.

        One that gave no sign of life is asked: its clock, or this one, may be wrong.
        """
        return _living(self.all())

    def stale(self) -> list[str]:
        """The names in the store of notes whose server is gone, or that cannot be read."""
        notes = self._notes()
        live = {note.id for note in _living([note for _, note in notes if note is not None])}
        return [name for name, note in notes if note is None or note.id not in live]

    def _notes(self) -> list[tuple[str, ServerNote | None]]:
        names = self._store.names(self._folder)
        return [(name, self._read(name)) for name in names if name.endswith(".json")]

    def _read(self, name: str) -> ServerNote | None:
        try:
            return ServerNote.model_validate_json(self._store.read(name))
        except StoreError:
            if self._store.exists(name):
                raise
            return None  # it ended in between
        except ValueError:
            return None

    def _name(self, server: str) -> str:
        return f"{self._folder}/{server}.json"
