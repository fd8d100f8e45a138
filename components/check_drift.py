"""Step: hold the distributions of a window against the champion's reference."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def check_drift(
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
    report: dsl.Output[dsl.HTML],
) -> str:
    """Find the columns, and the prediction, whose distribution moved.

    Args:
        spec: the spec as JSON.
        store: the store's address.
        run: the run's name; `auto` for Kubeflow's job id.
        job: Kubeflow's job id.
        start: the window's start.
        end: the window's end, excluded.
        scheduled: when Kubeflow had scheduled the run, for a window that follows from it.
        data: the window's rows.
        predictions: what the server answered in that window.
        verdict: the verdict as JSON.
        report: Evidently's report for people, opening with our verdict.

    Returns:
        The verdict's status.
    """
    from components.spec.context import open_context
    from components.steps.checks import drift_step

    context = open_context(spec, store, run, job, start, end, scheduled=scheduled)
    found = drift_step(context, data.path, predictions.path, verdict.path, report.path)
    verdict.metadata.update(status=found.status, headline=found.headline)
    return found.status
