"""Step: list the parts of a window that outgrows one machine, and spread them over shards."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def plan_parts(
    spec: str,
    store: str,
    run: str,
    job: str,
    start: str,
    end: str,
    scheduled: str,
    as_of: str,
    shards: str,
    parallelism: str,
) -> list[str]:
    """Plan which shard reads which files or row groups.

    Args:
        spec: the spec as JSON.
        store: the store's address.
        run: the run's name; `auto` for Kubeflow's job id.
        job: Kubeflow's job id.
        start: the window's start.
        end: the window's end, excluded.
        scheduled: when Kubeflow had scheduled the run, for a window that follows from it.
        as_of: labels that arrive later than this are not known yet; `now` for the present.
        shards: how many shards at most; `auto` to go by what there is to read.
        parallelism: how many are counted at the same time at most; `auto` for all of them.

    Returns:
        What is to be done side by side: each item names its shards.
    """
    from components.spec.context import open_context
    from components.steps.profiling import plan_step

    context = open_context(spec, store, run, job, start, end, as_of, scheduled)
    return plan_step(context, shards, parallelism)
