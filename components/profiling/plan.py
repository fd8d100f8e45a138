"""The plan of a profile: what is read, by which shard, and in whose cells it is counted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Literal

from components.core.errors import DataError
from components.core.verdict import Document
from components.core.window import Window, format_time
from components.data.addresses import Part
from components.data.files import Files
from components.data.ingest import refuse_outcomes, require_columns
from components.data.sources import Scan, Source, open_source
from components.drift.profile import LABEL, PREDICTION, Profile
from components.profiling.lanes import MOST_SHARDS, counted
from components.schema.reading import same_roles
from components.schema.schema import columns_of
from components.spec.model import FilesSource, Spec

# Compressed bytes of the spec's columns that one shard reads, where nobody says how many shards.
SHARD_BYTES = 256 << 20
# What opening a file costs, in bytes that could have been read meanwhile.
_OPENING = 64 << 10


class Shard(Document):
    """What one shard reads: files or row groups that follow one another in the source.

    Without any parts it is the whole source, which cannot be split.
    """

    bytes: int
    parts: list[Part]


class Plan(Document):
    """Everything that the profile of a window depends on.

    `spec` is the digest of what in the spec bears on the counts; `champion` is the release whose
    cells the rows are counted in, with the digest of its manifest.
    """

    format: Literal[1] = 1
    model: str
    window: str
    as_of: str
    source: str
    spec: str
    champion: str
    manifest_sha256: str
    shards: list[Shard]

    @property
    def key(self) -> str:
        """A name for what this plan leads to: the same plan has the same one."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    @property
    def headline(self) -> str:
        """The plan in one sentence."""
        files = len({part.path for shard in self.shards for part in shard.parts})
        if not files:
            return f"1 shard: {self.source} is read as a whole, it cannot be split exactly"
        size = sum(shard.bytes for shard in self.shards) / 1e6
        count = counted(len(self.shards), "shard")
        return f"{count} of {counted(files, 'file')}, {size:,.1f} MB to read"


def make_plan(
    spec: Spec,
    window: Window,
    as_of: datetime,
    champion: tuple[str, str],
    reference: Profile,
    shards: int | None = None,
) -> Plan:
    """Plan the profile of a window of the spec's source.

    Args:
        spec: the source, the columns' roles, and the labels' delay.
        window: the event times to keep; what lies outside for certain weighs nothing.
        as_of: labels of rows whose event time plus the delay lies after it are not known yet.
        champion: the release's version, and the digest of its manifest.
        reference: its profile, whose cells all columns of the spec must have.
        shards: how many shards at most; by default one for each `SHARD_BYTES` to be read.

    Raises:
        DataError: when the source cannot be read or lacks the id or time column, or when a column
            has no cells that rows could be counted in part by part.
    """
    _require_cells(spec, reference, champion[0])
    source = open_source(spec)
    refuse_outcomes(spec, source)
    bearing = [spec.source, spec.columns, spec.label]
    text = "\n".join([spec.task, *(each.model_dump_json() for each in bearing)])
    return Plan(
        model=spec.model,
        window=str(window),
        as_of=format_time(as_of),
        source=source.describe(),
        spec=hashlib.sha256(text.encode()).hexdigest()[:16],
        champion=champion[0],
        manifest_sha256=champion[1],
        shards=_shards(spec, source, window, shards),
    )


def open_shard(spec: Spec, shard: Shard) -> Source:
    """The part of the spec's source that a shard reads."""
    if isinstance(spec.source, FilesSource) and shard.parts:
        return Files(spec.source, shard.parts)
    return open_source(spec)


def balance(units: Iterable[tuple[Part, int]], shards: int | None = None) -> list[Shard]:
    """Spread what can be read on its own over shards of about the same size, keeping the order.

    Args:
        units: each with the bytes to be read, in the source's order.
        shards: how many at most; by default one for each `SHARD_BYTES`.

    >>> units = [(Part("a", "parquet", groups=(i, i + 1)), 1 << 20) for i in range(4)]
    >>> [[part.groups for part in shard.parts] for shard in balance(units, 2)]
    [[(0, 2)], [(2, 4)]]
    """
    listed = list(units)
    read = sum(size for _, size in listed)
    count = shards or min(-(-read // SHARD_BYTES) or 1, MOST_SHARDS)
    total = read + _OPENING * len(listed)
    made: dict[int, Shard] = {}
    before = 0
    for part, size in listed:
        weight = size + _OPENING
        place = (2 * before + weight) * count // (2 * total)  # that of the unit's middle
        shard = made.setdefault(place, Shard(bytes=0, parts=[]))
        parts = _appended(shard.parts, part)
        made[place] = Shard(bytes=shard.bytes + size, parts=parts)
        before += weight
    return list(made.values())


def _shards(spec: Spec, source: Source, window: Window, shards: int | None) -> list[Shard]:
    if not isinstance(source, Files):
        return [Shard(bytes=0, parts=[])]
    scan = Scan(lambda _: iter(()))
    units = list(source.units(scan, spec.columns.all, spec.columns.time, window))
    require_columns(spec, source, scan.types)
    return balance(units, shards)


def _appended(parts: list[Part], part: Part) -> list[Part]:
    """The parts and one more; row groups of one file that follow one another are one part."""
    last = parts[-1] if parts else None
    if last and last.path == part.path and last.groups and part.groups:
        return [*parts[:-1], replace(last, groups=(last.groups[0], part.groups[1]))]
    return [*parts, part]


def _require_cells(spec: Spec, reference: Profile, champion: str) -> None:
    """Cells are learned from all rows at once, so a part can only be counted in given ones."""
    shown = {name: LABEL if name == spec.columns.target else name for name in columns_of(spec)}
    known = same_roles(reference, spec).columns
    lacking = [name for name, own in shown.items() if own not in known]
    if lacking:
        raise DataError(
            f"the champion {champion} was trained without {', '.join(lacking)}, or with another "
            "role of it, so there are no cells to count its parts in; train with this spec first, "
            "or run monitoring, which reads the window as a whole"
        )
    if taken := sorted({LABEL, PREDICTION} & set(spec.columns.features)):
        raise DataError(
            f"a feature called {taken[0]!r} cannot be profiled part by part: labels and "
            "predictions have that name in a profile; rename the column"
        )
