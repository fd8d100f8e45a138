"""Stop a run on the server, by its name or its id."""

from __future__ import annotations

import re
from typing import Any

from components.core.errors import UsageError
from pipelines.cluster.patience import Patience
from pipelines.cluster.refusals import GoneError, said
from pipelines.cluster.submit import FINAL, find_runs

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def stop_run(client: Any, name: str) -> str:
    """Stop the latest run of a name that has not ended, or the run of an id.

    Returns:
        What became of it, in a sentence.

    Raises:
        UsageError: when there is no such run.
        ClusterError: when the server cannot be asked, or refuses.
    """
    runs = _by_id(client, name) if _ID.fullmatch(name) else _by_name(client, name)
    if not runs:
        raise UsageError(f"there is no run {name!r} on that Kubeflow Pipelines")
    run = next((each for each in reversed(runs) if each.state not in FINAL), runs[-1])
    if run.state in FINAL:
        return f"run {run.display_name} has ended already: {run.state.lower()}"
    with said(client.address, f"stopping the run {name}"):
        client.terminate_run(run.run_id)
    return f"run {run.display_name} is being stopped: {client.address.run_page(run.run_id)}"


def _by_id(client: Any, run_id: str) -> list[Any]:
    try:
        with said(client.address, f"looking for the run {run_id}"):
            return [client.get_run(run_id)]
    except GoneError:
        return []


def _by_name(client: Any, name: str) -> list[Any]:
    return find_runs(client, None, name, Patience())
