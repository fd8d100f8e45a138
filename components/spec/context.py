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
from components.spec.schedule import Scheduled

# Kubeflow loses empty strings on their way into nested pipelines, so "not given" has a word.
AUTO = "auto"
NOW = "now"
# Kubeflow fills no time into the parameters of a scheduled run, so a word stands there.
SCHEDULED: dict[str, Scheduled] = {
    "scheduled-training": "training",
    "scheduled-monitoring": "monitoring",
}


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
    spec: str,
    store: str,
    run: str,
    job: str,
    start: str,
    end: str,
    as_of: str = NOW,
    scheduled: str = "",
) -> Context:
    """Parse what a pipeline passes to its steps.

    Args:
        spec: the spec as JSON.
        store: the store's address.
        run: the run's name; `auto` for Kubeflow's job id.
        job: Kubeflow's job id.
        start: the window's start; `auto` for the spec's `training.history` before the end,
            `scheduled-monitoring` for the window that the spec's schedule gives a run.
        end: the window's end, excluded; `scheduled-training` or `scheduled-monitoring` for the
            end of the window that the spec's schedule gives a run.
        as_of: labels that arrive after this time are not known yet; `now` for the present,
            `scheduled-training` or `scheduled-monitoring` for the time that the run was due.
        scheduled: when Kubeflow had scheduled the run.

    Raises:
        UsageError: when one of them cannot be read.
    """
    parsed = parse_spec(spec)
    clock = _Clock(parsed, scheduled)
    last = clock.window(end).end if end in SCHEDULED else parse_time(end)
    if start == AUTO:
        first = last - parse_duration(parsed.training.history)
    else:
        first = clock.window(start).start if start in SCHEDULED else parse_time(start)
    return Context(
        spec=parsed,
        store=Store(store),
        run=job if run == AUTO else run,
        window=Window(first, last),
        as_of=clock.as_of(as_of),
    )


@dataclass(frozen=True)
class _Clock:
    """The time that a run was scheduled for, and what follows from it by the spec's schedule."""

    spec: Spec
    scheduled: str

    def window(self, word: str) -> Window:
        return self.spec.rule(SCHEDULED[word]).window(self._moment())

    def as_of(self, text: str) -> datetime:
        if text in SCHEDULED:
            return self.spec.rule(SCHEDULED[text]).due(self._moment())
        return datetime.now(UTC) if text == NOW else parse_time(text)

    def _moment(self) -> datetime:
        if not self.scheduled or self.scheduled.startswith("{{"):
            raise UsageError(
                "the window is to follow from the time that the run was scheduled for, but that is "
                "not known here: Kubeflow Pipelines tells it from 2.17 on, and a local run has "
                "none; give the run a --window"
            )
        return parse_time(self.scheduled)
