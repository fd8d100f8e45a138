"""Step: merge what the shards counted into the profile of the window."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def merge_profiles(
    spec: str,
    store: str,
    run: str,
    job: str,
    start: str,
    end: str,
    scheduled: str,
    predictions: dsl.Input[dsl.Dataset],
    profile: dsl.Output[dsl.Artifact],
) -> int:
    """Merge the shards, each once; the result does not depend on how the window was split.

    Args:
        spec: the spec as JSON.
        store: the store's address.
        run: the run's name; `auto` for Kubeflow's job id.
        job: Kubeflow's job id.
        start: the window's start.
        end: the window's end, excluded.
        scheduled: when Kubeflow had scheduled the run, for a window that follows from it.
        predictions: what the server answered in that window.
        profile: the window's profile and what ingest would say of it, as JSON.

    Returns:
        The number of rows.
    """
    from components.spec.context import open_context
    from components.steps.profiling import merge_step

    context = open_context(spec, store, run, job, start, end, scheduled=scheduled)
    rows = merge_step(context, predictions.path, profile.path)
    profile.metadata.update(rows=rows)
    return rows
