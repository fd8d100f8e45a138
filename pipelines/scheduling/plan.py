"""What a schedule is to be on the server, complete: its name, its times, its run's inputs."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from components.core.errors import UsageError
from components.spec.context import AUTO, SCHEDULED
from components.spec.load import dump_spec, parse_spec
from components.spec.model import Spec
from components.spec.schedule import Recurrence, Scheduled
from pipelines.scheduling.clock import cron_there

CONCURRENCY = 1
_HASH_LENGTH = 16
_MARK = re.compile(r"driftline schedule ([0-9a-f]{16}): ")


@dataclass(frozen=True)
class Plan:
    """A recurring run as it is wanted; two plans that are equal have the same `digest`.

    `cron` is on the server's clock, `recurrence` on the user's own; its runs execute as `account`,
    or as whom the server chooses.
    """

    pipeline: Scheduled
    model: str
    recurrence: Recurrence
    cron: str
    version_name: str
    parameters: dict[str, str]
    account: str | None = None

    @property
    def display_name(self) -> str:
        """The schedule's name: one for each model and pipeline, whatever is planned."""
        return display_name(self.model, self.pipeline)

    @property
    def digest(self) -> str:
        """What tells this plan from every other."""
        content = {
            "cron": self.cron,
            "version": self.version_name,
            "parameters": self.parameters,
            "account": self.account,
            "concurrency": CONCURRENCY,
            "catch up": False,
        }
        text = json.dumps(content, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:_HASH_LENGTH]

    @property
    def description(self) -> str:
        """What the UI shows of it, with the digest by which it is known again."""
        given = self.recurrence
        return (
            f"driftline schedule {self.digest}: {self.pipeline} of {self.model}, windows of "
            f"{given.window}, at '{given.cron}' in {given.time_zone}"
        )


def display_name(model: str, pipeline: str) -> str:
    """The name of a model's schedule for a pipeline.

    >>> display_name("flights", "monitoring")
    'flights-monitoring'
    """
    return f"{model}-{pipeline}"


def make_plan(
    spec: Spec,
    pipeline: Scheduled,
    store: str,
    version_name: str,
    *,
    clock: str = "UTC",
    account: str | None = None,
    now: datetime | None = None,
) -> Plan:
    """Plan a pipeline's schedule as the spec has it.

    Args:
        spec: the spec.
        pipeline: which one.
        store: the store's address, as the steps reach it.
        version_name: which version of the pipeline, by its content.
        clock: the time zone that KFP's controller was installed with.
        account: whom its runs execute as; None lets the server choose.
        now: the present.

    Raises:
        UsageError: when the spec has no cron for it, or one that would leave a window out.
    """
    recurrence, rule = spec.recurrence(pipeline), spec.rule(pipeline)
    if not recurrence.cron:
        raise UsageError(
            f"the spec of {spec.model} says nothing about when {pipeline} runs; give --cron, or "
            f"write it as schedule.{pipeline}.cron, for example '0 0 6 * * *' for daily at six"
        )
    present = now or datetime.now(UTC)
    there = cron_there(recurrence, clock, present)
    if pipeline == "monitoring":
        rule.check_gapless(present, there)
    word = next(each for each, name in SCHEDULED.items() if name == pipeline)
    return Plan(
        pipeline=pipeline,
        model=spec.model,
        recurrence=recurrence,
        cron=there.text,
        version_name=version_name,
        account=account,
        parameters={
            "spec": dump_spec(spec),
            "store": store,
            "start": word if pipeline == "monitoring" else AUTO,
            "end": word,
            "as_of": word,
            "run": AUTO,
        },
    )


def digest_in(description: str | None) -> str:
    """The digest of the plan that a recurring run was made from; empty where it is none of ours."""
    match = _MARK.match(description or "")
    return match[1] if match else ""


def recurrence_in(parameters: dict[str, Any], pipeline: Scheduled) -> tuple[Spec, Recurrence]:
    """The spec that a recurring run passes to its runs, and its schedule in it.

    Raises:
        SpecError: when this version cannot read it.
    """
    spec = parse_spec(str(parameters.get("spec", "")), name="the schedule's spec")
    return spec, spec.recurrence(pipeline)
