"""The command that lets alerts and CI jobs start runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from components.core.errors import UsageError
from pipelines.settings import Settings


def trigger(
    pipeline: Annotated[
        str, typer.Option(help="What an alert asks for: monitoring, or training at once.")
    ] = "monitoring",
    target: Annotated[str, typer.Option(help="Where to run: local or cluster.")] = "local",
    listen: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 9000,
    token_file: Annotated[
        Path | None, typer.Option(help="Callers have to send the token in this file as a bearer.")
    ] = None,
    image: Annotated[str, typer.Option(help="The image for every step, on a cluster.")] = "",
    spec: Annotated[str, typer.Option(help="The spec that describes the model.")] = "",
    store: Annotated[str, typer.Option(help="The store: a folder or any fsspec address.")] = "",
    host: Annotated[str, typer.Option(help="Kubeflow Pipelines' address.")] = "",
    namespace: Annotated[str, typer.Option(help="Where it is installed.")] = "",
    context: Annotated[str, typer.Option(help="The kubeconfig's context.")] = "",
) -> None:
    """Start runs when Alertmanager or a CI job asks for them, each once, within the budget.

    POST /alertmanager takes Alertmanager's webhook, POST /run a CI job's request with an
    Idempotency-Key, GET /run/NAME tells what became of a run, GET /healthz whether it works.

    Example: driftline trigger --token-file token --pipeline training
    """
    from components.spec.load import load_spec
    from pipelines.scheduling.asking import Reader
    from pipelines.scheduling.targets import open_desk
    from pipelines.scheduling.trigger import Trigger, serve

    if pipeline not in ("monitoring", "training"):
        raise UsageError(f"there is no pipeline {pipeline!r}; choose monitoring or training")
    settings = Settings.read(os.environ)
    loaded = load_spec(spec or settings.spec)
    with open_desk(
        loaded,
        store,
        target,
        settings,
        image=image,
        place=(host, namespace, context),
    ) as (desk, stop):
        reader = Reader(desk.spec, "training" if pipeline == "training" else "monitoring")
        serve(Trigger(desk, reader, token_file), listen, port, stop)
