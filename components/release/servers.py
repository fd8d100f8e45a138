"""The servers that follow a store: each keeps a note there, so that a deployment can wait for it.

A note is `<store>/<model>/servers/<id>.json`. A server writes it when it begins to answer, again
every few seconds, and whenever it has switched or refused a release; it takes it away at its end.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import ConfigDict

from components.core.errors import StoreError
from components.core.process import ProcessId
from components.core.storage import Store
from components.core.verdict import Document
from components.core.window import parse_time

BEAT_S = 5.0
"""A server gives a sign of life that often."""

# Many beats: those of a server whose store is slow come late.
_SILENT_S = 30.0


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

    def is_live(self, now: datetime) -> bool:
        """Whether it gave a sign of life lately, and its process was not seen to be gone."""
        silent_s = (now - parse_time(self.beat)).total_seconds()
        return silent_s < _SILENT_S and not self.process.is_gone


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
        """The notes of the servers that run, as far as can be told from here."""
        now = datetime.now(UTC)
        return [note for note in self.all() if note.is_live(now)]

    def stale(self) -> list[str]:
        """The names in the store of notes whose server is gone, or that cannot be read."""
        now = datetime.now(UTC)
        return [name for name, note in self._notes() if note is None or not note.is_live(now)]

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
