"""Step: count the rows of some shards of a window."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def profile_part(
    spec: str,
    store: str,
    run: str,
    job: str,
    start: str,
    end: str,
    scheduled: str,
    lane: str,
    turn: str,
) -> int:
    """Profile shards in the champion's cells; what was counted before is not counted again.

    Args:
        spec: the spec as JSON.
        store: the store's address.
        run: the run's name; `auto` for Kubeflow's job id.
        job: Kubeflow's job id.
        start: the window's start.
        end: the window's end, excluded.
        scheduled: when Kubeflow had scheduled the run, for a window that follows from it.
        lane: the shards, as the plan named them.
        turn: `first`, or `again` to leave out the ids that earlier shards have.

    Returns:
        The number of rows counted.
    """
    from components.spec.context import open_context
    from components.steps.profiling import part_step

    context = open_context(spec, store, run, job, start, end, scheduled=scheduled)
    return part_step(context, lane, turn)
