"""Run a pipeline on each window of a range, in order, each once: what a schedule did not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from components.core.claim import claimed
from components.core.errors import UsageError
from components.core.storage import Store
from components.core.window import Window, format_time, parse_duration
from components.decision.record import first_decided, settled
from components.spec.model import Spec
from components.spec.schedule import Rule, Scheduled
from pipelines.runs import RunRequest, RunResult


class Runner(Protocol):
    """Runs a request and waits for it; the same name carries on, and is not run twice."""

    def __call__(self, request: RunRequest) -> RunResult:
        """Run it."""


@dataclass(frozen=True)
class Filled:
    """What came of one window: run, run before by an earlier start, or skipped as decided."""

    window: Window
    run: str
    outcome: Literal["run", "before", "skipped"]
    line: str

    def document(self) -> dict[str, str]:
        """The same for machines."""
        return {
            "window": str(self.window),
            "run": self.run,
            "outcome": self.outcome,
            "summary": self.line,
        }


@dataclass(frozen=True)
class Backfill:
    """The runs of a range: the windows that the schedule would have taken, as it would have.

    A run has the labels that had arrived when its window's turn came, and a name that follows from
    the window. So a backfill that is started again carries on, and a window is never run twice.
    """

    spec: Spec
    pipeline: Scheduled
    store: str
    windows: list[Window]

    @classmethod
    def of(
        cls, spec: Spec, pipeline: Scheduled, store: str, window: Window | None, now: datetime
    ) -> Backfill:
        """Cut a range into windows.

        Args:
            spec: the spec; its schedule says how long the windows are.
            pipeline: which pipeline.
            store: the store's address.
            window: the range; None for all since the first window that was decided.
            now: the present.

        Raises:
            UsageError: when the range does not consist of whole windows, has one whose turn has
                not come yet, or there is none to begin with.
        """
        rule = spec.rule(pipeline)
        whole = window or _since(Store(store), spec, rule, now)
        windows = rule.periods.cut(whole)
        for each in windows:
            if (turn := rule.comes(each)) > now:
                raise UsageError(
                    f"the turn of {each} comes at {format_time(turn)} only; let the range end at "
                    f"{format_time(each.start)}"
                )
        return cls(spec, pipeline, store, windows)

    def fill(
        self, run: Runner, task: Callable[[str], AbstractContextManager[object]]
    ) -> Iterator[Filled]:
        """Go through the windows; the first failure ends it.

        Args:
            run: how a window is run.
            task: told each window while it is worked on.

        Raises:
            ConflictError: when another process works on a window.
            DriftlineError: when a run fails; starting again carries on there.
        """
        place = Store(self.store)
        for window in self.windows:
            name = f"{self.spec.model}/claims/{self.pipeline}-{window.key}.json"
            with claimed(place, name, f"the window {window}"), task(str(window)):
                filled = self._one(place, window, run)
            yield filled

    def _one(self, place: Store, window: Window, run: Runner) -> Filled:
        name, decision = run_name(self.pipeline, window), None
        if self.pipeline == "monitoring":
            decision = settled(place, self.spec, window)
            if decision is not None and decision.run != name:
                line = f"decided already by run {decision.run}: {decision.action}"
                return Filled(window, decision.run, "skipped", f"{line}, {decision.headline}")
        # Also where it was decided by this very run, which may have been interrupted after that.
        result = run(self.request(window))
        return Filled(window, name, "run" if decision is None else "before", result.line)

    def request(self, window: Window) -> RunRequest:
        """The run of a window."""
        start = window.start
        if self.pipeline == "training":
            start = window.end - parse_duration(self.spec.training.history)
        return RunRequest(
            pipeline=self.pipeline,
            spec=self.spec,
            store=self.store,
            window=Window(start, window.end),
            as_of=format_time(self.spec.rule(self.pipeline).comes(window)),
            name=run_name(self.pipeline, window),
        )


def run_name(pipeline: str, window: Window) -> str:
    """The name of a window's run, the same whoever starts it.

    >>> run_name("monitoring", Window.parse("2013-04"))
    'monitoring-2013-04-01_2013-05-01'
    """
    return f"{pipeline}-{window.key}"


def _since(store: Store, spec: Spec, rule: Rule, now: datetime) -> Window:
    first, last = first_decided(store, spec.model), rule.window(now)
    if first is None:
        raise UsageError(
            f"no window of {spec.model} was decided yet, so there is no first one; give --window "
            "START..END"
        )
    begin = rule.periods.holding(first.start)
    if last.end <= begin.start:
        raise UsageError(f"nothing is due: the last complete window is {last}")
    return Window(begin.start, last.end)
