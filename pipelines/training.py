"""The training pipeline: from a window to a deployed release, or to a reason why not."""

from kfp import dsl

from components.check_schema import check_schema
from components.deploy import deploy
from components.evaluate import evaluate
from components.ingest import ingest
from components.notify import notify
from components.train import train
from components.validate_serving import validate_serving


def told_here() -> dict[str, str]:
    """What Kubeflow tells a step: the run's id, and the time that the run was scheduled for.

    Each has to be a constant of its own in the pipeline that the step is in; Kubeflow fills them in
    nowhere else.
    """
    return {
        "job": dsl.PIPELINE_JOB_ID_PLACEHOLDER,
        "scheduled": dsl.PIPELINE_JOB_SCHEDULE_TIME_UTC_PLACEHOLDER,
    }


@dsl.pipeline(name="train-and-prove")
def train_and_prove(spec: str, store: str, run: str, start: str, end: str, as_of: str) -> None:
    """Train a candidate, prove it, deploy it; the monitoring pipeline retrains through this."""
    common = {"spec": spec, "store": store, "run": run, "start": start, "end": end, **told_here()}
    data = ingest(**common, as_of=as_of, purpose="training").set_caching_options(False)
    rows = data.outputs["data"]
    schema = check_schema(**common, purpose="training", data=rows).set_caching_options(False)
    trained = train(**common, data=rows).after(schema).set_caching_options(False)
    candidate = trained.outputs["candidate"]
    evaluated = evaluate(**common, data=rows, candidate=candidate).set_caching_options(False)
    with dsl.If(evaluated.outputs["Output"] == "accept", name="gate"):
        proven = validate_serving(**common, data=rows, candidate=candidate)
        proven.set_caching_options(False)
        deploy(
            **common,
            data=rows,
            candidate=candidate,
            evaluation=evaluated.outputs["evaluation"],
            proof=proven.outputs["proof"],
        ).set_caching_options(False)


@dsl.pipeline(
    name="driftline-training",
    description="Train on a window, prove the candidate against the champion, deploy it.",
)
def training(
    spec: str, store: str, end: str, start: str = "auto", as_of: str = "now", run: str = "auto"
) -> None:
    """Train on a window.

    Args:
        spec: the spec as JSON.
        store: the store's address.
        end: the window's end, excluded; or a word for what follows from the schedule.
        start: the window's start; `auto` for the spec's `training.history` before the end.
        as_of: labels that arrive later than this are not known yet; `now` for the present.
        run: the run's name; `auto` for Kubeflow's job id.
    """
    told = notify(spec=spec, store=store, run=run, start=start, end=end, **told_here())
    told.set_caching_options(False)
    with dsl.ExitHandler(told, name="training"):
        train_and_prove(spec=spec, store=store, run=run, start=start, end=end, as_of=as_of)
