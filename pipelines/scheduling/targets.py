"""Where the runs of a backfill or a trigger take place: here, or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from components.spec.model import Spec
from components.spec.places import for_a_cluster, for_this_machine
from components.spec.schedule import Scheduled
from pipelines.cluster.address import KfpAddress
from pipelines.console import Console
from pipelines.runs import RunRequest, RunResult, run_here
from pipelines.scheduling.backfill import Backfill, Runner
from pipelines.scheduling.carrying_out import Desk, Here, on_cluster
from pipelines.settings import Settings, check_target


@contextmanager
def open_backfill(
    spec: Spec,
    pipeline: Scheduled,
    store: str,
    window: str,
    target: str,
    address: KfpAddress | None,
    image: str,
    console: Console,
) -> Iterator[tuple[Backfill, Runner]]:
    """A backfill and what runs its windows; within the block the store can be reached.

    Args:
        spec: the spec.
        pipeline: which pipeline.
        store: the store's address.
        window: the range as text; empty for all since the first window that was decided.
        target: `local` or `cluster`.
        address: where Kubeflow Pipelines is, for a cluster.
        image: the steps' image, for a cluster.
        console: where progress goes.

    Raises:
        UsageError: when the target or the range cannot be.
    """
    check_target(target)
    whole = spec.rule(pipeline).periods.range(window) if window else None
    now = datetime.now(UTC)
    if address is None:
        yield Backfill.of(for_this_machine(spec), pipeline, store, whole, now), _here
        return
    from pipelines.cluster.run import for_cluster, start, wait
    from pipelines.cluster.store import reaching

    def there(request: RunRequest) -> RunResult:
        run = start(for_cluster(request), address, image)
        return wait(run, lambda _task, sentence: console.note(sentence))

    with reaching(store, address, spec.cluster.store_secret):
        yield Backfill.of(spec, pipeline, store, whole, now), there


def store_on_cluster(settings: Settings) -> str:
    """The store of runs on a cluster where no flag names one: the setting's, or the cluster's."""
    from pipelines.cluster.store import STORE

    return settings.store if settings.store != Settings.store else STORE


def _here(request: RunRequest) -> RunResult:
    return run_here(request, lambda _task, _state: None)


@contextmanager
def open_desk(
    spec: Spec,
    store: str,
    target: str,
    settings: Settings,
    *,
    image: str,
    place: tuple[str, str, str],
) -> Iterator[tuple[Desk, Callable[[], None]]]:
    """What takes the runs of a trigger, and what ends the one in progress.

    Args:
        spec: the spec.
        store: the store's address; the target's own where empty.
        target: `local` or `cluster`.
        settings: what the flags leave open.
        image: the steps' image, for a cluster.
        place: Kubeflow Pipelines' host, namespace and context, for a cluster.

    Raises:
        UsageError: when the target cannot be.
    """
    check_target(target)
    if target == "local":
        here = Here()
        yield Desk(for_this_machine(spec), store or settings.store, here), here.stop
        return
    from pipelines.cluster.address import address_from
    from pipelines.cluster.run import for_cluster, start
    from pipelines.cluster.store import reaching

    address = address_from(settings, *place)
    there = store or store_on_cluster(settings)

    def submit(request: RunRequest) -> str:
        return start(for_cluster(request), address, image or settings.image).page

    with reaching(there, address, spec.cluster.store_secret):
        resolved = for_a_cluster(spec, there)
        yield Desk(resolved, there, on_cluster(submit)), lambda: None
