"""The commands about releases: what is deployed, what was, and back again."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from components.core.errors import ReleaseError
from components.core.words import count_of
from pipelines.console import Console
from pipelines.settings import Settings, check_target

if TYPE_CHECKING:
    from components.core.storage import Store
    from components.release.target import Progress, Target
    from components.spec.model import Spec as SpecModel

app = typer.Typer(help="What is deployed, what was, and back again.", no_args_is_help=True)
_WHERE: ContextVar[tuple[str, ExitStack]] = ContextVar("where the releases are")


@app.callback()
def place(
    context: typer.Context,
    target: Annotated[
        str,
        typer.Option(
            help="Whose releases: of runs here (local), or on the kubeconfig's cluster (cluster)."
        ),
    ] = "local",
) -> None:
    """What is deployed, what was, and back again.

    Example: driftline releases --target cluster list
    """
    check_target(target)
    # Typer gives its context to callbacks alone; the ways that a command opens end with it.
    _WHERE.set((target, context.with_resource(ExitStack())))


Spec = Annotated[str, typer.Option(help="The spec that describes the model.")]
StoreOption = Annotated[str, typer.Option(help="The store: a folder or any fsspec address.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Reason = Annotated[str, typer.Option(help="Kept in the history.")]

_BY_HAND = "asked for by hand"
_RUN = "command line"
_NONE = "no releases yet; train one with 'driftline run training'"


@app.command("list")
def list_releases(spec: Spec = "", store: StoreOption = "", as_json: Json = False) -> None:
    """List every release, and which one is the champion.

    Example: driftline releases list --store .driftline/demo
    """
    from pipelines.history import list_rows

    target, console = _target(spec, store), Console()
    target.repair(console.note)
    rows = list_rows(target)
    if as_json:
        console.say(json.dumps(rows, indent=2))
    elif rows:
        console.table(rows)
    else:
        console.say(_NONE)


@app.command("show")
def show_release(
    version: Annotated[str, typer.Argument(help="A release; the champion by default.")] = "",
    html: Annotated[
        Path | None, typer.Option(help="Write the card there, as a page to open or to pass on.")
    ] = None,
    spec: Spec = "",
    store: StoreOption = "",
    as_json: Json = False,
) -> None:
    """Show a release's model card.

    Example: driftline releases show --html card.html
    """
    from pipelines.history import show, write_page

    release = show(_target(spec, store), version)
    console = Console()
    if html is not None:
        write_page(release, html)
    if as_json:
        console.say(release.manifest.model_dump_json(indent=2))
    elif html is None:
        console.say(release.text("card.md"))
    else:
        console.say(str(html))


@app.command("verify")
def verify_releases(
    version: Annotated[str, typer.Argument(help="Only this release; all by default.")] = "",
    spec: Spec = "",
    store: StoreOption = "",
    as_json: Json = False,
) -> None:
    """Read every file of the releases, and say which are not what was packaged.

    Example: driftline releases verify
    """
    from pipelines.history import verify_rows

    console = Console(quiet=as_json)
    with console.task("verifying"):
        rows = verify_rows(_target(spec, store), version)
    if as_json:
        console.say(json.dumps(rows, indent=2))
    else:
        for row in rows:
            console.say(f"{row['version']}  {row['problem'] or 'intact'}")
        if not rows:
            console.say(_NONE)
    if damaged := [row["version"] for row in rows if row["problem"]]:
        raise ReleaseError(
            f"damaged: {len(damaged)} of {count_of(len(rows), 'release')}: {', '.join(damaged)}"
        )


@app.command("status")
def show_status(spec: Spec = "", store: StoreOption = "", as_json: Json = False) -> None:
    """Say what is served at this moment, server by server.

    Example: driftline releases status
    """
    from pipelines.history import status_document, status_lines

    target, console = _target(spec, store), Console()
    target.repair(console.note)
    status, current = target.status(), target.current()
    if as_json:
        console.say(json.dumps(status_document(status, current), indent=2))
        return
    for line in status_lines(status, current):
        console.say(line)


@app.command("deploy")
def deploy(
    version: Annotated[str, typer.Argument(help="A release of the store.")],
    reason: Reason = _BY_HAND,
    spec: Spec = "",
    store: StoreOption = "",
    as_json: Json = False,
) -> None:
    """Make a release of the store the champion, and wait until it is served and was watched.

    It was proven when it was packaged; against the present champion it is not compared again.

    Example: driftline releases deploy 2013-07-01-dd3d9b4c --reason "the others were worse"
    """
    target = _target(spec, store)
    before = target.current()
    expected = before.version if before else None
    if expected == version:
        raise ReleaseError(f"release {version} is deployed already")
    console = Console(quiet=as_json)
    with console.task(f"deploying {version}") as update:
        last = _Last(update)
        after = target.deploy(version, expected=expected, run=_RUN, reason=reason, progress=last)
    if as_json:
        console.say(after.model_dump_json(indent=2))
        return
    console.say(f"{after.version} is the champion now, instead of {expected or 'nothing'}")
    console.say(last.sentence)


@app.command("rollback")
def rollback(
    to: Annotated[str, typer.Option(help="A release; by default the one before.")] = "",
    reason: Reason = _BY_HAND,
    spec: Spec = "",
    store: StoreOption = "",
    as_json: Json = False,
) -> None:
    """Serve an earlier release again.

    Example: driftline releases rollback --reason "complaints from Denver"
    """
    target = _target(spec, store)
    before = target.current()
    console = Console(quiet=as_json)
    with console.task("rolling back") as update:
        last = _Last(update)
        after = target.rollback(to or None, run=_RUN, reason=reason, progress=last)
    if as_json:
        console.say(after.model_dump_json(indent=2))
        return
    replaced = before.version if before else "-"
    console.say(f"{after.version} is the champion again, instead of {replaced}")
    console.say(last.sentence)


@app.command("gc")
def collect_garbage(
    keep: Annotated[int, typer.Option(min=0, help="How many of the last deployed stay.")] = 5,
    age: Annotated[str, typer.Option(help="What is younger stays, 1h at least.")] = "7d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    spec: Spec = "",
    store: StoreOption = "",
    as_json: Json = False,
) -> None:
    """Remove old releases and what interrupted work left behind.

    The champion stays, what servers answer with, the last of the history, and whatever is young.

    Example: driftline releases gc --keep 3 --age 30d --dry-run
    """
    from components.core.window import parse_duration
    from components.release.collect import collect

    place, model = _place(spec, store)
    console = Console(quiet=as_json)
    with console.task("looking for what nobody needs") as update:
        found = collect(
            _target(spec, store),
            place,
            model,
            keep=keep,
            age=parse_duration(age),
            dry_run=dry_run,
            progress=update,
        )
    if as_json:
        console.say(found.model_dump_json(indent=2))
        return
    for each in [*found.releases, *found.incomplete, *found.files]:
        console.say(each)
    console.say(f"{'would be removed' if dry_run else 'removed'}: {found.headline}")


class _Last:
    """Passes progress on, and keeps the last sentence: how it ended."""

    def __init__(self, update: Progress) -> None:
        self._update = update
        self.sentence = ""

    def __call__(self, sentence: str) -> None:
        self.sentence = sentence
        self._update(sentence)


def _place(spec: str, store: str) -> tuple[Store, str]:
    place, loaded = _opened(spec, store)
    return place, loaded.model


def _target(spec: str, store: str) -> Target:
    from components.release.targets import open_target

    place, loaded = _opened(spec, store)
    return open_target(loaded, place)


def _opened(spec: str, store: str) -> tuple[Store, SpecModel]:
    """The store and the spec; a cluster's store is reached until the command ends."""
    from components.core.storage import Store
    from components.spec.load import load_spec

    settings = Settings.read(os.environ)
    loaded = load_spec(spec or settings.spec)
    address = store or settings.store
    where, stack = _WHERE.get()
    if where == "cluster":
        from components.spec.places import for_a_cluster
        from pipelines.cluster.address import KfpAddress
        from pipelines.cluster.store import reaching
        from pipelines.scheduling.targets import store_on_cluster

        address = store or store_on_cluster(settings)
        kubeflow = KfpAddress(namespace=settings.kfp_namespace)
        stack.enter_context(reaching(address, kubeflow, loaded.cluster.store_secret))
        loaded = for_a_cluster(loaded, address)
    return Store(address), loaded
