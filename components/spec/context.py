"""What every step is given, parsed once."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

from components.core.errors import UsageError
from components.core.journal import Journal, Say
from components.core.storage import Store
from components.core.window import Window, parse_duration, parse_time
from components.spec.load import parse_spec
from components.spec.model import Spec


@dataclass(frozen=True)
class Context:
    """A step's surroundings: the spec, the store, the run, and the window it works on."""

    spec: Spec
    store: Store
    run: str
    window: Window
    as_of: datetime

    @property
    def journal(self) -> Journal:
        """The run's journal."""
        return Journal(self.store, self.spec.model, self.run)

    def step(self, name: str) -> AbstractContextManager[Say]:
        """Record a step of this run in the journal."""
        return self.journal.step(name, str(self.window))


def open_context(spec: str, store: str, run: str, start: str, end: str, as_of: str = "") -> Context:
    """Parse what a pipeline passes to its steps.

    Args:
        spec: the spec as JSON.
        store: the store's address.
        run: `name|job id`: the name if the run was given one, else Kubeflow's job id counts.
        start: the window's start; empty for the spec's `training.history` before the end.
        end: the window's end, excluded.
        as_of: labels that arrive after this time are not known yet; empty for the present.

    Raises:
        UsageError: when one of them cannot be read.
    """
    parsed = parse_spec(spec)
    if not end:
        raise UsageError("the run has no window; pass --window START..END")
    last = parse_time(end)
    first = parse_time(start) if start else last - parse_duration(parsed.training.history)
    name, _, job = run.partition("|")
    return Context(
        spec=parsed,
        store=Store(store),
        run=name or job.partition("|")[0],
        window=Window(first, last),
        as_of=parse_time(as_of) if as_of else datetime.now(UTC),
    )
