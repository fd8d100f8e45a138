import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.verdict import Verdict
from components.data.report import ColumnReport
from components.drift.profile import profile_arrays
from components.schema.chance import Chance
from components.schema.column_schema import learn_column, widened
from components.schema.row_anomalies import row_findings


def beyond_chance(*counts):
    return Chance(*counts).beyond


def learned(values):
    profile = profile_arrays({"a": values})
    return learn_column(profile.columns["a"], ColumnReport(source_type="double"))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.03, 0.5, 0.99])
@pytest.mark.parametrize(("n", "m"), [(1000, 1000), (100_000, 500), (500, 100_000)])
def test_two_samples_of_one_share_are_within_chance(share, n, m):
    draw = np.random.default_rng([6, n, m])
    pairs = zip(
        draw.binomial(m, share, 5000).tolist(), draw.binomial(n, share, 5000).tolist(), strict=True
    )
    assert not any(beyond_chance(now, m, before, n) for now, before in pairs)


@pytest.mark.parametrize(
    ("now", "before"), [((40, 1000), (0, 1000)), ((10, 1000), (0, 50_000)), ((900, 1000), (1, 9))]
)
def test_a_clear_increase_is_beyond_chance(now, before):
    assert beyond_chance(*now, *before)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_fewer_hits_are_no_increase(hits, more, before, more_before):
    now, then = (hits, hits + more), (before, before + more_before)
    if beyond_chance(*now, *then):
        assert now[0] / now[1] > then[0] / then[1]
        assert not beyond_chance(*then, *now)


def test_a_range_is_widened_with_sense():
    assert widened(learned(pa.array([0.0, 4.0])), 0.5) == (0.0, 6.0)
    assert widened(learned(pa.array([3.0, 3.0])), 0.5) == (3.0, 3.0)
    assert widened(learned(pa.nulls(2, pa.float64())), 0.5) == (-math.inf, math.inf)


def test_row_problems_without_a_reference_are_warnings():
    from components.data.report import IngestReport

    report = IngestReport(
        window="2024-01-01..2024-02-01",
        as_of="2025-01-01",
        source="s",
        rows_read=100,
        rows_outside=0,
        rows_bad_time=0,
        rows_no_id=5,
        duplicates=0,
        rows=95,
        labels=0,
        labels_not_due=0,
        missing_columns=[],
        extra_columns=[],
        columns={},
        fingerprint="f",
    )
    (finding,) = row_findings(report, "time", {}, 0)
    assert finding.message == "5 of 100 rows (5.0 %) have no id and were left out"
    assert Verdict.of("schema", "w", "", [finding]).status == "warn"
    (finding,) = row_findings(report, "time", {"rows_no_id": 5}, 100)
    assert finding.severity == "info"
