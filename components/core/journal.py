"""The journal of a run: what each step said, in the store, where any later step can read it.

A cluster tells an exit handler neither why a run failed nor what it decided; the journal does,
in the same way on one machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from components.core.errors import DriftlineError, StoreError
from components.core.signals import termination_raises
from components.core.storage import Store
from components.core.verdict import Document

Say = Callable[[str, str], None]


class Entry(Document):
    """What one step said: its status in one word, and one sentence."""

    run: str
    step: str
    window: str
    status: str
    headline: str
    at: str


class Journal:
    """The entries of one run of one model.

    >>> journal = Journal(Store(getfixture("tmp_path")), "flights", "run-1")
    >>> with journal.step("decide", "2013-04-01..2013-05-01") as say:
    ...     say("none", "nothing drifted")
    >>> journal.read("decide").headline
    'nothing drifted'
    """

    def __init__(self, store: Store, model: str, run: str) -> None:
        self._store = store
        self._folder = f"{model}/runs/{run}"
        self._run = run

    @contextmanager
    def step(self, step: str, window: str) -> Iterator[Say]:
        """Record what a step says; when it raises, record why, and let it raise."""

        def say(status: str, headline: str) -> None:
            entry = Entry(
                run=self._run,
                step=step,
                window=window,
                status=status,
                headline="; ".join(headline.splitlines()),
                at=datetime.now(UTC).isoformat(),
            )
            self._store.write(f"{self._folder}/{step}.json", entry.model_dump_json().encode())

        say("running", f"{step} began")
        try:
            with termination_raises():
                yield say
        except DriftlineError as error:
            say("failed", str(error))
            raise
        except Exception as error:  # raised again; the journal only says why
            say("failed", f"{type(error).__name__}: {error}")
            raise
        except BaseException:  # Ctrl-C, or a signal that ends the process
            say("failed", "interrupted")
            raise

    def clear(self) -> None:
        """Forget an earlier attempt of the run."""
        self._store.delete(self._folder)

    def read(self, step: str) -> Entry | None:
        """One step's entry, or None when it has not begun."""
        name = f"{self._folder}/{step}.json"
        if not self._store.exists(name):
            return None
        return self._parse(name)

    def entries(self) -> list[Entry]:
        """All entries, in the order in which they were last written."""
        names = [name for name in self._store.names(self._folder) if name.endswith(".json")]
        return sorted((self._parse(name) for name in names), key=lambda entry: entry.at)

    def _parse(self, name: str) -> Entry:
        try:
            return Entry.model_validate_json(self._store.read(name))
        except ValueError:
            raise StoreError(f"{self._store.url(name)} is damaged; delete it") from None
