"""Which rows of the prediction log and of a window are the same, and which are left out.

Ids are held as 64-bit hashes, so that memory does not depend on how long they are. Two of n ids
share a hash with a chance of n^2 / 2^65: one in four hundred thousand at ten million rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.core.verdict import Finding
from components.core.words import percent
from components.data.hashing import Hashes, hash_texts
from components.drift.rows import take_column
from components.drift.values import as_strings
from components.spec.model import Spec

BATCH_ROWS = 1 << 17
# The window's hashes are sorted in parts of about this many rows, but not in ever so many parts,
# since each is picked out of all of them.
_PART_ROWS = 1 << 20
_MOST_PARTS = 24

Rows = NDArray[np.int64]
Slots = NDArray[np.uint32]


@dataclass(frozen=True)
class Matched:
    """The rows that both sides have, in the log's order.

    `kept` marks the log's rows that are compared, (log rows,); the i-th of them is row
    `trained[i]` of the window. `other_releases` counts the log's rows that another release than
    the champion answered; `lacking` names the columns without which no row can be matched.
    """

    kept: NDArray[np.bool_]
    trained: Slots
    only_served: int
    only_trained: int
    other_releases: int
    lacking: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """The rows on both sides."""
        return len(self.trained)

    @property
    def logged(self) -> int:
        """The rows that the champion answered."""
        return self.rows + self.only_served

    def log_rows(self, slots: Rows) -> Rows:
        """The places in the log of some of the compared rows, (k,)."""
        starts = np.arange(0, max(len(self.kept), 1), BATCH_ROWS)
        counts = [np.count_nonzero(self.kept[start : start + BATCH_ROWS]) for start in starts]
        ends = np.cumsum(counts)
        part = np.searchsorted(ends, slots, side="right")
        rows = np.empty(len(slots), np.int64)
        for number in np.unique(part).tolist():
            mine, start = part == number, starts[number]
            places = np.flatnonzero(self.kept[start : start + BATCH_ROWS])
            rows[mine] = start + places[slots[mine] - (ends[number] - counts[number])]
        return rows

    def ids(self, log: pq.ParquetFile, slots: Rows) -> list[str]:
        """The ids of some of the compared rows."""
        ids: list[str] = as_strings(take_column(log, "row_id", self.log_rows(slots))).to_pylist()
        return ids

    def window_rows(self, slots: Rows) -> Rows:
        """The rows of the window of some of the compared rows, (k,)."""
        return self.trained[slots].astype(np.int64)


def match_rows(data: pq.ParquetFile, log: pq.ParquetFile, id_column: str, champion: str) -> Matched:
    """Find the champion's logged rows in the window by their ids.

    Ids are compared as texts. A row without an id is on one side only; of several rows of a window
    with one id, the first counts. A file that lacks a column matches nothing.

    Args:
        data: the window.
        log: the window's part of the prediction log.
        id_column: the window's column of ids; the log's is `row_id`.
        champion: the release whose rows count.
    """
    lacking = [f"{name} in the log" for name in ("row_id", "release") if not _has(log, name)]
    if not _has(data, id_column):
        lacking.append(f"{id_column} in the window")
    log_rows, data_rows = log.metadata.num_rows, data.metadata.num_rows
    own = _own_rows(log, champion)
    answered = int(np.count_nonzero(own))
    others = log_rows - answered
    if lacking:
        nothing = np.zeros(log_rows, np.bool_)
        none = np.zeros(0, np.uint32)
        return Matched(nothing, none, answered, data_rows, others, tuple(lacking))
    trained = _join(log, own, _Index(data, id_column))
    met = np.zeros(data_rows, np.bool_)
    met[trained] = True
    return Matched(
        kept=own,
        trained=trained,
        only_served=answered - len(trained),
        only_trained=data_rows - int(np.count_nonzero(met)),
        other_releases=others,
    )


def batches(file: pq.ParquetFile, name: str) -> Iterator[tuple[int, pa.Array]]:
    """A column in parts, each with the place of its first row."""
    start = 0
    for batch in file.iter_batches(BATCH_ROWS, columns=[name]):
        yield start, batch.column(0)
        start += batch.num_rows


def row_findings(matched: Matched, spec: Spec) -> Iterator[Finding]:
    """Rows that cannot be compared: on one side only, or answered by other releases."""
    name, limit = spec.columns.id, spec.checks.skew.share
    if matched.lacking:
        yield Finding(
            column=name,
            statistic="missing column",
            severity="warn",
            answer="underpowered",
            message=f"no row can be matched: there is no {' and no '.join(matched.lacking)}; "
            "log and ingest the window again",
            count=0,
        )
    elif matched.only_served:
        share = matched.only_served / matched.logged
        remedy = "; nothing can be compared: send the id column with every request"
        yield Finding(
            column=name,
            statistic="only served",
            severity="warn" if share > limit else "info",
            answer=None if matched.rows else "underpowered",
            message=f"{matched.only_served:,} of {matched.logged:,} logged rows ({percent(share)}) "
            f"are not in the window's data{'' if matched.rows else remedy}",
            value=share,
            threshold=limit,
            count=matched.only_served,
        )
    if matched.only_trained and not matched.lacking:
        total = matched.only_trained + len(np.unique(matched.trained))
        share = matched.only_trained / total
        yield Finding(
            column=name,
            statistic="only trained",
            severity="info",
            message=f"the log is incomplete: {matched.only_trained:,} of {total:,} rows "
            f"({percent(share)}) of the window's data were not logged",
            value=share,
            count=matched.only_trained,
        )
    if count := matched.other_releases:
        total = matched.logged + count
        yield Finding(
            column="",
            statistic="other releases",
            severity="info",
            message=f"{count:,} of {total:,} logged rows were answered by other releases and are "
            "left out",
            value=count / total,
            count=count,
        )


class _Index:
    """The window's ids, sorted by hash, each with its row."""

    def __init__(self, data: pq.ParquetFile, id_column: str) -> None:
        hashes = np.empty(data.metadata.num_rows, np.uint64)
        known = np.ones(len(hashes), np.bool_)
        for start, column in batches(data, id_column):
            texts = as_strings(column)
            hashes[start : start + len(texts)] = hash_texts(texts)
            known[start : start + len(texts)] = _valid(texts)
        self._hashes, self._rows = _sorted(hashes, known)

    def find(self, hashes: Hashes) -> tuple[NDArray[np.bool_], Slots]:
        """Which of these ids the window has, (n,), and the rows of those."""
        if not len(self._hashes):
            return np.zeros(len(hashes), np.bool_), np.zeros(0, np.uint32)
        order = np.argsort(hashes)  # looked up in order, a cache line serves many
        place = np.empty(len(hashes), np.int64)
        place[order] = np.searchsorted(self._hashes, hashes[order])
        place = np.minimum(place, len(self._hashes) - 1)
        found = self._hashes[place] == hashes
        return found, self._rows[place[found]]


