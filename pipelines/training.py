"""The training pipeline: from a window to a deployed release, or to a reason why not."""

from kfp import dsl

from components.check_schema import check_schema
from components.deploy import deploy
from components.evaluate import evaluate
from components.ingest import ingest
from components.notify import notify
from components.train import train
from components.validate_serving import validate_serving


@dsl.pipeline(name="train-and-prove")
def train_and_prove(spec: str, store: str, run: str, start: str, end: str, as_of: str) -> None:
    """Train a candidate, prove it, deploy it; the monitoring pipeline retrains through this."""
    # Put together where it is used: kfp.local loses a text with a parameter in it on its way
    # into a nested pipeline.
    named = f"{run}|{dsl.PIPELINE_JOB_ID_PLACEHOLDER}"
    data = ingest(
        spec=spec, store=store, run=named, start=start, end=end, as_of=as_of, purpose="training"
    ).set_caching_options(False)
    schema = check_schema(
        spec=spec,
        store=store,
        run=named,
        start=start,
        end=end,
        purpose="training",
        data=data.outputs["data"],
    ).set_caching_options(False)
    trained = (
        train(spec=spec, store=store, run=named, start=start, end=end, data=data.outputs["data"])
        .after(schema)
        .set_caching_options(False)
    )
    evaluated = evaluate(
        spec=spec,
        store=store,
        run=named,
        start=start,
        end=end,
        data=data.outputs["data"],
        candidate=trained.outputs["candidate"],
    ).set_caching_options(False)
    with dsl.If(evaluated.outputs["Output"] == "accept", name="gate"):
        proven = validate_serving(
            spec=spec,
            store=store,
            run=named,
            start=start,
            end=end,
            data=data.outputs["data"],
            candidate=trained.outputs["candidate"],
        ).set_caching_options(False)
        deploy(
            spec=spec,
            store=store,
            run=named,
            start=start,
            end=end,
            candidate=trained.outputs["candidate"],
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
        end: the window's end, excluded.
        start: the window's start; `auto` for the spec's `training.history` before the end.
        as_of: labels that arrive later than this are not known yet; `now` for the present.
        run: the run's name; `auto` for Kubeflow's job id.
    """
    named = f"{run}|{dsl.PIPELINE_JOB_ID_PLACEHOLDER}"
    told = notify(spec=spec, store=store, run=named, start=start, end=end).set_caching_options(
        False
    )
    with dsl.ExitHandler(told, name="training"):
        train_and_prove(spec=spec, store=store, run=run, start=start, end=end, as_of=as_of)
