"""The command that writes what a cluster's administrator grants, for kubectl to apply."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from components.core.errors import UsageError
from pipelines.console import Console


def permissions(
    namespace: Annotated[
        str, typer.Option(help="Where the models are served.")
    ] = "driftline-development",
    model: Annotated[
        list[str] | None, typer.Option(help="A model to be deployed there; again for each.")
    ] = None,
    api_server: Annotated[
        list[str] | None,
        typer.Option(help="An address, or a network, of the API server; again for each."),
    ] = None,
    account: Annotated[
        str, typer.Option(help="Who deploys, as NAMESPACE:NAME.")
    ] = "kubeflow:driftline-deployer",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write the Role that deploys each model, and the policy that lets the API server watch it.

    Example: driftline permissions --model flights | kubectl apply --server-side -f -
    """
    from components.release.kubernetes.permissions import (
        Account,
        api_server_access,
        model_permissions,
    )

    if not model and not api_server:
        raise UsageError("nothing to permit; name a model with --model, or --api-server ADDRESS")
    deployer = Account.parse(account)
    manifests = [
        manifest
        for name in sorted(set(model or []))
        for manifest in model_permissions(name, namespace, deployer)
    ]
    if api_server:
        manifests.append(api_server_access(api_server, namespace))
    if as_json:
        whole = {"apiVersion": "v1", "kind": "List", "items": manifests}
        Console().say(json.dumps(whole, indent=2))
        return
    import yaml

    plain = json.loads(json.dumps(manifests))  # YAML would refer to the parts that they share
    Console().say(yaml.safe_dump_all(plain, sort_keys=False).rstrip())
