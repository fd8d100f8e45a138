"""Run a pipeline on this machine through `kfp.local`, with its noise in a file."""

from __future__ import annotations

import contextlib
import io
import re
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from components.core.errors import DriftlineError, UsageError
from components.core.journal import Entry, Journal
from components.core.storage import Store
from pipelines.compile import load_pipeline
from pipelines.side_by_side import Progress, side_by_side
from pipelines.warm_steps import warm_steps

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_RAISED = re.compile(r"^\s*([\w.]*(?:Error|Exception): .*)$", re.MULTILINE)


class RunFailedError(DriftlineError):
    """A step of a local run failed; the message is the step's own."""


def run_local(
    name: str,
    parameters: Mapping[str, str],
    model: str,
    folder: Path,
    progress: Progress,
) -> list[Entry]:
    """Run a pipeline here and wait for it.

    Args:
        name: the pipeline.
        parameters: the pipeline's parameters; `store` and `run` among them.
        model: the spec's model name.
        folder: where the artifacts of this run and its log go.
        progress: told `(task, "begin" | "SUCCESS" | "FAILURE")`.

    Returns:
        What the run's steps said, in order.

    Raises:
        RunFailedError: naming the step, its reason, and the log.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made: {error}; choose another --store") from None
    log = folder / "log.txt"
    journal = Journal(Store(parameters["store"]), model, parameters["run"])
    with (
        log.open("w", encoding="utf-8", errors="replace") as file,
        warm_steps(),
        contextlib.redirect_stdout(_Log(file)),
        warnings.catch_warnings(),
        side_by_side(progress),
    ):
        from kfp import local

        pipeline = load_pipeline(name)
        local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(folder / "artifacts"))
        # The steps' image is not used here; KFP warns that its name does not say "python".
        warnings.filterwarnings("ignore", message="You may be attemping", category=RuntimeWarning)
        try:
            pipeline(**parameters)
        except RuntimeError as error:
            raise RunFailedError(_why(journal, error, log)) from error
    return journal.entries()


def _why(journal: Journal, error: RuntimeError, log: Path) -> str:
    for entry in reversed(journal.entries()):
        if entry.status == "failed" and entry.step != "notify":
            return f"{entry.step}: {entry.headline} (log: {log})"
    raised = _RAISED.search(log.read_text(encoding="utf-8"))
    reason = raised[1] if raised else _COLOUR.sub("", str(error))
    return f"{reason} (log: {log})"


class _Log(io.TextIOBase):
    """A log that several threads print to: each line stays whole, and colours go."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._begun = threading.local()

    def write(self, text: str) -> int:
        *lines, rest = (getattr(self._begun, "line", "") + text).split("\n")
        self._begun.line = rest
        with self._lock:
            self._file.writelines(_COLOUR.sub("", line) + "\n" for line in lines)
        return len(text)

    def flush(self) -> None:
        self._file.flush()
