"""Which rows of the prediction log and of a window are the same, and which are left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.core.errors import DataError
from components.core.verdict import Finding
from components.core.words import percent
from components.drift.values import as_strings
from components.spec.model import Spec


@dataclass(frozen=True)
class Matched:
    """The rows that both sides have: row `served[i]` of the log is row `trained[i]` of the data.

    `other_releases` counts the log's rows that another release than the champion answered.
    """

    ids: pa.Array
    served: NDArray[np.int64]
    trained: NDArray[np.int64]
    only_served: int
    only_trained: int
    other_releases: int

    @property
    def logged(self) -> int:
        """The rows that the champion answered."""
        return len(self.served) + self.only_served


def match_rows(data: pq.ParquetFile, log: pq.ParquetFile, id_column: str, champion: str) -> Matched:
    """Find the champion's logged rows in the window by their ids.

    Raises:
        DataError: when one of the files lacks its id, or the log its releases.
    """
    served, trained = read_column(log, "row_id"), read_column(data, id_column)
    releases = read_column(log, "release")
    if served is None or releases is None or trained is None:
        raise DataError(
            f"there is no row_id or release in the log or no {id_column} in the window; log anew"
        )
    served, trained = as_strings(served), as_strings(trained)
    own = pc.fill_null(pc.equal(as_strings(releases), champion), False)
    found = pc.index_in(served, value_set=trained)
    both = pc.and_(own, found.is_valid())
    rows = np.flatnonzero(both.to_numpy(zero_copy_only=False))
    positions = found.filter(both).to_numpy().astype(np.int64)
    return Matched(
        ids=served.take(pa.array(rows)),
        served=rows,
        trained=positions,
        only_served=own.true_count - len(rows),
        only_trained=len(trained) - len(np.unique(positions)),
        other_releases=len(own) - own.true_count,
    )


def row_findings(matched: Matched, spec: Spec) -> Iterator[Finding]:
    """Rows that cannot be compared: on one side only, or answered by other releases."""
    name, both = spec.columns.id, len(matched.served)
    if matched.only_served:
        total = both + matched.only_served
        share = matched.only_served / total
        remedy = "" if both else "; nothing can be compared: send the id column with every request"
        yield Finding(
            column=name,
            statistic="only served",
            severity="warn" if share > spec.checks.skew.share else "info",
            message=f"{matched.only_served:,} of {total:,} logged rows ({percent(share)}) are not "
            f"in the window's data{remedy}",
            value=share,
            threshold=spec.checks.skew.share,
            count=matched.only_served,
        )
    if matched.only_trained:
        total = len(np.unique(matched.trained)) + matched.only_trained
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
    yield from _other_findings(matched)


def _other_findings(matched: Matched) -> Iterator[Finding]:
    """How many rows are left out since the champion did not answer them."""
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


def read_column(file: pq.ParquetFile, name: str) -> pa.Array | None:
    """A column of an open file, None where it has none of that name."""
    if name not in file.schema_arrow.names:
        return None
    return file.read(columns=[name]).column(name).combine_chunks()
