"""The command line: it reads flags, forwards, and turns errors into one line and an exit code."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from components.core.errors import DriftlineError, UsageError
from pipelines.console import Console
from pipelines.permissions_cli import permissions
from pipelines.releases_cli import app as releases
from pipelines.run_cli import run, stop
from pipelines.schedule_cli import app as schedule
from pipelines.schema_cli import app as schema
from pipelines.settings import Settings
from pipelines.trigger_cli import trigger


class _Commands(TyperGroup):
    """Turns an error that a user can mend into one line and an exit code."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override] # typer's own Context
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            remedy = str(stop) or "the same command carries on"
            print(f"driftline: interrupted; {remedy}", file=sys.stderr)
            sys.exit(130)
        except DriftlineError as error:
            print(f"driftline: {error}", file=sys.stderr)
            sys.exit(2 if isinstance(error, UsageError) else 1)


app = typer.Typer(
    name="driftline",
    cls=_Commands,
    help="Drift-aware continuous training on Kubeflow Pipelines.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(run)
app.command()(stop)
app.add_typer(releases, name="releases")
app.add_typer(schema, name="schema")
app.add_typer(schedule, name="schedule")
app.command()(permissions)
app.command()(trigger)

Spec = Annotated[str, typer.Option(help="The spec that describes the model.")]
StoreOption = Annotated[str, typer.Option(help="The store: a folder or any fsspec address.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def _settings() -> Settings:
    return Settings.read(os.environ)


@app.command("compile")
def compile_command(
    pipeline: Annotated[
        str, typer.Argument(help="training, monitoring or profiling; all by default")
    ] = "",
    output: Annotated[Path, typer.Option(help="The folder for the YAML.")] = Path("compiled"),
    image: Annotated[str, typer.Option(help="The image for every step.")] = "",
    spec: Annotated[str, typer.Option(help="The spec whose cluster part the steps follow.")] = "",
    as_json: Json = False,
) -> None:
    """Write the pipelines' IR YAML, as a cluster runs it; no cluster is needed.

    Example: driftline compile training --output compiled --image ghcr.io/dora/driftline:1.0
    """
    from components.spec.load import load_spec
    from pipelines.compile import PIPELINES, compile_pipelines

    names = [pipeline] if pipeline else list(PIPELINES)
    loaded = load_spec(spec or _settings().spec)
    files = compile_pipelines(names, output, image or _settings().image, loaded)
    console = Console()
    if as_json:
        console.say(json.dumps({"files": [str(file) for file in files]}))
        return
    for file in files:
        console.say(str(file))


@app.command()
def demo(
    months: Annotated[int, typer.Option(min=1, max=9, help="How many months to watch.")] = 3,
    store: StoreOption = ".driftline/demo",
    spec: Spec = "",
    fresh: Annotated[bool, typer.Option(help="Forget what earlier starts did.")] = False,
) -> None:
    """Train on real flights, deploy, then watch month after month.

    Example: driftline demo --months 3
    """
    from pipelines.demo import play

    play(spec or _settings().spec, store, months, fresh=fresh, console=Console())


@app.command()
def serve(
    spec: Spec = "",
    store: StoreOption = "",
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8080,
    wait: Annotated[bool, typer.Option(help="Wait where nothing is deployed yet.")] = False,
    drain: Annotated[
        float, typer.Option(min=0, help="Go on answering so many seconds after SIGTERM.")
    ] = 3.0,
    log: Annotated[bool, typer.Option(help="Log predictions into the store.")] = True,
    token_file: Annotated[
        Path | None, typer.Option(help="Clients have to send the token in this file as a bearer.")
    ] = None,
    access_log: Annotated[bool, typer.Option(help="Log every request.")] = False,
    url: Annotated[
        str, typer.Option(help="Where others reach this server, if not by --host and --port.")
    ] = "",
) -> None:
    """Serve the champion, switch to what is deployed later, and log predictions into the store.

    Example: driftline serve --port 8080
    """
    from components.core.storage import Store
    from components.serving.options import Settings as ServerSettings
    from components.serving.options import read_token
    from components.spec.load import load_spec
    from pipelines.serving import serve_champion

    place = Store(store or _settings().store)
    loaded = load_spec(spec or _settings().spec)
    settings = ServerSettings(
        host=host,
        port=port,
        log_store=place if log else None,
        allowed_prefixes=loaded.estimator.allowed_prefixes,
        drain_s=drain,
        token=read_token(token_file) if token_file else None,
        access_log=access_log,
    )
    serve_champion(place, loaded, settings, wait=wait, url=url)


def main() -> None:
    """Run the command line; the exit code is 0 for done, 1 for a failure, 2 for wrong usage."""
    app()
