"""The steps of a profile that is made part by part; each may be tried again at any time."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from components.core.errors import StoreError, UsageError
from components.profiling.lanes import MOST_SHARDS, counted, lanes, number, shards_of
from components.profiling.work import Work, pinned
from components.release.targets import open_target
from components.spec.context import Context
from components.steps.files import write_output

if TYPE_CHECKING:
    from components.profiling.plan import Plan


def plan_step(context: Context, shards: str, parallelism: str) -> list[str]:
    """Plan the parts of the window's source, against the champion of this moment.

    Args:
        context: the step's surroundings.
        shards: how many at most; `auto` to go by what there is to read.
        parallelism: how many are counted at the same time at most; `auto` for all of them.

    Returns:
        The lanes: what is to be done side by side.

    Raises:
        UsageError: when a number is none, or there cannot be so many shards.
        DataError: when the source cannot be read, or cannot be profiled part by part exactly.
        ReleaseError: when nothing is deployed.
    """
    from components.profiling.plan import make_plan

    with context.step("plan_parts") as say:
        wanted = number(shards, "shards", MOST_SHARDS)
        most = number(parallelism, "parallelism", MOST_SHARDS)
        champion = open_target(context.spec, context.store).require_champion()
        place = context.store, context.spec.model, context.window
        plan = make_plan(
            context.spec,
            context.window,
            pinned(*place, context.run, context.as_of),
            (champion.version, champion.manifest_sha256),
            champion.profile,
            wanted,
        )
        work = Work(*place, plan.key)
        work.begin(plan, champion.profile, context.run)
        ready = work.complete
        say("ok", f"{plan.headline}{', all counted before' if ready else ''}")
    return lanes([] if ready else range(len(plan.shards)), most)


def part_step(context: Context, lane: str, turn: str) -> int:
    """Count the shards of a lane that were not counted before.

    Args:
        context: the step's surroundings.
        lane: the shards.
        turn: `first`, or `again` to count them without the ids that earlier shards have.

    Returns:
        The number of rows counted.

    Raises:
        DataError: when a file cannot be read, or was changed since it was planned.
    """
    from components.profiling.part import count_shard

    if turn not in ("first", "again"):
        raise UsageError(f"turn {turn!r} is not first or again")
    work, rows = _work(context), 0
    for shard in shards_of(lane):
        with context.step(f"profile_part_{shard}{'_again' * (turn == 'again')}") as say:
            if work.complete or (work.has_part if turn == "first" else work.has_again)(shard):
                say("ok", "counted before")
                continue
            count = partial(count_shard, context.spec, work.plan, shard, work.reference)
            if turn == "first":
                found = count()
                work.keep_part(found)
            else:
                found = count(work.repeats(shard))
                work.keep_again(found.part)
            report = found.part.report
            rows += report.rows
            say("ok", f"{report.rows:,} of {report.rows_read:,} rows")
    return rows


def repeats_step(context: Context, parallelism: str) -> list[str]:
    """Find the ids that several shards have, and the shards to be counted again without them.

    Returns:
        The lanes of those shards.
    """
    from components.profiling.repeats import find_repeats

    most = number(parallelism, "parallelism", MOST_SHARDS)
    with context.step("find_repeats") as say:
        work = _work(context)
        try:
            shards = [] if work.complete else work.repeating()
            if shards is None:
                repeats = find_repeats(work.indexes(len(work.plan.shards)), work.ids)
                work.keep_repeats(repeats)
                shards = list(repeats)
        except StoreError:  # another run with the same plan may have ended, and tidied up
            if not work.complete:
                raise
            shards = []
        found = f"{counted(len(shards), 'shard')} with ids of earlier ones"
        say("ok", found if shards else "no id is in two shards")
    return lanes(shards, most)


def merge_step(context: Context, predictions: str, destination: str) -> int:
    """Merge what the shards counted, once, and add the champion's logged predictions.

    Args:
        context: the step's surroundings.
        predictions: the window's part of the prediction log.
        destination: where the profile for the checks goes. The one in the store is without the
            predictions: the log may still grow, the profile of the source does not change.

    Returns:
        The number of rows.

    Raises:
        StoreError: when a shard was not counted.
        DataError: when the counts are not those of the plan.
        EmptyWindowError: when no row lies in the window.
    """
    from components.drift.check import profile_predictions
    from components.drift.profile import merge

    with context.step("merge_profiles") as say:
        work = _work(context)
        plan = work.plan
        try:
            if not work.complete:
                _merge(context, work, plan)
        except StoreError:  # another run with the same plan may have ended, and tidied up
            if not work.complete:
                raise
        work.tidy()
        whole, log = work.profile, Path(predictions)
        answers = profile_predictions(log, context.spec, work.reference, plan.champion)
        shown = whole.model_copy(update={"profile": merge(whole.profile, answers)})
        write_output(destination, shown.model_dump_json())
        rows = whole.report.rows
        say("ok", f"{rows:,} rows, merged from {counted(len(plan.shards), 'shard')}")
    return rows


def _work(context: Context) -> Work:
    return Work.of_run(context.store, context.spec.model, context.window, context.run)


def _merge(context: Context, work: Work, plan: Plan) -> None:
    from components.profiling.merging import merge_parts

    again = set(work.repeating() or [])
    if missing := work.missing(len(plan.shards), again):
        raise StoreError(
            f"{counted(len(missing), 'shard')} of {len(plan.shards):,} were not counted, the first "
            f"of them {missing[0]}; run again, those that were are not counted again"
        )
    parts = (work.part(shard, again=shard in again) for shard in range(len(plan.shards)))
    work.finish(*merge_parts(context.spec, plan, parts))
