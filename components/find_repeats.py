"""Step: find the ids that several shards have."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def find_repeats(
    spec: str,
    store: str,
    run: str,
    job: str,
    start: str,
    end: str,
    scheduled: str,
    parallelism: str,
) -> list[str]:
    """Compare the shards' ids; each row of an id that an earlier shard has is a duplicate.

    Args:
        spec: the spec as JSON.
        store: the store's address.
        run: the run's name; `auto` for Kubeflow's job id.
        job: Kubeflow's job id.
        start: the window's start.
        end: the window's end, excluded.
        scheduled: when Kubeflow had scheduled the run, for a window that follows from it.
        parallelism: how many shards are counted at the same time at most; `auto` for all of them.

    Returns:
        The shards to be counted again without such rows, as in a plan.
    """
    from components.spec.context import open_context
    from components.steps.profiling import repeats_step

    context = open_context(spec, store, run, job, start, end, scheduled=scheduled)
    return repeats_step(context, parallelism)
