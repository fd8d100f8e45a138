"""Recurring runs on Kubeflow Pipelines: made, replaced, paused and deleted, once each.

The server has no call that changes a recurring run, and its names are not unique. Of those with
one name, the one that was made last counts; whoever applies a schedule removes what is older, and
never what is newer. So any number of applies, at once or interrupted, end with one.

Deleting a recurring run would take its runs in progress along, as Kubernetes does with what an
object owns; so each is orphaned instead, and goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from components.core.errors import ClusterError
from pipelines.cluster.patience import Patience
from pipelines.cluster.refusals import GoneError, said
from pipelines.cluster.versions import by_name
from pipelines.scheduling.plan import CONCURRENCY, Plan, digest_in

_PAGE = 100


@dataclass(frozen=True)
class Recurring:
    """A recurring run that is there."""

    id: str
    name: str
    digest: str
    enabled: bool
    cron: str
    created_at: Any
    parameters: dict[str, Any]

    @property
    def age(self) -> tuple[Any, str]:
        """What orders them from the oldest on, for whoever looks."""
        return self.created_at, self.id


@dataclass(frozen=True)
class Applied:
    """What came of an apply: `unchanged`, `created`, `replaced`, or `overtaken` by another one."""

    outcome: Literal["unchanged", "created", "replaced", "overtaken"]
    recurring: Recurring
    removed: list[str]


class Schedules:
    """The recurring runs of one experiment."""

    def __init__(self, client: Any, experiment: str, patience: Patience | None = None) -> None:
        self.client = client
        self._experiment = experiment
        self._patience = patience or Patience()

    def named(self, name: str = "") -> list[Recurring]:
        """Ours of a name, or all of ours, from the oldest on.

        Raises:
            ClusterError: when the server cannot be asked.
        """
        found = self._patience.call(lambda: list(self._pages(name)))
        ours = [each for each in map(_recurring, found) if each.digest]
        return sorted(ours, key=lambda each: each.age)

    def apply(self, plan: Plan, pipeline_id: str, version_id: str) -> Applied:
        """Make the schedule what is planned; where it is that already, nothing is changed.

        One that was paused stays so. Runs in progress go on.

        Args:
            plan: the schedule.
            pipeline_id: the pipeline's id on the server.
            version_id: that of the version which the plan names.

        Raises:
            ClusterError: when the server cannot be asked, or refuses.
        """
        before = self.named(plan.display_name)
        if before and before[-1].digest == plan.digest:
            # What an interrupted apply left behind goes.
            return Applied("unchanged", before[-1], self._remove(before[:-1]))
        enabled = before[-1].enabled if before else True
        self._patience.call(lambda: self._ensure(plan, pipeline_id, version_id, enabled))
        present = self.named(plan.display_name)
        if not present:
            raise ClusterError(
                f"the schedule {plan.display_name} was deleted while it was made; apply it again"
            )
        removed = self._remove(present[:-1])
        if present[-1].digest != plan.digest:
            return Applied("overtaken", present[-1], removed)
        return Applied("replaced" if before else "created", present[-1], removed)

    def pause(self, recurring: Recurring) -> None:
        """Start no more runs until it is resumed; the one in progress goes on.

        Raises:
            ClusterError: when the server refuses, or it is gone.
        """
        self._ask("pausing", recurring, self.client.disable_recurring_run)

    def resume(self, recurring: Recurring) -> None:
        """Start runs again.

        Raises:
            ClusterError: when the server refuses, or it is gone.
        """
        self._ask("resuming", recurring, self.client.enable_recurring_run)

    def delete(self, name: str) -> list[str]:
        """Remove a schedule; its runs stay, and the one in progress goes on.

        Returns:
            The ids of what was removed.

        Raises:
            ClusterError: when the server refuses.
        """
        return self._remove(self.named(name))

    def last_run(self, recurring: Recurring) -> Any | None:
        """The run that a schedule started last, or None.

        Raises:
            ClusterError: when the server cannot be asked.
        """

        def ask() -> list[Any]:
            with said(self.client.address, "listing a schedule's runs"):
                return (
                    self.client.list_runs(
                        sort_by="created_at desc",
                        page_size=1,
                        experiment_id=self._experiment,
                        filter=by_name("recurring_run_id", recurring.id),
                    ).runs
                    or []
                )

        return next(iter(self._patience.call(ask)), None)

    def _ensure(self, plan: Plan, pipeline_id: str, version_id: str, enabled: bool) -> None:
        """Create it, unless an attempt before this one did without our hearing of it."""
        found = [_recurring(each) for each in self._pages(plan.display_name)]
        latest = max(found, key=lambda each: each.age, default=None)
        if latest is not None and latest.digest == plan.digest:
            return
        with said(self.client.address, f"creating the schedule {plan.display_name}"):
            self.client.create_recurring_run(
                experiment_id=self._experiment,
                job_name=plan.display_name,
                description=plan.description,
                cron_expression=plan.cron,
                max_concurrency=CONCURRENCY,
                no_catchup=True,
                params=plan.parameters,
                pipeline_id=pipeline_id,
                version_id=version_id,
                enabled=enabled,
                service_account=plan.account,
            )

    def _pages(self, name: str) -> Iterator[Any]:
        token = ""
        while True:
            with said(self.client.address, "listing the schedules"):
                page = self.client.list_recurring_runs(
                    page_token=token,
                    page_size=_PAGE,
                    sort_by="created_at",
                    experiment_id=self._experiment,
                    filter=by_name("display_name", name) if name else None,
                )
                yield from page.recurring_runs or []
            if not (token := page.next_page_token or ""):
                return

    def _remove(self, outdated: list[Recurring]) -> list[str]:
        for each in outdated:
            try:
                self._ask("deleting", each, self._orphan)
            except GoneError:  # another apply was faster
                continue
        return [each.id for each in outdated]

    def _orphan(self, recurring_run_id: str) -> None:
        # kfp's own method cannot say that the runs in progress stay.
        self.client._recurring_run_api.recurring_run_service_delete_recurring_run(
            recurring_run_id=recurring_run_id, propagation_policy="ORPHAN"
        )

    def _ask(self, doing: str, recurring: Recurring, call: Any) -> None:
        def ask() -> None:
            with said(self.client.address, f"{doing} the schedule {recurring.name}"):
                call(recurring.id)

        self._patience.call(ask)


def _recurring(shown: Any) -> Recurring:
    cron = shown.trigger.cron_schedule if shown.trigger else None
    config = shown.runtime_config
    return Recurring(
        id=str(shown.recurring_run_id),
        name=str(shown.display_name),
        digest=digest_in(shown.description),
        enabled=shown.status == "ENABLED",
        cron=str(cron.cron) if cron else "",
        created_at=shown.created_at,
        parameters=dict(config.parameters or {}) if config else {},
    )
