"""Step: say in one line how a run ended; as an exit handler also when it failed half-way."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def notify(
    spec: str,
    store: str,
    run: str,
    job: str,
    start: str,
    end: str,
    scheduled: str,
    status: dsl.PipelineTaskFinalStatus,
) -> str:
    """Print one line, and send it to the addresses in the spec.

    Args:
        spec: the spec as JSON.
        store: the store's address.
        run: the run's name; `auto` for Kubeflow's job id.
        job: Kubeflow's job id.
        start: the window's start; `auto` for the spec's `training.history` before the end.
        end: the window's end, excluded.
        scheduled: when Kubeflow had scheduled the run, for a window that follows from it.
        status: how the pipeline ended.

    Returns:
        The line.
    """
    from components.spec.context import open_context
    from components.steps.notify import notify_step

    context = open_context(spec, store, run, job, start, end, scheduled=scheduled)
    return notify_step(context, status.state, status.error_message or "")
