"""The commands about schedules: pipelines that run by themselves, and what they left out."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from components.core.errors import UsageError
from pipelines.console import Console
from pipelines.settings import Settings

if TYPE_CHECKING:
    from components.spec.model import Spec as ModelSpec
    from components.spec.schedule import Scheduled
    from pipelines.cluster.address import KfpAddress

app = typer.Typer(
    help="Let pipelines run by themselves on Kubeflow Pipelines, or catch up here.",
    no_args_is_help=True,
)

Which = Annotated[str, typer.Argument(help="monitoring or training")]
Spec = Annotated[str, typer.Option(help="The spec that describes the model.")]
StoreOption = Annotated[str, typer.Option(help="The store: a folder or any fsspec address.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Host = Annotated[str, typer.Option(help="Kubeflow Pipelines' address; else by the kubeconfig.")]
Namespace = Annotated[str, typer.Option(help="Where it is installed; with --host, your own.")]
Context = Annotated[str, typer.Option(help="The kubeconfig's context.")]
Clock = Annotated[
    str, typer.Option(help="The time zone that Kubeflow Pipelines' controller was installed with.")
]
Cron = Annotated[str, typer.Option(help="Six fields, the seconds first; instead of the spec's.")]
Zone = Annotated[str, typer.Option(help="Whose clock the cron and the windows follow.")]
Each = Annotated[str, typer.Option(help="Windows: hour, day, week, month, or a duration.")]
Delay = Annotated[str, typer.Option(help="How long after its end a window is complete.")]


@app.command("apply")
def apply(
    pipeline: Annotated[
        str, typer.Argument(help="monitoring or training; by default all that have a cron")
    ] = "",
    cron: Cron = "",
    time_zone: Zone = "",
    each: Each = "",
    delay: Delay = "",
    image: Annotated[str, typer.Option(help="The image for every step.")] = "",
    clock: Clock = "UTC",
    spec: Spec = "",
    store: StoreOption = "",
    host: Host = "",
    namespace: Namespace = "",
    context: Context = "",
    as_json: Json = False,
) -> None:
    """Make the schedules on the cluster what the spec says; twice changes nothing.

    Example: driftline schedule apply monitoring --cron "0 0 6 2 * *" --each month
    """
    from components.spec.load import load_spec

    settings, console = Settings.read(os.environ), Console(quiet=as_json)
    loaded = load_spec(spec or settings.spec)
    changes = {"cron": cron, "time_zone": time_zone, "window": each, "delay": delay}
    wanted = _changed(loaded, pipeline, {key: text for key, text in changes.items() if text})
    names = [_pipeline(pipeline)] if pipeline else _with_cron(wanted)
    from pipelines.scheduling.applying import apply_schedule, show
    from pipelines.scheduling.targets import store_on_cluster

    documents = []
    for name in names:
        with console.task(f"applying the schedule of {name}"):
            address = _address(settings, host, namespace, context)
            schedules, applied = apply_schedule(
                wanted,
                name,
                store or store_on_cluster(settings),
                image or settings.image,
                address,
                clock=clock,
            )
            shown = show(schedules, applied.recurring, clock)
        documents.append({"outcome": applied.outcome, **shown.document()})
        if as_json:
            continue
        console.say(f"{applied.recurring.name}: {applied.outcome}, {shown.state}")
        if applied.outcome == "overtaken":
            console.note("another apply of another schedule was later, and counts")
        if shown.recurring.cron != shown.cron:
            console.say(
                f"  on the server: {shown.recurring.cron} {clock}; where summer time is kept, it "
                "comes up to an hour late then"
            )
        for at, window in shown.coming:
            console.say(f"  {at:%Y-%m-%d %H:%M:%S} UTC  {window}")
    if as_json:
        console.say(json.dumps(documents, indent=2))


@app.command("list")
def list_schedules(
    clock: Clock = "UTC",
    spec: Spec = "",
    host: Host = "",
    namespace: Namespace = "",
    context: Context = "",
    as_json: Json = False,
) -> None:
    """List the model's schedules: their state, the next times and windows, the last run.

    Example: driftline schedule list --json
    """
    from pipelines.scheduling.applying import open_schedules, show

    settings, console = Settings.read(os.environ), Console(quiet=as_json)
    model = _model(settings, spec)
    with console.task("asking Kubeflow Pipelines"):
        schedules = open_schedules(_address(settings, host, namespace, context), model)
        shown = [show(schedules, each, clock) for each in schedules.named()]
    if as_json:
        console.say(json.dumps([each.document() for each in shown], indent=2))
    elif shown:
        console.table([each.row() for each in shown])
    else:
        console.say(f"{model} has no schedule; make one by 'driftline schedule apply'")


@app.command("pause")
def pause(
    pipeline: Which,
    spec: Spec = "",
    host: Host = "",
    namespace: Namespace = "",
    context: Context = "",
    as_json: Json = False,
) -> None:
    """Start no more runs until it is resumed; the one in progress goes on.

    Example: driftline schedule pause training
    """
    _switch(pipeline, spec, (host, namespace, context), to=False, as_json=as_json)


@app.command("resume")
def resume(
    pipeline: Which,
    spec: Spec = "",
    host: Host = "",
    namespace: Namespace = "",
    context: Context = "",
    as_json: Json = False,
) -> None:
    """Start runs again; what was due meanwhile is left to 'driftline schedule backfill'.

    Example: driftline schedule resume training
    """
    _switch(pipeline, spec, (host, namespace, context), to=True, as_json=as_json)


@app.command("delete")
def delete(
    pipeline: Which,
    spec: Spec = "",
    host: Host = "",
    namespace: Namespace = "",
    context: Context = "",
    as_json: Json = False,
) -> None:
    """Delete a schedule; its runs stay, and the one in progress goes on.

    Example: driftline schedule delete training
    """
    from pipelines.scheduling.applying import open_schedules, require

    settings = Settings.read(os.environ)
    model = _model(settings, spec)
    schedules = open_schedules(_address(settings, host, namespace, context), model)
    found = require(schedules, model, _pipeline(pipeline))
    removed = schedules.delete(found.name)
    said = json.dumps({"name": found.name, "removed": removed}) if as_json else ""
    Console().say(said or f"{found.name} is deleted")


@app.command("backfill")
def backfill(
    pipeline: Which,
    window: Annotated[
        str,
        typer.Option(
            help="START..END, END excluded; by default from the first decided window until now."
        ),
    ] = "",
    each: Each = "",
    time_zone: Zone = "",
    delay: Delay = "",
    target: Annotated[str, typer.Option(help="Where to run: local or cluster.")] = "local",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the windows.")] = False,
    image: Annotated[str, typer.Option(help="The image for every step, on a cluster.")] = "",
    spec: Spec = "",
    store: StoreOption = "",
    host: Host = "",
    namespace: Namespace = "",
    context: Context = "",
    as_json: Json = False,
) -> None:
    """Run a pipeline on each window of a range, in order, each once.

    A window that was decided already is skipped. Started again, it carries on where it stopped.

    Example: driftline schedule backfill monitoring --window 2013-04..2013-10 --each month
    """
    from components.core.errors import DriftlineError
    from components.spec.load import load_spec
    from pipelines.scheduling.targets import open_backfill, store_on_cluster

    settings, console = Settings.read(os.environ), Console(quiet=as_json)
    changes = {"window": each, "time_zone": time_zone, "delay": delay}
    loaded = _changed(
        load_spec(spec or settings.spec),
        _pipeline(pipeline),
        {key: text for key, text in changes.items() if text},
    )
    address = _address(settings, host, namespace, context) if target == "cluster" else None
    filled = []
    with open_backfill(
        loaded,
        _pipeline(pipeline),
        store or (store_on_cluster(settings) if address else settings.store),
        window,
        target,
        address,
        image or settings.image,
        console,
    ) as (plan, run):
        if dry_run:
            _list_windows([str(each) for each in plan.windows], console, as_json=as_json)
            return
        try:
            for done in plan.fill(run, console.task):
                filled.append(done.document())
                if not as_json:
                    console.say(f"{done.window}  {done.outcome:<7}  {done.line}")
        except DriftlineError as error:
            if as_json:
                document = {"windows": filled, "error": str(error)}
                console.say(json.dumps(document, indent=2))
            raise
    if as_json:
        console.say(json.dumps({"windows": filled, "error": None}, indent=2))


def _list_windows(windows: list[str], console: Console, *, as_json: bool) -> None:
    if as_json:
        console.say(json.dumps({"windows": windows}, indent=2))
        return
    for each in windows:
        console.say(each)


def _switch(
    pipeline: str, spec: str, place: tuple[str, str, str], *, to: bool, as_json: bool
) -> None:
    from pipelines.scheduling.applying import open_schedules, require

    settings = Settings.read(os.environ)
    model = _model(settings, spec)
    schedules = open_schedules(_address(settings, *place), model)
    found = require(schedules, model, _pipeline(pipeline))
    if to:
        schedules.resume(found)
    else:
        schedules.pause(found)
    state = "enabled" if to else "paused"
    said = json.dumps({"name": found.name, "state": state}) if as_json else ""
    Console().say(said or f"{found.name} is {state}")


def _address(settings: Settings, host: str, namespace: str, context: str) -> KfpAddress:
    from pipelines.cluster.address import address_from

    return address_from(settings, host, namespace, context)


def _model(settings: Settings, spec: str) -> str:
    from components.spec.load import load_spec

    return load_spec(spec or settings.spec).model


def _pipeline(name: str) -> Scheduled:
    if name == "training":
        return "training"
    if name == "monitoring":
        return "monitoring"
    raise UsageError(f"there is no pipeline {name!r} to schedule; choose monitoring or training")


def _with_cron(spec: ModelSpec) -> list[Scheduled]:
    names: tuple[Scheduled, ...] = ("monitoring", "training")
    if found := [name for name in names if spec.recurrence(name).cron]:
        return found
    raise UsageError(
        f"the spec of {spec.model} has no schedule; name a pipeline and give --cron, or write "
        "schedule.monitoring.cron into it"
    )


def _changed(spec: ModelSpec, pipeline: str, changes: dict[str, Any]) -> ModelSpec:
    """The spec with a schedule from the flags, checked as if it had been written there."""
    if not changes:
        return spec
    if not pipeline:
        raise UsageError(f"--{next(iter(changes))} needs a pipeline: monitoring or training")
    from components.spec.schedule import changed

    return spec.model_copy(
        update={"schedule": changed(spec.schedule, _pipeline(pipeline), changes)}
    )
