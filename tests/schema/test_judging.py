"""Judging from documents alone: older ones, merged ones, and ones that were widened by hand."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.window import Window
from components.data.ingest import ingest_window
from components.data.report import ColumnReport, read_report
from components.drift.profile import LABEL, Profile, merge, profile_arrays
from components.schema import reading
from components.schema.accept import join
from components.schema.anomalies import domain_findings, missing_values
from components.schema.check import check_schema, judge_schema
from components.schema.column_schema import learn_column, rounding
from components.schema.reading import read_nulls, read_profile
from components.schema.schema import Schema, learn_schema
from components.spec.model import SchemaCheck
from tests.worlds import make_world

DATA = Path(__file__).parent / "data"
MARCH = Window.parse("2024-03")
LATER = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture
def march(tmp_path):
    """The orders of March, as ingest wrote them, and their spec."""
    world = make_world(tmp_path)
    path = tmp_path / "march.parquet"
    ingest_window(world.spec, MARCH, LATER, path)
    return path, world


def test_a_champion_with_documents_of_the_first_format_still_judges(march):
    path, world = march
    schema = Schema.model_validate_json((DATA / "schema-1.json").read_text())
    profile = Profile.model_validate_json((DATA / "profile-1.json").read_text())

    def verdict():
        return check_schema(path, world.spec, MARCH, schema, "v1", reference=profile)

    assert verdict().status == "ok", verdict().headline
    orders = pq.read_table(world.source / "3.parquet")
    shops = ["elsewhere"] * 150 + orders.column("shop").to_pylist()[150:]
    place = orders.column_names.index("shop")
    pq.write_table(orders.set_column(place, "shop", [shops]), world.source / "3.parquet")
    ingest_window(world.spec, MARCH, LATER, path)
    (finding,) = verdict().at_least("warn")
    assert (finding.column, finding.count, finding.severity) == ("shop", 150, "drift")


def test_another_unit_stops_training(march):
    path, world = march
    report = read_report(path)
    reference = read_profile(path, report, world.spec, None)
    schema = learn_schema(report, reference, world.spec)
    orders = pq.read_table(world.source / "3.parquet")
    cents = pa.array(np.array(orders.column("price").to_numpy()) * 100)
    place = orders.column_names.index("price")
    pq.write_table(orders.set_column(place, "price", cents), world.source / "3.parquet")
    ingest_window(world.spec, MARCH, LATER, path)
    verdict = check_schema(path, world.spec, MARCH, schema, "v1", reference=reference)
    (finding,) = verdict.at_least("blocked")
    assert (finding.column, finding.statistic, verdict.status) == ("price", "scale", "blocked")
    assert finding.value == pytest.approx(100, rel=0.02)
    assert "price is about 100 times what it was" in finding.message


def test_merged_profiles_of_parts_give_the_verdict_of_the_whole(march):
    path, world = march
    report = read_report(path)
    reference = read_profile(path, report, world.spec, None)
    schema = learn_schema(report, reference, world.spec)
    table = pq.read_table(path)
    names = {**dict.fromkeys(world.spec.columns.features), "returned": LABEL}
    parts = [
        profile_arrays(
            {new or old: table.slice(start, 500).column(old) for old, new in names.items()},
            reference,
        )
        for start in (1000, 0, 500)
    ]
    merged = merge(merge(parts[0], parts[1]), parts[2])
    held = (schema, world.spec, MARCH, "v1")
    assert judge_schema(report, merged, *held) == judge_schema(report, reference, *held)


def test_what_the_footer_shows_to_be_empty_is_not_read(march, monkeypatch):
    path, world = march
    table = pq.read_table(path)
    place = table.column_names.index("price")
    pq.write_table(table.set_column(place, "price", pa.nulls(1500, pa.float64())), path)
    assert read_nulls(path)["price"] == 1500
    asked = []
    real = reading.profile_file
    monkeypatch.setattr(
        reading, "profile_file", lambda *given: asked.append(given[1:3]) or real(*given)
    )
    report = read_report(path)
    profile = read_profile(path, report, world.spec, None)
    assert asked == [(["weight"], ["shop"])]
    assert (profile.columns["price"].rows, profile.columns["price"].missing) == (1500, 1500)
    verdict = judge_schema(report, profile, None, world.spec, MARCH, "")
    assert verdict.headline.startswith("price has no values in any of 1,500 rows")


def test_a_column_in_another_role_is_not_compared(march):
    path, world = march
    report = read_report(path)
    reference = read_profile(path, report, world.spec, None)
    schema = learn_schema(report, reference, world.spec)
    columns = world.spec.columns.model_copy(
        update={"numeric": ["price"], "categorical": ["shop", "weight"]}
    )
    spec = world.spec.model_copy(update={"columns": columns})
    ingest_window(spec, MARCH, LATER, path)
    verdict = check_schema(path, spec, MARCH, schema, "v1", reference=reference)
    (finding,) = [f for f in verdict.findings if f.column == "weight"]
    assert (finding.statistic, finding.severity) == ("role", "info")


def _column(values, reference=None):
    profile = profile_arrays({"a": values}, reference)
    return profile, learn_column(profile.columns["a"], ColumnReport(source_type="double"))


def _flags(profile, seen, before):
    limits = SchemaCheck()
    found = [
        *missing_values("a", seen, before, limits),
        *domain_findings("a", profile.columns["a"], seen, before, limits, is_target=False),
    ]
    return [finding.message for finding in found if finding.severity != "info"]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    factor=st.sampled_from([1.0, 0.001, 100.0, -1.0, 3.0]),
    shift=st.sampled_from([0.0, 1000.0]),
    nulls=st.sampled_from([0.0, 0.02, 0.5, 1.0]),
    digits=st.sampled_from([None, 0, 1]),
    constant=st.booleans(),
)
def test_numbers_that_were_accepted_are_clean(seed, factor, shift, nulls, digits, constant):
    random = np.random.default_rng(seed)
    reference, before = _column(pa.array(random.gamma(3.0, 20.0, 2000)))
    values = random.gamma(3.0, 20.0, 600) * factor + shift
    values = np.full(600, 7.5) if constant else values
    values = values if digits is None else np.round(values, digits)
    changed = pa.array(values, mask=random.random(600) < nulls)
    profile, seen = _column(changed, reference)
    assert _flags(profile, seen, join(before, seen)) == []


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    kinds=st.sampled_from([3, 300, 3000]),
    new=st.sampled_from([1, 50, 400]),
    nulls=st.sampled_from([0.0, 0.3]),
)
def test_categories_that_were_accepted_are_clean(seed, kinds, new, nulls):
    random = np.random.default_rng(seed)
    reference, before = _column(pa.array([f"k{i}" for i in random.integers(0, kinds, 4000)]))
    changed = [f"n{i}" for i in random.integers(0, new, 600)]
    profile, seen = _column(pa.array(changed, mask=random.random(600) < nulls), reference)
    assert _flags(profile, seen, join(before, seen)) == []


@pytest.mark.parametrize("step", [10.0, 1.0, 0.5])
def test_the_step_of_rounded_values_is_found(step):
    random = np.random.default_rng(4)
    reference = profile_arrays({"a": pa.array(random.normal(0, 40, 5000))})
    values = np.round(random.normal(0, 40, 3000) / step) * step
    found = profile_arrays({"a": pa.array(values)}, reference).columns["a"]
    assert rounding(found) == step


def test_values_that_many_rows_share_are_not_rounded_ones():
    """An hour's weather stands on every row of the hour: few values, but of no step."""
    random = np.random.default_rng(5)
    hours = random.normal(60, 20, 2000)
    reference = profile_arrays({"a": pa.array(np.repeat(hours, 10))})
    found = profile_arrays({"a": pa.array(np.repeat(hours[:200], 20))}, reference)
    assert rounding(found.columns["a"]) == 0.0
