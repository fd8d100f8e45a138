"""A run on a cluster as a user asks for it: submitted once, followed if they like, and told."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from components.core.errors import DriftlineError, UsageError
from components.core.journal import Entry
from components.core.storage import Store
from components.spec.model import FilesSource
from components.spec.places import for_a_cluster
from pipelines.cluster.address import KfpAddress
from pipelines.cluster.connect import connect
from pipelines.cluster.follow import Ended, StuckError, Tell, follow, step_names
from pipelines.cluster.patience import Patience
from pipelines.cluster.run_pods import RunPods, pods_of
from pipelines.cluster.steps import check_secrets
from pipelines.cluster.store import STORE, reaching
from pipelines.cluster.submit import Submitted, submit
from pipelines.compile import compiled
from pipelines.runs import RunRequest, RunResult

# The last line of a traceback; of our own errors the sentence alone, which is meant for people.
_RAISED = re.compile(
    r"^(?:components\.core\.errors\.\w+: )?(\w[\w.]*(?:Error|Exception): .*|(?<=: ).*)$",
    re.MULTILINE,
)


class RunFailedError(DriftlineError):
    """A run on a cluster failed, or was stopped; `log` is the end of the failed step's."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


@dataclass(frozen=True)
class ClusterRun:
    """A run that was submitted: what is needed to follow it."""

    client: Any
    address: KfpAddress
    request: RunRequest
    submitted: Submitted
    steps: frozenset[str]

    @property
    def page(self) -> str:
        """Where the UI shows it."""
        return self.address.run_page(self.submitted.run_id)

    def document(self) -> dict[str, Any]:
        """What machines are told of it."""
        return {
            "run": self.submitted.name,
            "run_id": self.submitted.run_id,
            "experiment": self.submitted.experiment,
            "version_id": self.submitted.version,
            "found": self.submitted.found,
            "page": self.page,
            "store": self.request.store,
        }


def for_cluster(request: RunRequest) -> RunRequest:
    """The request as a cluster runs it.

    Raises:
        UsageError: when the store or the source is on this machine, where no step reaches it.
        SpecError: when a step would miss a secret.
    """
    if Store(request.store).is_local:
        raise UsageError(
            f"the store {request.store!r} is on this machine, where steps on a cluster do not "
            f"reach it; use --store {STORE}, or leave out --store and DRIFTLINE_STORE for just that"
        )
    source = request.spec.source
    if isinstance(source, FilesSource) and _is_relative(source.path):
        raise UsageError(
            f"source.path is {source.path!r}, on this machine, where steps on a cluster do not "
            "reach it; put the data into a store, such as s3://bucket/folder"
        )
    check_secrets(request.spec)
    return replace(request, spec=for_a_cluster(request.spec, request.store))


def start(
    request: RunRequest, address: KfpAddress, image: str, patience: Patience | None = None
) -> ClusterRun:
    """Submit a run.

    Args:
        request: what to run; made by `for_cluster`.
        address: where Kubeflow Pipelines is.
        image: the image of its steps.
        patience: how long the server may be away.

    Raises:
        DriftlineError: when it cannot be compiled, or the server does not take it.
    """
    text = compiled(request.pipeline, image, request.spec)
    client = connect(address)
    submitted = submit(
        client,
        text,
        request.name,
        request.spec.model,
        request.parameters(),
        patience,
        again=lambda: _forget(request, address),
    )
    return ClusterRun(client, address, request, submitted, step_names(text))


def wait(
    run: ClusterRun, tell: Tell, pods: RunPods | None = None, patience: Patience | None = None
) -> RunResult:
    """Follow a run to its end, and read what its steps said.

    Args:
        run: made by `start`.
        tell: as `follow` wants it.
        pods: the run's pods; found through the kubeconfig by default.
        patience: how long the server may be away.

    Raises:
        RunFailedError: when it failed or was stopped, or does not get on.
        ClusterError: when the server cannot be asked for too long.
    """
    found = pods or pods_of(run.client, run.address, run.submitted.run_id)
    try:
        ended = follow(run.client, run.submitted.run_id, run.steps, tell, found, patience)
    except StuckError as stuck:
        raise RunFailedError(
            f"{stuck}. The run waits for it; stop it by 'driftline stop {run.submitted.name}': "
            f"{run.page}"
        ) from None
    entries = _said(run, tell)
    if ended.succeeded:
        return RunResult(name=run.request.name, entries=entries)
    raise _failure(run, ended, entries, found)


def _is_relative(path: str) -> bool:
    """Whether it lies below some working folder; an absolute path may be one of the image's."""
    return "://" not in path and not PurePosixPath(path).is_absolute()


def _forget(request: RunRequest, address: KfpAddress) -> None:
    """Forget what the steps of a failed run said, as a run here does, before it is run again.

    Where the store is out of reach, each step that runs again replaces what it had said.
    """
    with (
        contextlib.suppress(DriftlineError),
        reaching(request.store, address, request.spec.cluster.store_secret),
    ):
        request.journal.clear()


def _said(run: ClusterRun, tell: Tell) -> list[Entry]:
    """What the steps said; nothing, and why, where the store is out of reach from here."""
    try:
        with reaching(run.request.store, run.address, run.request.spec.cluster.store_secret):
            return run.request.journal.entries()
    except DriftlineError as error:
        tell("", f"what the steps said is in the store, which is out of reach from here: {error}")
        return []


def _failure(run: ClusterRun, ended: Ended, entries: list[Entry], pods: RunPods) -> RunFailedError:
    if ended.stopped:
        return RunFailedError(f"the run was stopped: {run.page}")
    steps = [task for task in ended.failed if task.display_name != "notify"] or [*ended.failed]
    log = pods.tail(steps[0], ended.details) if steps else ""
    told = [entry for entry in entries if entry.status == "failed" and entry.step != "notify"]
    if told:
        return RunFailedError(f"{told[-1].step}: {told[-1].headline} ({run.page})", log)
    if steps:
        raised = _RAISED.findall(log) or log.splitlines()[-1:]
        last = raised[-1] if raised else "it left no log that can be read from here"
        return RunFailedError(f"{steps[0].display_name} failed: {last} ({run.page})", log)
    why = pods.refused() or "its page tells more"
    return RunFailedError(f"the run {ended.state.lower()} before a step did: {why} ({run.page})")
