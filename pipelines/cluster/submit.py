"""From a request to a run on the server: one, however often it is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import kfp_server_api

from components.core.errors import ClusterError, SpecError, UsageError
from pipelines.cluster.patience import Patience
from pipelines.cluster.refusals import TakenError, said
from pipelines.cluster.versions import by_name, ensure_version
from pipelines.compile import documents

SUCCEEDED = "SUCCEEDED"
FINAL = frozenset({SUCCEEDED, "FAILED", "SKIPPED", "CANCELED"})
# A step gets its parameters, escaped, as one argument; Linux takes 128 KiB of it.
_LARGEST_SPEC = 80_000
_PAGE = 50


@dataclass(frozen=True)
class Submitted:
    """A run on the server; `found` where it was there before."""

    run_id: str
    name: str
    experiment: str
    version: str
    state: str
    found: bool


def submit(
    client: Any,
    text: str,
    name: str,
    model: str,
    parameters: Mapping[str, str],
    patience: Patience | None = None,
    again: Callable[[], object] = lambda: None,
) -> Submitted:
    """Upload a pipeline where its content is new, and run it.

    A run of that name is taken for this one, unless it failed: then it is run again, and carries
    on. So a request that got no answer may be sent again.

    Args:
        client: made by `connect`.
        text: the pipeline's IR YAML.
        name: the run's name.
        model: the spec's model; each has an experiment of its own.
        parameters: the pipeline's parameters.
        patience: how to go on after a server that did not answer.
        again: called before a run of a name is created that an earlier run had.

    Raises:
        UsageError: when a run of that name has other parameters.
        SpecError: when the spec is too large for a parameter.
        ClusterError: when the server cannot be asked, or refuses.
    """
    _check_size(parameters)
    tries = patience or Patience()
    ir = documents(text)[0]
    pipeline = str(ir["pipelineInfo"]["name"])
    pipeline_id, version_id = ensure_version(
        client, pipeline, text, description=_described(ir), patience=tries
    )
    experiment = f"driftline-{model}"
    experiment_id = tries.call(lambda: ensure_experiment(client, experiment))
    body = kfp_server_api.V2beta1Run(
        display_name=name,
        experiment_id=experiment_id,
        pipeline_version_reference=kfp_server_api.V2beta1PipelineVersionReference(
            pipeline_id=pipeline_id, pipeline_version_id=version_id
        ),
        runtime_config=kfp_server_api.V2beta1RuntimeConfig(parameters=dict(parameters)),
        service_account=client.address.account,
    )
    earlier = find_runs(client, experiment_id, name, tries)
    if alive := _oldest_alive(earlier):
        _check_same(alive, parameters)
        return _submitted(alive, experiment, found=True)
    if earlier:
        again()
    known = {run.run_id for run in earlier}
    made = tries.call(lambda: _create(client, experiment_id, body, known))
    return _submitted(_only_one(client, experiment_id, made, tries), experiment, found=False)


def ensure_experiment(client: Any, name: str) -> str:
    """The id of the experiment of that name, which is created where there is none."""
    for _ in range(2):
        with said(client.address, f"looking for the experiment {name}"):
            found = client.list_experiments(
                filter=by_name("display_name", name), namespace=client.get_user_namespace()
            ).experiments
            if found:
                return str(found[0].experiment_id)
        body = kfp_server_api.V2beta1Experiment(
            display_name=name, namespace=client.get_user_namespace()
        )
        try:
            with said(client.address, f"creating the experiment {name}"):
                made = client.experiments.experiment_service_create_experiment(experiment=body)
                return str(made.experiment_id)
        except TakenError as error:  # somebody made it between the two: look again
            taken = error
    raise taken


def find_runs(client: Any, experiment_id: str | None, name: str, tries: Patience) -> list[Any]:
    """All runs of a name, oldest first."""
    found: list[Any] = []
    token = ""
    while True:

        def once(token: str = token) -> Any:
            with said(client.address, f"looking for the run {name}"):
                return client.list_runs(
                    page_token=token,
                    page_size=_PAGE,
                    sort_by="created_at",
                    experiment_id=experiment_id,
                    namespace=client.get_user_namespace(),
                    filter=by_name("display_name", name),
                )

        answer = tries.call(once)
        found += answer.runs or []
        token = answer.next_page_token or ""
        if not token:
            # The database compares without regard to case.
            exact = [run for run in found if run.display_name == name]
            return sorted(exact, key=lambda run: (run.created_at, run.run_id))


def _create(client: Any, experiment_id: str, body: Any, known: set[str]) -> Any:
    """Create a run; one that an attempt without an answer had made is taken."""
    again = Patience(longest_s=0)
    for run in find_runs(client, experiment_id, body.display_name, again):
        if run.run_id not in known:
            return run
    with said(client.address, f"creating the run {body.display_name}"):
        return client.runs.run_service_create_run(run=body)


def _only_one(client: Any, experiment_id: str, made: Any, tries: Patience) -> Any:
    """Where two asked for a run at the same moment, the older one stays."""
    first = _oldest_alive(find_runs(client, experiment_id, made.display_name, tries))
    if first is None or first.run_id == made.run_id:
        return made
    try:
        with said(client.address, f"stopping the second run {made.display_name}"):
            client.terminate_run(made.run_id)
    except ClusterError:
        with said(client.address, "looking at it"):
            if client.get_run(made.run_id).state not in FINAL:
                raise
    return first


def _oldest_alive(runs: list[Any]) -> Any | None:
    return next((run for run in runs if run.state not in (*FINAL - {SUCCEEDED}, "CANCELING")), None)


def _check_same(run: Any, parameters: Mapping[str, str]) -> None:
    there = (run.runtime_config.parameters if run.runtime_config else None) or {}
    differing = sorted(key for key, value in parameters.items() if there.get(key) != value)
    if differing:
        raise UsageError(
            f"there is a run {run.display_name!r} already, whose {differing[0]} is not this one's; "
            "choose another --name, or leave it out"
        )


def _check_size(parameters: Mapping[str, str]) -> None:
    size = len(json.dumps(parameters["spec"]))
    if size > _LARGEST_SPEC:
        raise SpecError(
            f"the spec takes {size:,} bytes as a parameter, and a step can be given "
            f"{_LARGEST_SPEC:,}; shorten its lists, or its query"
        )


def _submitted(run: Any, experiment: str, *, found: bool) -> Submitted:
    reference = run.pipeline_version_reference
    return Submitted(
        run_id=str(run.run_id),
        name=str(run.display_name),
        experiment=experiment,
        version=str(reference.pipeline_version_id) if reference else "",
        state=str(run.state or "PENDING"),
        found=found,
    )


def _described(ir: Mapping[str, Any]) -> str:
    images = {
        each["container"]["image"] for each in ir["deploymentSpec"].get("executors", {}).values()
    }
    return ", ".join(sorted(images))
