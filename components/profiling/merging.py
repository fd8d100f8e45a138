"""The profile of a whole window, merged from its shards' counts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from components.core.errors import DataError
from components.core.verdict import Document
from components.core.window import Window, parse_time
from components.data.ingest import no_rows, require_columns
from components.data.part_report import PartReport
from components.data.report import IngestReport
from components.data.sources import open_source
from components.drift.profile import LABEL, Profile, merge
from components.profiling.part import PartProfile
from components.profiling.plan import Plan
from components.schema.schema import nothing
from components.spec.model import Spec


class WindowProfile(Document):
    """A window as the checks of its schema and its distributions need it; rows are not in it.

    `profile` are its features, its labels, and the champion's logged predictions where they were
    added, in the champion's cells; `report` is what ingest says of the window. Neither depends on
    how the window was split.
    """

    format: Literal[1] = 1
    model: str
    champion: str
    manifest_sha256: str
    report: IngestReport
    profile: Profile

    def for_schema(self, spec: Spec) -> Profile:
        """The profile as the schema check reads a file: columns without a value have no cells."""
        columns = {}
        for name in spec.columns.features:
            column = self.profile.columns[name]
            empty = column.missing == column.rows
            columns[name] = nothing(spec, name, self.report.rows) if empty else column
        if LABEL in self.profile.columns:
            columns[LABEL] = self.profile.columns[LABEL]
        return Profile(columns=dict(sorted(columns.items())))


class MergedShard(Document):
    """One shard in the record of a merge: its number, and the rows that it added."""

    shard: int
    rows: int
    repeated: int


class MergeRecord(Document):
    """Which shards a profile was merged from, each once."""

    plan: str
    shards: list[MergedShard]


def merge_parts(
    spec: Spec, plan: Plan, parts: Iterable[PartProfile]
) -> tuple[WindowProfile, MergeRecord]:
    """Merge the counts of all shards, in the source's order.

    Args:
        spec: the spec that the plan was made with.
        plan: what was to be counted.
        parts: one for every shard, in the shards' order.

    Raises:
        DataError: when a shard is missing, there twice, or of another plan.
        EmptyWindowError: when no row lies in the window.
    """
    report: PartReport | None = None
    profile = Profile()
    merged: list[MergedShard] = []
    for part in parts:
        if (part.plan, part.shard) != (plan.key, len(merged)):
            raise DataError(
                f"shard {part.shard} of plan {part.plan} came where shard {len(merged)} of plan "
                f"{plan.key} was expected, so nothing is merged; run again under a new name"
            )
        report = report.merge(part.report) if report else part.report
        profile = merge(profile, part.profile)
        rows, repeated = part.report.rows, part.repeated
        merged.append(MergedShard(shard=part.shard, rows=rows, repeated=repeated))
    if report is None or len(merged) != len(plan.shards):
        raise DataError(
            f"{len(merged)} of {len(plan.shards)} shards are there, so nothing is merged; "
            "run again, what is there is not counted again"
        )
    window, source = Window.parse(plan.window), open_source(spec)
    require_columns(spec, source, report.types)
    if not report.rows:
        raise no_rows(spec, source, window, report)
    if label := profile.columns.get(LABEL):
        # A window's file has labels of one type, whatever its parts have.
        types = [str(report.final_label)]
        typed = label.model_copy(update={"types": types})
        profile = Profile(columns={**profile.columns, LABEL: typed})
    whole = WindowProfile(
        model=plan.model,
        champion=plan.champion,
        manifest_sha256=plan.manifest_sha256,
        report=report.complete(spec, window, parse_time(plan.as_of), plan.source),
        profile=profile,
    )
    return whole, MergeRecord(plan=plan.key, shards=merged)
