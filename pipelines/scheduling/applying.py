"""From a spec's schedule to a recurring run on a cluster, and back to what a person reads."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from components.core.cron import Cron
from components.core.errors import DriftlineError, UsageError
from components.core.periods import parse_zone
from components.core.window import format_time
from components.spec.model import Spec
from components.spec.schedule import Rule, Scheduled
from pipelines.cluster.address import KfpAddress
from pipelines.cluster.connect import connect
from pipelines.cluster.patience import Patience
from pipelines.cluster.run import for_cluster
from pipelines.cluster.submit import ensure_experiment
from pipelines.cluster.versions import ensure_version, version_name
from pipelines.compile import compiled
from pipelines.runs import RunRequest
from pipelines.scheduling.plan import display_name, make_plan, recurrence_in
from pipelines.scheduling.recurring import Applied, Recurring, Schedules

_NEXT = 3


def open_schedules(address: KfpAddress, model: str, patience: Patience | None = None) -> Schedules:
    """A model's schedules, in the experiment that its other runs are in.

    Raises:
        ClusterError: when the server cannot be asked.
    """
    client, tries = connect(address), patience or Patience()
    experiment = tries.call(lambda: ensure_experiment(client, f"driftline-{model}"))
    return Schedules(client, experiment, tries)


def apply_schedule(
    spec: Spec,
    pipeline: Scheduled,
    store: str,
    image: str,
    address: KfpAddress,
    *,
    clock: str = "UTC",
    patience: Patience | None = None,
) -> tuple[Schedules, Applied]:
    """Make a pipeline's schedule on the cluster what the spec says.

    Args:
        spec: the spec, with the schedule.
        pipeline: which one.
        store: the store's address, as the steps reach it.
        image: the image of the steps.
        address: where Kubeflow Pipelines is.
        clock: the time zone that its controller was installed with.
        patience: how long the server may be away.

    Raises:
        UsageError: when the schedule, the store or the image cannot be.
        ClusterError: when the server cannot be asked, or refuses.
    """
    now, tries = datetime.now(UTC), patience or Patience()
    there = _as_on_cluster(spec, pipeline, store, now)
    text = compiled(pipeline, image, there)
    name = f"driftline-{pipeline}"
    plan = make_plan(
        there,
        pipeline,
        store,
        version_name(name, text),
        clock=clock,
        account=address.account,
        now=now,
    )
    schedules = open_schedules(address, spec.model, tries)
    ids = ensure_version(schedules.client, name, text, description=image, patience=tries)
    return schedules, schedules.apply(plan, *ids)


def _as_on_cluster(spec: Spec, pipeline: Scheduled, store: str, now: datetime) -> Spec:
    """The spec of the runs to come, once it is certain that a cluster can run it."""
    window = spec.rule(pipeline).window(now) if spec.recurrence(pipeline).cron else None
    if window is None:
        raise UsageError(
            f"the spec of {spec.model} says nothing about when {pipeline} runs; give --cron, or "
            f"write it as schedule.{pipeline}.cron, for example '0 0 6 * * *' for daily at six"
        )
    return for_cluster(RunRequest(pipeline, spec, store, window, name="scheduled")).spec


@dataclass(frozen=True)
class Shown:
    """A schedule as it is listed: what it does, when next, and how it went last.

    `coming` pairs the times at which runs start with the windows that they will work on.
    """

    recurring: Recurring
    pipeline: str
    cron: str
    time_zone: str
    window: str
    coming: list[tuple[datetime, str]]
    last: Any | None
    problem: str = ""

    def document(self) -> dict[str, Any]:
        """The same for machines."""
        return {
            "name": self.recurring.name,
            "id": self.recurring.id,
            "pipeline": self.pipeline,
            "state": self.state,
            "cron": self.cron,
            "time_zone": self.time_zone,
            "cron_on_the_server": self.recurring.cron,
            "window": self.window,
            "next": [{"at": format_time(at), "window": window} for at, window in self.coming],
            "last": {
                "run": self.last.display_name,
                "run_id": self.last.run_id,
                "state": self.last.state,
                "created_at": format_time(self.last.created_at),
            }
            if self.last
            else None,
            "problem": self.problem,
        }

    @property
    def state(self) -> str:
        """Whether it starts runs."""
        return "enabled" if self.recurring.enabled else "paused"

    def row(self) -> dict[str, str]:
        """The same as a row of a table."""
        at, window = self.coming[0] if self.coming else (None, self.problem)
        return {
            "schedule": self.recurring.name,
            "state": self.state,
            "cron": f"{self.cron} {self.time_zone}",
            "next": format_time(at) if at and self.recurring.enabled else "-",
            "its window": window,
            "last run": f"{self.last.display_name}: {self.last.state}" if self.last else "none",
        }


def show(
    schedules: Schedules, recurring: Recurring, clock: str = "UTC", now: datetime | None = None
) -> Shown:
    """Look a schedule up: its next times, their windows, and its last run.

    Raises:
        ClusterError: when the server cannot be asked.
    """
    last = schedules.last_run(recurring)
    pipeline: Scheduled = "training" if recurring.name.endswith("-training") else "monitoring"
    try:
        spec, recurrence = recurrence_in(recurring.parameters, pipeline)
        fires = Cron.parse(recurring.cron, parse_zone(clock))
        coming = list(_coming(spec.rule(pipeline), fires, now or datetime.now(UTC)))
    except DriftlineError as error:  # another version of driftline made it
        return Shown(recurring, pipeline, recurring.cron, "?", "?", [], last, str(error))
    return Shown(
        recurring,
        pipeline,
        recurrence.cron,
        recurrence.time_zone,
        recurrence.window,
        coming,
        last,
    )


def _coming(rule: Rule, fires: Cron, now: datetime) -> list[tuple[datetime, str]]:
    return [(at, str(rule.window(at))) for at in itertools.islice(fires.after(now), _NEXT)]


def require(schedules: Schedules, model: str, pipeline: str) -> Recurring:
    """The schedule of a model for a pipeline.

    Raises:
        UsageError: when there is none.
    """
    found = schedules.named(display_name(model, pipeline))
    if not found:
        raise UsageError(
            f"there is no schedule {display_name(model, pipeline)!r}; make it by 'driftline "
            f"schedule apply {pipeline}'"
        )
    return found[-1]
