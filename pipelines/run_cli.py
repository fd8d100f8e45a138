"""The commands about runs: here or on a cluster, followed to the end or left to themselves."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from components.core.errors import DriftlineError, SpecError, UsageError
from pipelines.console import Console
from pipelines.settings import Settings, check_target

if TYPE_CHECKING:
    from pipelines.runs import RunRequest, RunResult

Spec = Annotated[str, typer.Option(help="The spec that describes the model.")]
StoreOption = Annotated[str, typer.Option(help="The store: a folder or any fsspec address.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Host = Annotated[
    str,
    typer.Option(help="Kubeflow Pipelines' address; without it, the kubeconfig leads there."),
]
Namespace = Annotated[
    str,
    typer.Option(
        help="Where Kubeflow Pipelines is installed (kubeflow); with --host, your own namespace."
    ),
]
Context = Annotated[str, typer.Option(help="A context of the kubeconfig; the current one.")]
Image = Annotated[str, typer.Option(help="The image for every step on a cluster.")]


def run(
    pipeline: Annotated[str, typer.Argument(help="training, monitoring or profiling")],
    window: Annotated[
        str, typer.Option(help="START..END of event time, END excluded; or a month like 2013-04.")
    ],
    spec: Spec = "",
    store: StoreOption = "",
    as_of: Annotated[
        str, typer.Option(help="Use only labels that had arrived by this time.")
    ] = "now",
    name: Annotated[
        str, typer.Option(help="The run's name; the same name carries on where it stopped.")
    ] = "",
    target: Annotated[str, typer.Option(help="Where to run: local or cluster.")] = "local",
    wait: Annotated[bool, typer.Option(help="On a cluster: follow the run to its end.")] = False,
    image: Image = "",
    host: Host = "",
    namespace: Namespace = "",
    context: Context = "",
    shards: Annotated[
        str, typer.Option(help="Profiling: into how many shards at most; auto goes by the bytes.")
    ] = "auto",
    parallelism: Annotated[
        str, typer.Option(help="Profiling: how many shards at the same time; auto for all.")
    ] = "auto",
    as_json: Json = False,
) -> None:
    """Run a pipeline, here or on Kubeflow Pipelines.

    Example: driftline run training --window 2013-01..2013-04

    Example: driftline run training --window 2013-01..2013-04 --target cluster --wait

    Example: driftline run profiling --window 2013-01..2014-01 --shards 12 --parallelism 4
    """
    from pipelines.compile import CHOICES, PIPELINES
    from pipelines.runs import pipeline_options

    check_target(target)
    if pipeline not in PIPELINES:
        raise UsageError(f"there is no pipeline {pipeline!r}; choose {CHOICES}")
    options = pipeline_options(pipeline, {"shards": shards, "parallelism": parallelism})
    request = _request(pipeline, window, spec, store, as_of, name, target, options)
    if target == "cluster":
        _run_there(request, image, (host, namespace, context), wait=wait, as_json=as_json)
        return
    for flag, given in {"image": image, "host": host, "context": context}.items():
        if given:
            raise UsageError(f"--{flag} is for --target cluster")
    _run_here(request, as_json=as_json)


def stop(
    run: Annotated[str, typer.Argument(help="The run's name, or its id.")],
    host: Host = "",
    namespace: Namespace = "",
    context: Context = "",
) -> None:
    """Stop a run on a cluster.

    Example: driftline stop training-20130401t120000-1f3a
    """
    from pipelines.cluster.address import address_from
    from pipelines.cluster.connect import connect
    from pipelines.cluster.stop import stop_run

    client = connect(address_from(_settings(), host, namespace, context))
    Console().say(stop_run(client, run))


def _settings() -> Settings:
    return Settings.read(os.environ)


def _request(
    pipeline: str,
    window: str,
    spec: str,
    store: str,
    as_of: str,
    name: str,
    target: str,
    options: dict[str, str],
) -> RunRequest:
    from components.alerting.send import unknown
    from components.core.window import Window, parse_time
    from components.spec.load import load_spec
    from components.spec.places import for_this_machine
    from pipelines.runs import RunRequest, new_name
    from pipelines.scheduling.targets import store_on_cluster

    settings = _settings()
    if as_of != "now":
        parse_time(as_of)
    loaded = load_spec(spec or settings.spec)
    for address in unknown(loaded.alerts.to):
        raise SpecError(f"alerts.to names {address!r}, which apprise does not know")
    request = RunRequest(
        pipeline=pipeline,
        spec=loaded if target == "cluster" else for_this_machine(loaded),
        store=store or (settings.store if target == "local" else store_on_cluster(settings)),
        window=Window.parse(window),
        as_of=as_of,
        name=name or new_name(pipeline),
        options=options,
    )
    if target == "local":
        return request
    from pipelines.cluster.run import for_cluster

    return for_cluster(request)


def _run_here(request: RunRequest, *, as_json: bool) -> None:
    from pipelines.runs import run_here

    console = Console(quiet=as_json)
    try:
        with console.task(f"{request.pipeline} {request.window}") as update:
            result = run_here(request, lambda task, state: _begun(update, task, state))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"the same command with --name {request.name} carries on") from None
    except DriftlineError as error:
        if as_json:
            console.say(json.dumps({"run": request.name, "error": str(error)}, indent=2))
        raise
    _say(console, result, {}, as_json=as_json)


def _begun(update: Callable[[str], None], task: str, state: str) -> None:
    if state == "begin":
        update(task)


def _run_there(
    request: RunRequest,
    image: str,
    place: tuple[str, str, str],
    *,
    wait: bool,
    as_json: bool,
) -> None:
    from pipelines.cluster import run as cluster
    from pipelines.cluster.address import address_from

    settings, console = _settings(), Console(quiet=as_json)
    address = address_from(settings, *place)
    began: dict[str, object] = {"run": request.name}
    try:
        with console.task(f"{request.pipeline} {request.window}") as update:
            update("submitting")
            there = cluster.start(request, address, image or settings.image)
            began = there.document()
            if not as_json:
                word = "is there already" if there.submitted.found else "submitted"
                console.note(f"run {there.submitted.name} {word}: {there.page}")
            if not wait:
                console.say(json.dumps(began, indent=2) if as_json else there.submitted.run_id)
                return
            result = cluster.wait(there, lambda step, word: _told(console, update, step, word))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_goes_on(request.name, began)) from None
    except DriftlineError as error:
        if as_json:
            console.say(json.dumps({**began, "error": str(error)}, indent=2))
        elif log := getattr(error, "log", ""):
            print(log, file=sys.stderr)
        raise
    _say(console, result, began, as_json=as_json)


def _told(console: Console, update: Callable[[str], None], step: str, word: str) -> None:
    if not step:
        console.note(word)
        return
    update(f"{step} {word}")
    console.step(step, word)


def _goes_on(name: str, began: dict[str, object]) -> str:
    if "run_id" not in began:
        return f"the same command with --name {name} finds what was submitted"
    return (
        f"the run goes on; the same command with --name {name} follows it, and 'driftline stop "
        f"{name}' ends it"
    )


def _say(console: Console, result: RunResult, more: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        console.say(json.dumps({**more, **result.document()}, indent=2))
        return
    for entry in result.entries:
        if entry.step != "notify" and not entry.step.startswith("profile_part_"):
            console.say(f"{entry.step:<23}  {entry.status:<7} {entry.headline}")
    console.say(result.line)
