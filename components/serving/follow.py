"""A server that follows the local target: it loads what is deployed, and switches between requests.

It keeps a note in the store (`components.release.servers`), by which a deployment knows whom to
wait for and hears why a release was refused. What cannot be loaded changes nothing: what answered
before goes on answering.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from components.core.errors import DriftlineError, ReleaseError, StoreError
from components.core.process import ProcessId
from components.core.storage import Store
from components.release.deployment import DeploymentRecord, DeploymentState
from components.release.repair import repair
from components.release.servers import BEAT_S, Refusal, ServerNote, Servers
from components.release.store import ReleaseStore
from components.release.target import Deployment

if TYPE_CHECKING:
    from components.serving.served import ServedModel
    from components.serving.serving import Serving

_logger = logging.getLogger(__name__)

_POLL_S, _REMOTE_POLL_S = 0.5, 2.0


@dataclass(frozen=True)
class _Loaded:
    """A model in memory, and what was deployed when it was loaded."""

    entry: Deployment
    model: ServedModel

    def is_of(self, entry: Deployment) -> bool:
        """Whether it is that very release."""
        own = self.entry
        return (own.version, own.manifest_sha256) == (entry.version, entry.manifest_sha256)


class Follower:
    """Loads and switches the releases of one server, in a thread of its own, and tells about it.

    Its note is there as long as the `with` block. It is written before the deployment is read: of a
    server that starts and a rollout that begins, at least one knows of the other.

    Args:
        store: the store with the releases and `deployment.json`.
        model: the spec's model name.
        url: where others reach the server.
        allowed_prefixes: packages whose classes the model may hold; the user's own spec says.
        poll_s: how often to look; by the kind of store where left out.
    """

    def __init__(
        self,
        store: Store,
        model: str,
        url: str,
        allowed_prefixes: Sequence[str] = ("sklearn.",),
        poll_s: float | None = None,
    ) -> None:
        self._name = model
        self._address = store.address
        self._prefixes = allowed_prefixes
        self._poll_s = poll_s or (_POLL_S if store.is_local else _REMOTE_POLL_S)
        self._releases = ReleaseStore(store, model)
        self._record = DeploymentRecord(store, model)
        self._servers = Servers(store, model)
        self._content: bytes | None = None
        self._current: _Loaded | None = None
        self._previous: _Loaded | None = None
        self._told = 0.0
        self._trouble = ""
        self._leaving = threading.Event()
        self._thread: threading.Thread | None = None
        self.failure = ""
        """Why the server had to end, if it had to."""
        self._note = ServerNote(
            id=f"{socket.gethostname()}-{uuid.uuid4().hex[:12]}",
            url=url,
            process=ProcessId.own(),
            since=_now(),
            beat=_now(),
        )

    def __enter__(self) -> Follower:
        self._tell()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        if self._thread is not None:
            self._thread.join()
        self._take_leave()

    def require_deployed(self) -> None:
        """Refuse a store in which nothing is deployed, before anything is written there.

        Raises:
            ReleaseError: when nothing is.
        """
        if next(_candidates(self._record.read()), None) is None:
            raise ReleaseError(
                f"no release of {self._name} is deployed in {self._address}; check --store and the "
                "spec, run 'driftline run training' first, or wait for one with --wait"
            )

    def first(self, *, wait: bool) -> ServedModel:
        """Load what is deployed; where that is refused, the champion that was proven before it.

        Args:
            wait: where nothing is deployed that can be loaded, wait for it.

        Raises:
            ReleaseError: when nothing is deployed, or it cannot be loaded.
        """
        while True:
            repair(self._record, self._servers, _logger.info)
            for entry in _candidates(self._record.read()):
                if self._note.refuses(entry):
                    continue
                if (loaded := self._load(entry)) is not None:
                    self._current = loaded
                    self._tell(release=entry.version)
                    return loaded.model
            if self._note.refused is not None and not wait:
                raise ReleaseError(self._note.refused.problem)
            if not wait:
                self.require_deployed()
            self._beat()
            self._leaving.wait(self._poll_s)

    def attend(self, serving: Serving, end: Callable[[], None]) -> None:
        """Follow from now on, until the server drains.

        Args:
            serving: the server's state.
            end: ends the server, when there is nothing that it may serve.
        """
        self._thread = threading.Thread(
            target=self._follow, args=(serving, end), name="follow", daemon=True
        )
        self._thread.start()

    def _follow(self, serving: Serving, end: Callable[[], None]) -> None:
        while not (serving.draining or self.failure):
            try:
                self._look(serving)
                self._beat()
                self._trouble = ""
            except DriftlineError as error:
                if str(error) != self._trouble:  # once, not with every look
                    self._trouble = str(error)
                    _logger.warning("what is deployed is not known: %s", error)
            if self._leaving.wait(self._poll_s):
                return
        if self.failure:
            end()
        self._take_leave()  # whoever deploys need not wait for a server that drains

    def _look(self, serving: Serving) -> None:
        content = self._record.content()
        state = self._record.parse(content)
        if state.underway is not None and state.underway.is_stale:
            repair(self._record, self._servers, _logger.info)
        elif content != self._content:
            self._switch(state, serving)
            self._content = content

    def _switch(self, state: DeploymentState, serving: Serving) -> None:
        """Answer with what is deployed, if it can be loaded, and still is deployed then."""
        entry = state.pointer
        if entry is None:
            self.failure = "what it served was not proven, and nothing was deployed before that"
            return
        if self._note.refuses(entry) or (self._current and self._current.is_of(entry)):
            return
        loaded = self._previous
        if loaded is None or not loaded.is_of(entry):
            # There is memory for two models, not for three.
            self._previous = serving.previous = None
            loaded = self._load(entry)
        if loaded is None or self._record.read().pointer != entry:
            return
        self._previous, self._current = self._current, loaded
        serving.switch(loaded.model)
        _logger.info("%s answers from here on", entry.version, extra={"release": entry.version})
        self._tell(release=entry.version)

    def _load(self, entry: Deployment) -> _Loaded | None:
        """Load a release; None where it is refused, which the note says then.

        Raises:
            StoreError: when the store does not answer, which says nothing about the release.
        """
        from components.serving.loader import load_model

        try:
            with self._beating():  # a large model on a busy machine loads longer than anyone waits
                release = self._releases.open(entry.version, entry.manifest_sha256)
                model = load_model(
                    release.folder,
                    manifest_sha256=entry.manifest_sha256,
                    allowed_prefixes=self._prefixes,
                )
        except StoreError:
            raise
        except DriftlineError as error:
            problem = str(error)
        except Exception as error:  # whatever a model file makes a library do, this one goes on
            problem = f"release {entry.version} cannot be loaded: {type(error).__name__}: {error}"
            _logger.exception("%s cannot be loaded", entry.version)
        else:
            return _Loaded(entry, model)
        _logger.error("%s is refused: %s", entry.version, problem)
        self._tell(refused=Refusal(version=entry.version, at=entry.at, problem=problem))
        return None

    @contextmanager
    def _beating(self) -> Iterator[None]:
        """Go on giving signs of life, from another thread, while this one is busy."""
        done = threading.Event()

        def beat() -> None:
            while not done.wait(BEAT_S):
                with suppress(DriftlineError):
                    self._tell()

        thread = threading.Thread(target=beat, name="beat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _beat(self) -> None:
        if time.monotonic() - self._told > BEAT_S:
            self._tell()

    def _tell(self, **changes: Any) -> None:
        """Write the note, with what changed."""
        self._note = self._note.model_copy(update={"beat": _now(), **changes})
        self._servers.write(self._note)
        self._told = time.monotonic()

    def _take_leave(self) -> None:
        try:
            self._servers.remove(self._note.id)
        except DriftlineError as error:
            _logger.warning("the server's note stays in the store: %s", error)


def reachable(host: str, port: int) -> str:
    """The address under which a server that listens there is reached, from other machines as well.

    >>> reachable("127.0.0.1", 8080)
    'http://127.0.0.1:8080'
    """
    if host in ("", "0.0.0.0", "::"):  # noqa: S104 # this is what is replaced
        host = _own_address()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _own_address() -> str:
    """The address by which this machine would reach others; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737: an address of nobody
            return str(probe.getsockname()[0])
        except OSError:  # without a network there are no others
            return "127.0.0.1"


def _candidates(state: DeploymentState) -> Iterator[Deployment]:
    if state.pointer is not None:
        yield state.pointer
    if state.champion is not None and state.champion != state.pointer:
        yield state.champion


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
