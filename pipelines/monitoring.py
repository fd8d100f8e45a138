"""The monitoring pipeline: check a window of production, decide, retrain if there is a reason."""

from kfp import dsl

from components.check_drift import check_drift
from components.check_performance import check_performance
from components.check_schema import check_schema
from components.check_skew import check_skew
from components.decide import decide
from components.ingest import ingest
from components.notify import notify
from pipelines.training import train_and_prove


@dsl.pipeline(name="check-and-decide")
def check_and_decide(spec: str, store: str, run: str, start: str, end: str, as_of: str) -> None:
    """Run the checks, decide, and retrain through the training pipeline if need be."""
    named = f"{run}|{dsl.PIPELINE_JOB_ID_PLACEHOLDER}"
    data = ingest(
        spec=spec, store=store, run=named, start=start, end=end, as_of=as_of, purpose="monitoring"
    ).set_caching_options(False)
    served = ingest(
        spec=spec, store=store, run=named, start=start, end=end, as_of=as_of, purpose="predictions"
    ).set_caching_options(False)
    rows, predictions = data.outputs["data"], served.outputs["data"]
    schema = check_schema(
        spec=spec, store=store, run=named, start=start, end=end, purpose="monitoring", data=rows
    ).set_caching_options(False)
    drift = check_drift(
        spec=spec, store=store, run=named, start=start, end=end, data=rows, predictions=predictions
    ).set_caching_options(False)
    skew = check_skew(
        spec=spec, store=store, run=named, start=start, end=end, data=rows, predictions=predictions
    ).set_caching_options(False)
    performance = check_performance(
        spec=spec, store=store, run=named, start=start, end=end, data=rows, predictions=predictions
    ).set_caching_options(False)
    decided = decide(
        spec=spec,
        store=store,
        run=named,
        start=start,
        end=end,
        schema=schema.outputs["verdict"],
        drift=drift.outputs["verdict"],
        skew=skew.outputs["verdict"],
        performance=performance.outputs["verdict"],
    ).set_caching_options(False)
    with dsl.If(decided.outputs["Output"] == "retrain", name="retrain"):
        train_and_prove(spec=spec, store=store, run=run, start="auto", end=end, as_of=as_of)


@dsl.pipeline(
    name="driftline-monitoring",
    description="Check one window of production, decide about it once, retrain if need be.",
)
def monitoring(
    spec: str, store: str, start: str, end: str, as_of: str = "now", run: str = "auto"
) -> None:
    """Check one window.

    Args:
        spec: the spec as JSON.
        store: the store's address.
        start: the window's start.
        end: the window's end, excluded.
        as_of: labels that arrive later than this are not known yet; `now` for the present.
        run: the run's name; `auto` for Kubeflow's job id.
    """
    named = f"{run}|{dsl.PIPELINE_JOB_ID_PLACEHOLDER}"
    told = notify(spec=spec, store=store, run=named, start=start, end=end).set_caching_options(
        False
    )
    with dsl.ExitHandler(told, name="monitoring"):
        check_and_decide(spec=spec, store=store, run=run, start=start, end=end, as_of=as_of)
