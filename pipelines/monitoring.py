"""The monitoring pipeline: check a window of production, decide, retrain if there is a reason."""

from kfp import dsl

from components.check_drift import check_drift
from components.check_performance import check_performance
from components.check_schema import check_schema
from components.check_skew import check_skew
from components.decide import decide
from components.ingest import ingest
from components.notify import notify
from pipelines.training import told_here, train_and_prove


@dsl.pipeline(name="check-and-decide")
def check_and_decide(spec: str, store: str, run: str, start: str, end: str, as_of: str) -> None:
    """Run the checks, decide, and retrain through the training pipeline if need be."""
    common = {"spec": spec, "store": store, "run": run, "start": start, "end": end, **told_here()}
    data = ingest(**common, as_of=as_of, purpose="monitoring").set_caching_options(False)
    served = ingest(**common, as_of=as_of, purpose="predictions").set_caching_options(False)
    rows, log = data.outputs["data"], served.outputs["data"]
    checks = {
        "schema": check_schema(**common, purpose="monitoring", data=rows),
        "drift": check_drift(**common, data=rows, predictions=log),
        "skew": check_skew(**common, data=rows, predictions=log),
        "performance": check_performance(**common, data=rows, predictions=log),
    }
    verdicts = {
        name: check.set_caching_options(False).outputs["verdict"] for name, check in checks.items()
    }
    decided = decide(**common, **verdicts).set_caching_options(False)
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
        start: the window's start; or a word for what follows from the schedule.
        end: the window's end, excluded; or a word for what follows from the schedule.
        as_of: labels that arrive later than this are not known yet; `now` for the present.
        run: the run's name; `auto` for Kubeflow's job id.
    """
    told = notify(spec=spec, store=store, run=run, start=start, end=end, **told_here())
    told.set_caching_options(False)
    with dsl.ExitHandler(told, name="monitoring"):
        check_and_decide(spec=spec, store=store, run=run, start=start, end=end, as_of=as_of)
