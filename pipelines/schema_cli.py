"""The commands that show the schema which windows are held against, and widen it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated

import typer

from components.core.errors import UsageError
from pipelines.console import Console
from pipelines.settings import Settings

if TYPE_CHECKING:
    from components.core.storage import Store
    from components.spec.model import Spec as ModelSpec

app = typer.Typer(
    help="What a window must look like, and how to make a wanted change part of it.",
    no_args_is_help=True,
)

Spec = Annotated[str, typer.Option(help="The spec that describes the model.")]
StoreOption = Annotated[str, typer.Option(help="The store: a folder or any fsspec address.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command("show")
def show_schema(spec: Spec = "", store: StoreOption = "", as_json: Json = False) -> None:
    """Show the champion's schema, with the changes that were accepted since.

    Example: driftline schema show --store .driftline/demo
    """
    from pipelines.schemas import read_schema

    shown = read_schema(*_place(spec, store))
    console = Console()
    if as_json:
        console.say(json.dumps(shown.document(), indent=2))
        return
    for line in shown.lines():
        console.say(line)


@app.command("accept")
def accept_schema(
    window: Annotated[
        str, typer.Option(help="The window, as it was checked: START..END, or a month.")
    ],
    reason: Annotated[str, typer.Option(help="Why the change is wanted; kept with it.")],
    column: Annotated[
        list[str] | None,
        typer.Option(help="Only this column, may be repeated; all flagged ones by default."),
    ] = None,
    spec: Spec = "",
    store: StoreOption = "",
    as_json: Json = False,
) -> None:
    """Make what the check flagged in a window part of the reference.

    Later windows are held against the champion's schema with this window's types, ranges,
    categories and shares of missing values, until a champion has learned them itself. The release
    is not changed.

    Example: driftline schema accept --window 2013-05 --reason "a new airline"
    """
    from components.core.window import Window
    from components.release.accepted import AcceptedSchemas
    from components.release.targets import open_target

    asked = Window.parse(window)
    if not reason.strip():
        raise UsageError("--reason is empty; say why the change is wanted")
    place, loaded = _place(spec, store)
    schema = open_target(loaded, place).require_champion().schema
    change = AcceptedSchemas(place, loaded.model).accept(asked, column or [], reason, schema)
    console = Console()
    if as_json:
        console.say(change.model_dump_json(indent=2))
    elif change.names:
        console.say(f"accepted from {asked}: {', '.join(change.names)}")
    else:
        console.say(f"nothing to accept from {asked}: no column is flagged that was not accepted")


def _place(spec: str, store: str) -> tuple[Store, ModelSpec]:
    from components.core.storage import Store
    from components.spec.load import load_spec

    settings = Settings.read(os.environ)
    return Store(store or settings.store), load_spec(spec or settings.spec)
