"""A run as a user asks for it: names, parameters, and what came of it."""

from __future__ import annotations

import contextlib
import io
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.core.errors import UsageError
from components.core.journal import Entry, Journal
from components.core.storage import Store
from components.core.window import Window, format_time
from components.profiling.lanes import MOST_SHARDS, number
from components.release.targets import open_target
from components.spec.context import AUTO, NOW
from components.spec.load import dump_spec
from components.spec.model import Spec
from pipelines.run_local import run_local
from pipelines.side_by_side import Progress

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class RunRequest:
    """Everything a run depends on; the same request can be submitted anywhere.

    `options` are parameters that only this pipeline has.
    """

    pipeline: str
    spec: Spec
    store: str
    window: Window
    name: str
    as_of: str = NOW
    options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name == AUTO:
            raise UsageError(
                f"a run cannot be called {self.name!r}; use letters, digits, '.', '_' and '-', "
                f"and not {AUTO!r}"
            )
        if "python3" in self.store:
            raise UsageError(
                f"the store {self.store!r} has 'python3' in its address, which kfp.local replaces "
                "by the interpreter's path; choose another --store"
            )

    def parameters(self) -> dict[str, str]:
        """The pipeline's parameters: all of the run's inputs."""
        return {
            "spec": dump_spec(self.spec),
            "store": self.store,
            "start": format_time(self.window.start),
            "end": format_time(self.window.end),
            "as_of": self.as_of,
            "run": self.name,
            **self.options,
        }

    @property
    def journal(self) -> Journal:
        """What the run's steps say."""
        return Journal(Store(self.store), self.spec.model, self.name)


@dataclass(frozen=True)
class RunResult:
    """What came of a run."""

    name: str
    entries: list[Entry]

    def said(self, step: str) -> Entry | None:
        """What a step said, or None where it did not run."""
        return next((entry for entry in self.entries if entry.step == step), None)

    @property
    def line(self) -> str:
        """The run in one line, as it was told to people."""
        told = self.said("notify")
        return told.headline if told else "the run succeeded"

    def document(self) -> dict[str, Any]:
        """The result for machines."""
        decided, deployed = self.said("decide"), self.said("deploy")
        return {
            "run": self.name,
            "summary": self.line,
            "decision": decided.status if decided else None,
            "deployed": deployed.headline if deployed and deployed.status == "ok" else None,
            "steps": [entry.model_dump(exclude={"run"}) for entry in self.entries],
        }


def pipeline_options(pipeline: str, given: Mapping[str, str]) -> dict[str, str]:
    """The parameters that only one pipeline has.

    Raises:
        UsageError: when one of them is no number, or is given to a pipeline that has none.
    """
    for name, text in given.items():
        number(text, name, MOST_SHARDS)
        if text != AUTO and pipeline != "profiling":
            raise UsageError(f"--{name} is an option of profiling; {pipeline} has no shards")
    return dict(given) if pipeline == "profiling" else {}


def new_name(pipeline: str) -> str:
    """A readable name that no other run has."""
    return f"{pipeline}-{datetime.now(UTC):%Y%m%dt%H%M%S}-{uuid.uuid4().hex[:4]}"


def run_here(request: RunRequest, progress: Progress) -> RunResult:
    """Run a pipeline on this machine.

    A run of that name that has ended already is not run again. One that was interrupted is: it
    decides as it did before. Artifacts and logs go below the store where that is on this disk,
    else below `.driftline`.

    Raises:
        RunFailedError: naming the step that failed and why.
    """
    _note_deployment(request)
    earlier = {entry.step: entry for entry in request.journal.entries()}
    if _deed_done(earlier):
        if not _told(earlier):
            _tell(request)
        return RunResult(name=request.name, entries=request.journal.entries())
    request.journal.clear()
    place = Store(request.store)
    home = Path(place.path("")) if place.is_local else Path(".driftline")
    folder = home / request.spec.model / "local" / request.name
    run_local(request.pipeline, request.parameters(), request.spec.model, folder, progress)
    return RunResult(name=request.name, entries=request.journal.entries())


def _note_deployment(request: RunRequest) -> None:
    """Complete the journal of a run that was ended after it deployed, before it could say so."""
    history = open_target(request.spec, Store(request.store)).history()
    deployed = [entry.version for entry in history if entry.run == request.name]
    said = request.journal.read("deploy")
    if deployed and (said is None or said.status != "ok"):
        with request.journal.step("deploy", str(request.window)) as say:
            say("ok", deployed[-1])


def _deed_done(said: dict[str, Entry]) -> bool:
    """Whether nothing is left to do but to tell people."""
    if "deploy" in said:
        return said["deploy"].status in ("ok", "reject")
    if "evaluate" in said and said["evaluate"].status != "accept":
        return said["evaluate"].status == "reject"
    return "decide" in said and said["decide"].status in ("none", "alert")


def _told(said: dict[str, Entry]) -> bool:
    return "notify" in said and said["notify"].status not in ("running", "failed")


def _tell(request: RunRequest) -> None:
    from components.spec.context import open_context
    from components.steps.notify import notify_step

    given = request.parameters()
    context = open_context(
        given["spec"], given["store"], given["run"], "", given["start"], given["end"]
    )
    with contextlib.redirect_stdout(io.StringIO()):  # the caller prints what was told
        notify_step(context, "SUCCEEDED", "")
