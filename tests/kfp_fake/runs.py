"""Experiments and runs: created, listed, stopped; a run goes on each time it is looked at."""

import json

from google.protobuf.json_format import ParseDict, ParseError
from kfp.kubernetes.kubernetes_executor_config_pb2 import KubernetesExecutorConfig

from tests.kfp_fake import listing
from tests.kfp_fake.refusals import (
    EXISTS,
    INTERNAL,
    RefusedError,
    invalid,
    not_found,
)
from tests.kfp_fake.workflow import Workflow

_EXPERIMENT_FIELDS = {
    "experiment_id": "experiment_id",
    "id": "experiment_id",
    "name": "display_name",
    "display_name": "display_name",
    "created_at": "created_at",
    "last_run_created_at": "last_run_created_at",
    "description": "description",
    "namespace": "namespace",
    "storage_state": "storage_state",
}
_RUN_FIELDS = {
    "run_id": "run_id",
    "id": "run_id",
    "name": "display_name",
    "display_name": "display_name",
    "created_at": "created_at",
    "finished_at": "finished_at",
    "description": "description",
    "scheduled_at": "scheduled_at",
    "storage_state": "storage_state",
    "namespace": "_namespace",
    "experiment_id": "experiment_id",
    "state": "state",
    "recurring_run_id": "recurring_run_id",
}
_NEVER = "1970-01-01T00:00:00Z"
_TYPES = {"STRING": str, "NUMBER_INTEGER": (int, float), "NUMBER_DOUBLE": (int, float),
          "BOOLEAN": bool, "LIST": list, "STRUCT": dict}  # fmt: skip
STOPPABLE = ("PENDING", "RUNNING", "PAUSED")


def create_experiment(kfp, match, query, body):
    name, namespace = body.get("display_name", ""), body.get("namespace", "")
    if not name:
        raise invalid("Experiment name is empty. Please specify a valid experiment name")
    if kfp.multi_user and not namespace:
        raise invalid("Namespace cannot be empty")
    namespace = namespace if kfp.multi_user else ""
    for each in kfp.experiments.values():
        if (each["display_name"].lower(), each["namespace"]) == (name.lower(), namespace):
            message = f"Failed to create a new experiment. The name {name} already exists."
            raise RefusedError(EXISTS, f"{message} Please specify a new name")
    shown = {
        "experiment_id": kfp.new_id(),
        "display_name": name,
        "description": body.get("description", ""),
        "created_at": kfp.now(),
        "last_run_created_at": _NEVER,
        "namespace": namespace,
        "storage_state": "AVAILABLE",
    }
    kfp.experiments[shown["experiment_id"]] = shown
    return shown


def list_experiments(kfp, match, query, body):
    namespace = query.get("namespace", "")
    if kfp.multi_user and not namespace:
        raise invalid("An experiment cannot have an empty namespace in multi-user mode")
    rows = [
        each
        for each in kfp.experiments.values()
        if each["namespace"] == (namespace if kfp.multi_user else "")
    ]
    found = listing.page(rows, query, _EXPERIMENT_FIELDS, "experiment_id")
    return listing.answer("experiments", *found)


def get_experiment(kfp, match, query, body):
    return _experiment(kfp, match["experiment"])


def create_run(kfp, match, query, body):
    """A run of a version, or of a spec that comes with it; owned by a recurring run or by none."""
    try:
        return start(kfp, body)
    except RefusedError as refused:
        raise refused.wrapped("Failed to create a new run") from None


def start(kfp, body, run_id=""):
    """Start a run as the API server does, whoever asked for it."""
    name = body.get("display_name", "")
    if not name:
        raise RefusedError(INTERNAL, "Run name cannot be empty")
    experiment = _experiment(kfp, body.get("experiment_id", "")) if kfp.multi_user or body.get(
        "experiment_id"
    ) else kfp.default_experiment()  # fmt: skip
    version, spec, platform = source(kfp, body)
    parameters = (body.get("runtime_config") or {}).get("parameters") or {}
    check_inputs(spec, parameters)
    _check_platform(platform)
    created = kfp.now()
    shown = {
        "run_id": run_id or kfp.new_id(),
        "experiment_id": experiment["experiment_id"],
        "display_name": name,
        "description": body.get("description", ""),
        "service_account": body.get("service_account") or "pipeline-runner",
        "runtime_config": body.get("runtime_config"),
        "storage_state": "AVAILABLE",
        "state": "PENDING",
        "state_history": [{"update_time": created, "state": "PENDING"}],
        "created_at": created,
        "scheduled_at": created,
        "finished_at": _NEVER,
        "recurring_run_id": body.get("recurring_run_id"),
        **version,
        "_namespace": experiment["namespace"],
        "_workflow": Workflow(spec, kfp.acts, kfp.now),
    }
    kfp.runs[shown["run_id"]] = shown
    experiment["last_run_created_at"] = created
    return show(shown)


def get_run(kfp, match, query, body):
    run = _run(kfp, match["run"], "Failed to get a run")
    go_on(kfp, run)
    return show(run)


