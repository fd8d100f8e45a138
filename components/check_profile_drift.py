"""Step: hold a window's profile against the champion's reference."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def check_profile_drift(
    spec: str,
    store: str,
    run: str,
    job: str,
    start: str,
    end: str,
    scheduled: str,
    profile: dsl.Input[dsl.Artifact],
    verdict: dsl.Output[dsl.Artifact],
    report: dsl.Output[dsl.HTML],
) -> str:
    """Find the columns, and the prediction, whose distribution moved; no row is read.

    Args:
        spec: the spec as JSON.
        store: the store's address.
        run: the run's name; `auto` for Kubeflow's job id.
        job: Kubeflow's job id.
        start: the window's start.
        end: the window's end, excluded.
        scheduled: when Kubeflow had scheduled the run, for a window that follows from it.
        profile: the window's merged profile.
        verdict: the verdict as JSON.
        report: the verdict as a page; there are no rows to plot.

    Returns:
        The verdict's status.
    """
    from components.spec.context import open_context
    from components.steps.checks import profile_drift_step

    context = open_context(spec, store, run, job, start, end, scheduled=scheduled)
    found = profile_drift_step(context, profile.path, verdict.path, report.path)
    verdict.metadata.update(status=found.status, headline=found.headline)
    return found.status
