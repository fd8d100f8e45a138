"""Counting one shard of a window, in memory that does not grow with the columns' values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.core.verdict import Document
from components.core.window import Window, parse_time
from components.data.hashing import Hashes
from components.data.intake import Intake
from components.data.part_report import PartReport
from components.drift.batches import BatchProfiler
from components.drift.profile import Profile
from components.profiling.plan import Plan, open_shard
from components.spec.model import Spec


class PartProfile(Document):
    """What one shard counted: of plan `plan`, the shard `shard`, counted from 0.

    `repeated` is how many ids it was told to leave out, since earlier shards have them.
    """

    format: Literal[1] = 1
    plan: str
    shard: int
    repeated: int
    report: PartReport
    profile: Profile


@dataclass(frozen=True)
class Counted:
    """A shard's counts, and the hashes of its ids, ascending, (n,)."""

    part: PartProfile
    ids: Hashes


def count_shard(
    spec: Spec, plan: Plan, shard: int, reference: Profile, repeated: Hashes | None = None
) -> Counted:
    """Read a shard's rows, batch by batch, and count them in the reference's cells.

    Args:
        spec: the source, the columns' roles, and the labels' delay.
        plan: the plan, made with this spec.
        shard: which of its shards.
        reference: the champion's profile.
        repeated: hashes of ids that earlier shards have, (n,): their rows are duplicates.

    Raises:
        DataError: when a file cannot be read, or is not the one that was planned.
    """
    window = Window.parse(plan.window)
    source = open_shard(spec, plan.shards[shard])
    scan = source.scan(spec.columns.all, spec.columns.time, window)
    intake = Intake(spec, window, parse_time(plan.as_of), repeated)
    profiler = BatchProfiler(spec.columns, reference)
    for batch in scan:
        profiler.add(intake.take(batch))
    part = PartProfile(
        plan=plan.key,
        shard=shard,
        repeated=0 if repeated is None else len(repeated),
        report=PartReport.of(scan, intake),
        profile=profiler.profile(),
    )
    return Counted(part, intake.ids())