def _sorted(hashes: Hashes, known: NDArray[np.bool_]) -> tuple[Hashes, Slots]:
    """The known hashes in order, and the row of each; equal ones in the order of their rows.

    A range of hashes at a time, so that what sorting needs beside its result stays small.
    """
    ordered = np.empty(int(np.count_nonzero(known)), np.uint64)
    rows = np.empty(len(ordered), np.uint32)
    parts = min(len(hashes) // _PART_ROWS + 1, _MOST_PARTS)
    start = 0
    for part in range(parts):
        low, high = ((1 << 64) * edge // parts for edge in (part, part + 1))
        inside = hashes >= np.uint64(low)
        inside &= hashes <= np.uint64(high - 1)
        inside &= known
        mine = np.flatnonzero(inside)
        values = hashes[mine]
        order = np.argsort(values, kind="stable")
        stop = start + len(mine)
        ordered[start:stop], rows[start:stop] = values[order], mine[order]
        start = stop
    return ordered, rows


def _join(log: pq.ParquetFile, own: NDArray[np.bool_], index: _Index) -> Slots:
    """The window's row for each of the log's own rows; `own` keeps those alone that have one."""
    trained = np.empty(int(np.count_nonzero(own)), np.uint32)
    size = 0
    for start, column in batches(log, "row_id"):
        texts = as_strings(column)
        mine = own[start : start + len(texts)]
        mine &= _valid(texts)
        found, rows = index.find(hash_texts(texts)[mine])
        mine[mine] = found
        trained[size : size + len(rows)] = rows
        size += len(rows)
    return trained[:size]


def _own_rows(log: pq.ParquetFile, champion: str) -> NDArray[np.bool_]:
    """Which of the log's rows the champion answered; none where nothing says so."""
    own = np.zeros(log.metadata.num_rows, np.bool_)
    if _has(log, "release"):
        for start, column in batches(log, "release"):
            same = pc.fill_null(pc.equal(as_strings(column), champion), False)
            own[start : start + len(same)] = same.to_numpy(zero_copy_only=False)
    return own


def _valid(array: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(array.is_valid().to_numpy(zero_copy_only=False), np.bool_)


def _has(file: pq.ParquetFile, name: str) -> bool:
    return name in file.schema_arrow.names
