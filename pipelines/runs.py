"""A run as a user asks for it: names, parameters, and what came of it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.core.journal import Entry
from components.core.window import Window, format_time
from components.spec.context import NOW
from components.spec.load import dump_spec
from components.spec.model import Spec
from pipelines.run_local import run_local
from pipelines.side_by_side import Progress


@dataclass(frozen=True)
class RunRequest:
    """Everything a run depends on; the same request can be submitted anywhere."""

    pipeline: str
    spec: Spec
    store: str
    window: Window
    as_of: str = NOW
    name: str = ""

    def parameters(self) -> dict[str, str]:
        """The pipeline's parameters: all of the run's inputs."""
        return {
            "spec": dump_spec(self.spec),
            "store": self.store,
            "start": format_time(self.window.start),
            "end": format_time(self.window.end),
            "as_of": self.as_of,
            "run": self.name or new_name(self.pipeline),
        }


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
        return told.headline if told else "the run ended"

    def document(self) -> dict[str, Any]:
        """The result for machines."""
        return {
            "run": self.name,
            "summary": self.line,
            "steps": [entry.model_dump(exclude={"run"}) for entry in self.entries],
        }


def new_name(pipeline: str) -> str:
    """A readable name that no other run has."""
    return f"{pipeline}-{datetime.now(UTC):%Y%m%dt%H%M%S}-{uuid.uuid4().hex[:4]}"


def run_here(request: RunRequest, progress: Progress) -> RunResult:
    """Run a pipeline on this machine.

    Artifacts and logs go below the store where that is on this disk, else below `.driftline`.

    Raises:
        RunFailedError: naming the step that failed and why.
    """
    parameters = request.parameters()
    home = Path(".driftline") if "://" in request.store else Path(request.store)
    entries = run_local(
        request.pipeline,
        parameters,
        request.spec.model,
        home / request.spec.model / "local" / parameters["run"],
        progress,
    )
    return RunResult(name=parameters["run"], entries=entries)
