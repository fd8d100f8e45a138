"""Step: hold the champion's quality on a window against its quality at training time."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def check_performance(
    spec: str,
    store: str,
    run: str,
    job: str,
    start: str,
    end: str,
    scheduled: str,
    data: dsl.Input[dsl.Dataset],
    predictions: dsl.Input[dsl.Dataset],
    verdict: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> str:
    """Find concept drift: the champion is worse than it was, and not by chance.

    Args:
        spec: the spec as JSON.
        store: the store's address.
        run: the run's name; `auto` for Kubeflow's job id.
        job: Kubeflow's job id.
        start: the window's start.
        end: the window's end, excluded.
        scheduled: when Kubeflow had scheduled the run, for a window that follows from it.
        data: the window's rows, with the labels that have arrived.
        predictions: what the server answered in that window.
        verdict: the verdict as JSON.
        metrics: the champion's metric on the window, where there are labels enough.

    Returns:
        The verdict's status.
    """
    from components.spec.context import open_context
    from components.steps.checks import performance_step

    context = open_context(spec, store, run, job, start, end, scheduled=scheduled)
    found = performance_step(context, data.path, predictions.path, verdict.path)
    verdict.metadata.update(status=found.status, headline=found.headline)
    if found.facts.get("score") is not None:
        metrics.log_metric(context.spec.metric, found.facts["score"])
    return found.status
