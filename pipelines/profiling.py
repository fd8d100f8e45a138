"""The profiling pipeline: a window that outgrows one machine, counted part by part and checked."""

from kfp import dsl

from components.check_profile_drift import check_profile_drift
from components.check_profile_schema import check_profile_schema
from components.find_repeats import find_repeats
from components.ingest import ingest
from components.merge_profiles import merge_profiles
from components.notify import notify
from components.plan_parts import plan_parts
from components.profile_part import profile_part
from pipelines.training import told_here


@dsl.pipeline(name="profile-parts")
def profile_parts(
    spec: str, store: str, run: str, start: str, end: str, lanes: list[str], turn: str
) -> None:
    """Count shards side by side; a loop over a list made by a step has to be in a graph of its own.

    A lane goes through its shards one after the other. What a shard counted is in the store, so
    that a loop over any number of them passes nothing on but names.
    """
    common = {"spec": spec, "store": store, "run": run, "start": start, "end": end, **told_here()}
    with dsl.ParallelFor(lanes, name="parts") as lane:
        profile_part(**common, lane=lane, turn=turn).set_caching_options(False)


@dsl.pipeline(name="profile-and-check")
def profile_and_check(
    spec: str,
    store: str,
    run: str,
    start: str,
    end: str,
    as_of: str,
    shards: str,
    parallelism: str,
) -> None:
    """Plan, count, count again what repeats ids of other shards, merge, and check."""
    window = {"spec": spec, "store": store, "run": run, "start": start, "end": end}
    common = {**window, **told_here()}
    served = ingest(**common, as_of=as_of, purpose="predictions").set_caching_options(False)
    planned = plan_parts(**common, as_of=as_of, shards=shards, parallelism=parallelism)
    planned.set_caching_options(False)
    first = profile_parts(**window, lanes=planned.outputs["Output"], turn="first")
    repeats = find_repeats(**common, parallelism=parallelism).after(first)
    repeats.set_caching_options(False)
    again = profile_parts(**window, lanes=repeats.outputs["Output"], turn="again")
    merged = merge_profiles(**common, predictions=served.outputs["data"]).after(again)
    merged.set_caching_options(False)
    profile = merged.outputs["profile"]
    check_profile_schema(**common, profile=profile).set_caching_options(False)
    check_profile_drift(**common, profile=profile).set_caching_options(False)


@dsl.pipeline(
    name="driftline-profiling",
    description="Profile a window part by part, and check its schema and its distributions.",
)
def profiling(
    spec: str,
    store: str,
    start: str,
    end: str,
    as_of: str = "now",
    run: str = "auto",
    shards: str = "auto",
    parallelism: str = "auto",
) -> None:
    """Profile one window, and check it from the profile alone.

    Args:
        spec: the spec as JSON.
        store: the store's address.
        start: the window's start.
        end: the window's end, excluded.
        as_of: labels that arrive later than this are not known yet; `now` for the present.
        run: the run's name; `auto` for Kubeflow's job id.
        shards: how many shards at most; `auto` to go by what there is to read.
        parallelism: how many are counted at the same time at most; `auto` for all of them.
    """
    told = notify(spec=spec, store=store, run=run, start=start, end=end, **told_here())
    told.set_caching_options(False)
    with dsl.ExitHandler(told, name="profiling"):
        profile_and_check(
            spec=spec,
            store=store,
            run=run,
            start=start,
            end=end,
            as_of=as_of,
            shards=shards,
            parallelism=parallelism,
        )
