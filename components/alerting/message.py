"""What is said about a run: one line, from the run's journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from components.core.journal import Entry
from components.core.verdict import Document

Kind = Literal["nothing", "alert", "deployed", "rejected", "failed"]

# Locally a pipeline SUCCEEDED; on a cluster it is COMPLETE, or CACHED where nothing had to run.
_SUCCESS = ("SUCCEEDED", "COMPLETE", "CACHED")
# What a cluster says of a run with a branch that was not taken, as well as of one with a step that
# was killed.
_UNKNOWN = "RUNNING"


class Message(Document):
    """One line for people, and what kind of news it is."""

    kind: Kind
    model: str
    window: str
    run: str
    text: str

    @property
    def line(self) -> str:
        """The whole message in one line."""
        return f"[{self.model}] {self.window}: {self.text} (run {self.run})"


def compose(
    model: str, window: str, run: str, state: str, error: str, entries: Sequence[Entry]
) -> Message:
    """Put what a run's steps said into one line.

    Args:
        model: the spec's model name.
        window: the window, as text.
        run: the run.
        state: the pipeline's final state, as Kubeflow names it.
        error: what Kubeflow says went wrong; often empty on a cluster.
        entries: the run's journal, in the order of writing.

    >>> entry = Entry(run="r", step="decide", window="w", status="none", headline="calm", at="t")
    >>> compose("flights", "2013-04", "r", "SUCCEEDED", "", [entry]).line
    '[flights] 2013-04: nothing to do: calm (run r)'
    """
    kind, text = _news(state, error, {entry.step: entry for entry in entries})
    return Message(kind=kind, model=model, window=window, run=run, text=text)


def _news(state: str, error: str, said: dict[str, Entry]) -> tuple[Kind, str]:
    if state not in _SUCCESS and not (state == _UNKNOWN and _has_ended(said)):
        failed = [each for each in said.values() if each.status == "failed"]
        if failed:
            return "failed", f"{failed[-1].step} failed: {failed[-1].headline}"
        stuck = [entry.step for entry in said.values() if entry.status == "running"]
        where = f"{stuck[-1]} did not end" if stuck else f"the run ended as {state}"
        return "failed", f"{where}{f': {error}' if error else ''}"
    if deployed := said.get("deploy"):
        if deployed.status == "reject":  # somebody else's release was faster, and is better
            return "rejected", f"challenger rejected: {deployed.headline}{_because(said)}"
        return "deployed", f"deployed {deployed.headline}{_because(said)}"
    if evaluated := said.get("evaluate"):
        return "rejected", f"challenger rejected: {evaluated.headline}{_because(said)}"
    if decided := said.get("decide"):
        if decided.status == "none":
            return "nothing", f"nothing to do: {decided.headline}"
        return ("alert", f"alert: {decided.headline}")
    if "merge_profiles" in said:
        return _profiled(said)
    return "nothing", "the run ended"


def _has_ended(said: dict[str, Entry]) -> bool:
    """Whether the steps themselves say that nothing is missing at the end."""
    if any(entry.status in ("failed", "running") for entry in said.values()):
        return False
    if {"merge_profiles", "check_schema_profiling", "check_drift"} <= said.keys():
        return True
    decided, evaluated = said.get("decide"), said.get("evaluate")
    return (
        "deploy" in said
        or (evaluated is not None and evaluated.status == "reject")
        or (decided is not None and decided.status != "retrain")
    )


def _profiled(said: dict[str, Entry]) -> tuple[Kind, str]:
    """What the checks of a merged profile found; that decides nothing, monitoring does."""
    checks = [said[step] for step in ("check_schema_profiling", "check_drift") if step in said]
    found = [each.headline for each in checks if each.status in ("drift", "blocked")]
    kind: Kind
    if found:
        kind, told = "alert", f"alert: {'; '.join(found)}; nothing was decided"
    else:
        kind, told = "nothing", f"profiled: {'; '.join(each.headline for each in checks)}"
    return kind, f"{told}; skew and performance take rows: run monitoring for them"


def _because(said: dict[str, Entry]) -> str:
    decided = said.get("decide")
    return f", retrained because {decided.headline}" if decided else ""
