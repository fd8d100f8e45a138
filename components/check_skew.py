"""Step: hold what the server was asked against what training would have seen."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def check_skew(
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
) -> str:
    """Find values that serving and training have different for the same id.

    Args:
        spec: the spec as JSON.
        store: the store's address.
        run: the run's name; `auto` for Kubeflow's job id.
        job: Kubeflow's job id.
        start: the window's start.
        end: the window's end, excluded.
        scheduled: when Kubeflow had scheduled the run, for a window that follows from it.
        data: the window's rows.
        predictions: what the server was asked and answered in that window.
        verdict: the verdict as JSON.

    Returns:
        The verdict's status.
    """
    from components.spec.context import open_context
    from components.steps.checks import skew_step

    context = open_context(spec, store, run, job, start, end, scheduled=scheduled)
    found = skew_step(context, data.path, predictions.path, verdict.path)
    verdict.metadata.update(status=found.status, headline=found.headline)
    return found.status
