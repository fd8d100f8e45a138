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
from components.drift.values import as_strings
from components.spec.model import Spec

BATCH_ROWS = 1 << 17
# The window's hashes are sorted in parts of about this many rows, so that no sort doubles memory.
_PART_ROWS = 1 << 20

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
        ids: list[str] = as_strings(take_rows(log, "row_id", self.log_rows(slots))).to_pylist()
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


def take_rows(file: pq.ParquetFile, name: str, rows: Rows) -> pa.Array:
    """Some rows of a column, in the order asked for; the file is read batch by batch.

    >>> path = getfixture("tmp_path") / "rows.parquet"
    >>> pq.write_table(pa.table({"a": [10, 20, 30, 40]}), path, row_group_size=2)
    >>> take_rows(pq.ParquetFile(path), "a", np.array([3, 0])).to_pylist()
    [40, 10]
    """
    order = np.argsort(rows, kind="stable")
    wanted = rows[order]
    parts = [pa.nulls(0, file.schema_arrow.field(name).type)]
    for start, column in batches(file, name):
        low, high = np.searchsorted(wanted, [start, start + len(column)])
        if high > low:
            parts.append(pa.array(column.take(pa.array(wanted[low:high] - start))))
    back = np.empty(len(rows), np.int64)
    back[order] = np.arange(len(rows))
    return _joined(parts).take(pa.array(back))


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
    """The window's ids, each with its row: sorted by hash, in parts of a range of hashes each."""

    def __init__(self, data: pq.ParquetFile, id_column: str) -> None:
        bits = (data.metadata.num_rows // _PART_ROWS).bit_length()
        self._bounds = np.arange(1, 1 << bits, dtype=np.uint64) << np.uint64(64 - bits)
        found: list[list[tuple[Hashes, Slots]]] = [[] for _ in range(1 << bits)]
        for start, column in batches(data, id_column):
            texts = as_strings(column)
            rows = np.flatnonzero(_valid(texts))
            hashes = hash_texts(texts)[rows]
            for part, mine in self._split(hashes):
                found[part].append((hashes[mine], (rows[mine] + start).astype(np.uint32)))
        self._parts: list[tuple[Hashes, Slots]] = []
        while found:
            self._parts.append(_sorted(found.pop(0)))

    def find(self, hashes: Hashes) -> tuple[NDArray[np.bool_], Slots]:
        """Which of these ids the window has, (n,), and the rows of those."""
        known = np.zeros(len(hashes), np.bool_)
        rows = np.zeros(len(hashes), np.uint32)
        for part, mine in self._split(hashes):
            values, places = self._parts[part]
            if len(values):
                wanted = hashes[mine]
                place = np.minimum(np.searchsorted(values, wanted), len(values) - 1)
                known[mine], rows[mine] = values[place] == wanted, places[place]
        return known, rows[known]

    def _split(self, hashes: Hashes) -> Iterator[tuple[int, Rows]]:
        """Which of the hashes belong to each part, in order: a search in order is a fast one."""
        order = np.argsort(hashes, kind="stable")
        cuts = np.searchsorted(hashes[order], self._bounds)
        for part, mine in enumerate(np.split(order, cuts)):
            if len(mine):
                yield part, mine


def _sorted(found: list[tuple[Hashes, Slots]]) -> tuple[Hashes, Slots]:
    """One part in order; equal hashes in the order of their rows."""
    if not found:
        return np.zeros(0, np.uint64), np.zeros(0, np.uint32)
    hashes = np.concatenate([values for values, _ in found])
    rows = np.concatenate([places for _, places in found])
    order = np.argsort(hashes, kind="stable")
    return hashes[order], rows[order]


def _join(log: pq.ParquetFile, own: NDArray[np.bool_], index: _Index) -> Slots:
    """The window's row for each of the log's own rows; `own` keeps those alone that have one."""
    parts = [np.zeros(0, np.uint32)]
    for start, column in batches(log, "row_id"):
        texts = as_strings(column)
        mine = own[start : start + len(texts)]
        if texts.null_count:
            mine &= _valid(texts)
        found, rows = index.find(hash_texts(texts)[mine])
        mine[mine] = found
        parts.append(rows)
    return np.concatenate(parts)


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


def _joined(parts: list[pa.Array]) -> pa.Array:
    joined = pa.chunked_array(parts, parts[0].type).combine_chunks()
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined
