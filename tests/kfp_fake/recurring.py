"""Recurring runs: created, listed, switched, deleted; the controller fires when it is told to."""

import json
import time

from tests.kfp_fake import listing, runs
from tests.kfp_fake.refusals import INTERNAL, RefusedError, invalid, not_found

_FIELDS = {
    "recurring_run_id": "recurring_run_id",
    "id": "recurring_run_id",
    "name": "display_name",
    "display_name": "display_name",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "description": "description",
}
_WRAP = "Failed to create a recurring run"


def create(kfp, match, query, body):
    """A recurring run of a version that stays the same."""
    name = body.get("display_name", "")
    if not name:
        raise RefusedError(INTERNAL, "Recurring run's name cannot be empty", _WRAP)
    _check_times(body)
    experiment = _experiment(kfp, body)
    version, spec, _ = runs.source(kfp, body)
    config = body.get("runtime_config") or {}
    runs.check_inputs(spec, config.get("parameters") or {})
    created = kfp.now()
    shown = {
        "recurring_run_id": kfp.new_id(),
        "display_name": name,
        "description": body.get("description", ""),
        "service_account": body.get("service_account") or "pipeline-runner",
        "experiment_id": experiment["experiment_id"],
        "namespace": experiment["namespace"] or "kubeflow",
        "trigger": body["trigger"],
        "runtime_config": config,
        "max_concurrency": body["max_concurrency"],
        "no_catchup": body.get("no_catchup"),
        "created_at": created,
        "updated_at": created,
        **_mode(body.get("mode") == "ENABLE"),
        **version,
        "_namespace": experiment["namespace"],
    }
    kfp.recurring[shown["recurring_run_id"]] = shown
    return _show(shown)


def list_all(kfp, match, query, body):
    experiment, namespace = query.get("experiment_id", ""), query.get("namespace", "")
    if experiment:
        runs.get_experiment(kfp, {"experiment": experiment}, {}, {})
    rows = [
        each
        for each in kfp.recurring.values()
        if (not experiment or each["experiment_id"] == experiment)
        and (experiment or not kfp.multi_user or each["_namespace"] == namespace)
    ]
    found, total, following = listing.page(rows, query, _FIELDS, "recurring_run_id")
    return listing.answer("recurringRuns", [_show(each) for each in found], total, following)


def get(kfp, match, query, body):
    return _show(_recurring(kfp, match["recurring"], "Failed to fetch a recurring run"))


def enable(kfp, match, query, body):
    return _switch(kfp, match["recurring"], to=True)


def disable(kfp, match, query, body):
    return _switch(kfp, match["recurring"], to=False)


def delete(kfp, match, query, body):
    """Kubernetes collects the workflows that it owns, unless they are orphaned first."""
    gone = _recurring(kfp, match["recurring"], "Failed to delete a recurring run")
    del kfp.recurring[gone["recurring_run_id"]]
    if query.get("propagation_policy") != "ORPHAN":
        for run in kfp.runs.values():
            if run["recurring_run_id"] == gone["recurring_run_id"]:
                run["_workflow"].advance = lambda: None  # nobody hears of it any more
    return {}


def fire(kfp, recurring_id, epoch):
    """What the controller does at a scheduled time: one run, named after its count, or none."""
    owner = kfp.recurring[recurring_id]
    mine = [each for each in kfp.runs.values() if each["recurring_run_id"] == recurring_id]
    active = [each for each in mine if not each["_workflow"].ended]
    if owner["mode"] != "ENABLE" or len(active) >= int(owner["max_concurrency"]):
        return None
    body = {
        "display_name": f"{owner['display_name']}-{len(mine) + 1}",
        "experiment_id": owner["experiment_id"],
        "recurring_run_id": recurring_id,
        "runtime_config": owner["runtime_config"],
        "pipeline_version_reference": owner["pipeline_version_reference"],
    }
    run = runs.start(kfp, body)
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))
    kfp.runs[run["run_id"]]["scheduled_at"] = at
    return run["run_id"]


ROUTES = [
    ("POST", "/recurringruns", create),
    ("GET", "/recurringruns", list_all),
    ("GET", "/recurringruns/(?P<recurring>[^/:]+)", get),
    ("DELETE", "/recurringruns/(?P<recurring>[^/:]+)", delete),
    ("POST", "/recurringruns/(?P<recurring>[^/:]+):enable", enable),
    ("POST", "/recurringruns/(?P<recurring>[^/:]+):disable", disable),
]


def _check_times(body):
    most = int(body.get("max_concurrency") or 0)
    if not 1 <= most <= 10:
        words = "Max concurrency of a recurring run must be at least 1 and at most 10."
        raise invalid(f"{words} Received {most}", _WRAP)
    cron = (body.get("trigger") or {}).get("cron_schedule", {}).get("cron")
    if cron is not None and len(cron.split()) not in (5, 6):  # five are taken, and misread
        words = "Schedule cron is not a supported format(https://godoc.org/github.com/robfig/cron)."
        count = len(cron.split())
        raise invalid(f"{words} Error: Expected 5 to 6 fields, found {count}: {cron}", _WRAP)


def _experiment(kfp, body):
    if not body.get("experiment_id"):
        return kfp.default_experiment()
    return runs.get_experiment(kfp, {"experiment": body["experiment_id"]}, {}, {})


def _switch(kfp, name, *, to):
    found = _recurring(kfp, name, f"Failed to {'enable' if to else 'disable'} a recurring run")
    found.update(_mode(to), updated_at=kfp.now())
    return {}


def _mode(enabled):
    if enabled:
        return {"mode": "ENABLE", "status": "ENABLED"}
    return {"mode": "DISABLE", "status": "DISABLED"}


def _recurring(kfp, name, wrap):
    if name not in kfp.recurring:
        raise not_found("Job", name).wrapped(wrap)
    return kfp.recurring[name]


def _show(found):
    shown = {key: value for key, value in found.items() if not key.startswith("_") and value}
    return json.loads(json.dumps(shown))
