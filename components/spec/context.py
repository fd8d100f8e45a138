"""What every step is given, parsed once."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

from components.core.journal import Journal, Say
from components.core.storage import Store
from components.core.window import Window, parse_duration, parse_time
from components.spec.load import parse_spec
from components.spec.model import Spec

# Kubeflow loses empty strings on their way into nested pipelines, so "not given" has a word.
AUTO = "auto"
NOW = "now"


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


def open_context(
    spec: str, store: str, run: str, job: str, start: str, end: str, as_of: str = NOW
) -> Context:
    """Parse what a pipeline passes to its steps.

    Args:
        spec: the spec as JSON.
        store: the store's address.
        run: the run's name; `auto` for Kubeflow's job id.
        job: Kubeflow's job id.
        start: the window's start; `auto` for the spec's `training.history` before the end.
        end: the window's end, excluded.
        as_of: labels that arrive after this time are not known yet; `now` for the present.

    Raises:
        UsageError: when one of them cannot be read.
    """
    parsed = parse_spec(spec)
    last = parse_time(end)
    history = parse_duration(parsed.training.history)
    first = last - history if start == AUTO else parse_time(start)
    return Context(
        spec=parsed,
        store=Store(store),
        run=job if run == AUTO else run,
        window=Window(first, last),
        as_of=datetime.now(UTC) if as_of == NOW else parse_time(as_of),
    )
