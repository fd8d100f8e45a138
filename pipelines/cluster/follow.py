"""Watch a run until it ends: what its steps do, and what keeps them from it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from components.core.errors import ClusterError
from pipelines.cluster.patience import Patience
from pipelines.cluster.refusals import said
from pipelines.cluster.run_pods import RunPods
from pipelines.cluster.submit import FINAL
from pipelines.compile import documents

_POLL_S = 3.0
# What keeps a pod from beginning is said at once; so long it may last, if it does not pass.
_STUCK_S = 300.0
_AWAY_S = 600.0
_SHOWN = {"RUNNING": "running", "SUCCEEDED": "done", "FAILED": "failed"}

Tell = Callable[[str, str], None]


class StuckError(ClusterError):
    """A run does not get on, and will not by itself."""


@dataclass(frozen=True)
class Ended:
    """How a run ended: its state, the steps that failed, first first, and all that it was."""

    state: str
    stopped: bool
    failed: tuple[Any, ...]
    details: tuple[Any, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether all of it was done."""
        return self.state == "SUCCEEDED"


def step_names(text: str) -> frozenset[str]:
    """The names that a pipeline's steps have among a run's tasks: not drivers, nor groups."""
    ir = documents(text)[0]
    steps = {name for name, part in ir["components"].items() if "executorLabel" in part}
    return frozenset(
        name
        for part in (ir["root"], *ir["components"].values())
        for name, task in part.get("dag", {}).get("tasks", {}).items()
        if task["componentRef"]["name"] in steps
    )


def follow(
    client: Any,
    run_id: str,
    steps: Collection[str],
    tell: Tell,
    pods: RunPods,
    patience: Patience | None = None,
) -> Ended:
    """Wait for a run's end.

    Args:
        client: made by `connect`.
        run_id: the run.
        steps: the names of its steps among its tasks.
        tell: told `(step, "running" | "done in 34 s" | "failed ...")`, and `("", sentence)` of
            what stands in the way.
        pods: what is known of its pods.
        patience: how long the server may be away, and how time passes.

    Raises:
        StuckError: when a step's pod cannot begin, for minutes.
        ClusterError: when the server cannot be asked for too long.
    """
    tries = replace(patience or Patience(_AWAY_S), told=lambda problem: tell("", problem))
    shown: dict[str, str] = {}
    since: dict[str, tuple[float, set[str]]] = {}

    def once() -> Any:
        with said(client.address, "looking at the run"):
            return client.get_run(run_id)

    while True:
        run = tries.call(once)
        _tell_changes(_steps_of(run, steps), shown, tell)
        if run.state in FINAL:
            return _ended(run, steps)
        _tell_troubles(pods, since, tell, tries.clock())
        tries.pause(_POLL_S)


def _tell_changes(tasks: list[Any], shown: dict[str, str], tell: Tell) -> None:
    for task in tasks:
        word = _SHOWN.get(task.state or "", "")
        if word and shown.get(task.task_id) != word:
            shown[task.task_id] = word
            took = "" if word == "running" else f" {_after(word)} {_seconds(task):.0f} s"
            tell(task.display_name, f"{word}{took}")


def _tell_troubles(
    pods: RunPods, since: dict[str, tuple[float, set[str]]], tell: Tell, now: float
) -> None:
    current = pods.troubles()
    for sentence, passes in current.items():
        # A pull that fails is by turns tried and waited for: one trouble, in two sentences.
        began, told = since.setdefault(_subject(sentence), (now, set()))
        if sentence not in told:
            told.add(sentence)
            tell("", sentence)
        elif not passes and now - began > _STUCK_S:
            raise StuckError(sentence)
    for subject in since.keys() - {_subject(sentence) for sentence in current}:
        del since[subject]


def _subject(sentence: str) -> str:
    """Which container of which pod a sentence is about."""
    return sentence.partition(": ")[0]


def _steps_of(run: Any, steps: Collection[str]) -> list[Any]:
    """The run's tasks that are steps, in the order in which they began."""
    found = [task for task in _details(run) if task.display_name in steps]
    return sorted(found, key=lambda task: (_time(task.start_time), task.display_name))


def _details(run: Any) -> list[Any]:
    return (run.run_details.task_details if run.run_details else None) or []


def _ended(run: Any, steps: Collection[str]) -> Ended:
    history = [entry.state for entry in run.state_history or []]
    failed = [task for task in _steps_of(run, steps) if task.state == "FAILED"]
    stopped = run.state == "CANCELED" or "CANCELING" in history
    return Ended(
        state=str(run.state),
        stopped=stopped,
        failed=tuple(sorted(failed, key=lambda task: _time(task.end_time))),
        details=tuple(_details(run)),
    )


def _after(word: str) -> str:
    return "in" if word == "done" else "after"


def _seconds(task: Any) -> float:
    return max(0.0, _time(task.end_time) - _time(task.start_time))


def _time(moment: datetime | None) -> float:
    """Seconds since 1970; Kubeflow gives the year 1 for what has not happened."""
    return moment.timestamp() if moment is not None and moment.year > 1970 else 0.0