def list_runs(kfp, match, query, body):
    experiment, namespace = query.get("experiment_id", ""), query.get("namespace", "")
    if kfp.multi_user and not experiment and not namespace:
        raise invalid("A run cannot have an empty namespace in multi-user mode")
    if experiment:
        _experiment(kfp, experiment)
    rows = [
        each
        for each in kfp.runs.values()
        if (not experiment or each["experiment_id"] == experiment)
        and (experiment or not kfp.multi_user or each["_namespace"] == namespace)
    ]
    found, total, following = listing.page(rows, query, _RUN_FIELDS, "run_id")
    return listing.answer("runs", [show(each) for each in found], total, following)


def terminate_run(kfp, match, query, body):
    run = _run(kfp, match["run"], "Failed to terminate a run")
    if run["state"] not in STOPPABLE:
        message = f"Failed to terminate a run {run['run_id']}. Row not found"
        raise invalid(
            message, "Failed to terminate a run", f"Failed to terminate run {run['run_id']}"
        )
    run["state"] = "CANCELING"  # the history is written when the workflow reports it
    run["_workflow"].stop()
    return {}


def delete_run(kfp, match, query, body):
    del kfp.runs[_run(kfp, match["run"], "Failed to delete a run")["run_id"]]
    return {}


def archive_run(kfp, match, query, body):
    _run(kfp, match["run"], "Failed to archive a run")["storage_state"] = "ARCHIVED"
    return {}


ROUTES = [
    ("POST", "/experiments", create_experiment),
    ("GET", "/experiments", list_experiments),
    ("GET", "/experiments/(?P<experiment>[^/:]+)", get_experiment),
    ("POST", "/runs", create_run),
    ("GET", "/runs", list_runs),
    ("GET", "/runs/(?P<run>[^/:]+)", get_run),
    ("DELETE", "/runs/(?P<run>[^/:]+)", delete_run),
    ("POST", "/runs/(?P<run>[^/:]+):terminate", terminate_run),
    ("POST", "/runs/(?P<run>[^/:]+):archive", archive_run),
]


def go_on(kfp, run):
    """What the persistence agent reports: the workflow's next state, with its tasks."""
    workflow = run["_workflow"]
    if workflow.ended:
        return
    workflow.advance()
    state = workflow.state
    if state != run["state_history"][-1]["state"]:
        if state == "RUNNING":  # the workflow was reported once before Argo had seen it
            run["state_history"].append({"update_time": kfp.now()})
        run["state_history"].append({"update_time": kfp.now(), "state": state})
    run["state"] = state
    if workflow.ended:
        run["finished_at"] = kfp.now()


def show(run):
    shown = {key: value for key, value in run.items() if not key.startswith("_")}
    if tasks := run["_workflow"].tasks(run["run_id"]):
        shown["run_details"] = {"task_details": tasks}
    return json.loads(json.dumps({key: value for key, value in shown.items() if value}))


def source(kfp, body):
    """What a run is of: `(the fields that say so, the pipeline's spec, its platform's spec)`."""
    reference = body.get("pipeline_version_reference") or {}
    version = reference.get("pipeline_version_id", "")
    if version:
        found = kfp.versions.get(version)
        pipeline = reference.get("pipeline_id", "")
        if found is None or pipeline not in ("", found["pipeline_id"]):
            # A not-found or an invalid one inside, an internal error outside.
            raise RefusedError(INTERNAL, "Failed to create a run due to error fetching manifest")
        named = {key: found[key] for key in ("pipeline_id", "pipeline_version_id")}
        return {"pipeline_version_reference": named}, *_documents(found["pipeline_spec"])
    if body.get("pipeline_spec"):
        return {"pipeline_spec": body["pipeline_spec"]}, *_documents(body["pipeline_spec"])
    raise RefusedError(INTERNAL, "Failed to create a run due to error fetching manifest")


def check_inputs(spec, given):
    """Refuse parameters that are missing, unknown or of another type."""
    wanted = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    wraps = ("Failed to generate the ExecutionSpec", "invalid pipeline job inputs")
    for name, each in wanted.items():
        if name not in given:
            if not each.get("isOptional") and "defaultValue" not in each:
                message = f"parameter {name} is not optional, yet has neither default value"
                raise invalid(f"{message} nor user provided value", *wraps)
        elif not isinstance(given[name], _TYPES[each["parameterType"]]):
            kind = each["parameterType"].lower()
            raise invalid(f"input parameter {name} requires type {kind}", *wraps)
    if extra := sorted(given.keys() - wanted.keys()):
        message = f"parameter(s) provided are not required by pipeline: {', '.join(extra)}"
        raise invalid(message, *wraps)


def _check_platform(platform):
    kubernetes = (platform or {}).get("platforms", {}).get("kubernetes", {})
    for each in kubernetes.get("deploymentSpec", {}).get("executors", {}).values():
        try:
            ParseDict(each, KubernetesExecutorConfig())
        except ParseError:
            message = "Failed to unmarshal kubernetes config"
            raise RefusedError(INTERNAL, message, "Failed to generate the ExecutionSpec") from None


def _documents(found):
    if "platform_spec" in found:
        return found["pipeline_spec"], found["platform_spec"]
    return found, None


def _experiment(kfp, name):
    if name not in kfp.experiments:
        if kfp.multi_user and not name:
            raise invalid("Experiment id can not be empty in multi-user mode")
        raise not_found("Experiment", name)
    return kfp.experiments[name]


def _run(kfp, name, wrap):
    if name not in kfp.runs:
        raise not_found("Run", name).wrapped(wrap)
    return kfp.runs[name]
