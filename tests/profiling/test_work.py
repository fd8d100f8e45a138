"""Planning, repeating and merging: every shard counts once, whatever happens on the way."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from components.core.errors import DataError, StoreError, UsageError
from components.core.storage import Store
from components.data.addresses import Part
from components.drift.profile import Profile
from components.profiling.lanes import number
from components.profiling.merging import merge_parts
from components.profiling.part import count_shard
from components.profiling.plan import SHARD_BYTES, balance, make_plan
from components.profiling.work import Work, pinned
from tests.profiling.conftest import AS_OF, CHAMPION, JANUARY


def rows(count, first=0, day=2):
    return {
        "id": [str(first + i) for i in range(count)],
        "at": pa.array([JANUARY.start.replace(day=day)] * count, pa.timestamp("us", "UTC")),
        "x": np.linspace(-1, 1, count),
        "n": np.arange(count) % 20.0,
        "c": ["a", "b"] * (count // 2),
        "y": ["0", "1"] * (count // 2),
    }


@pytest.fixture
def planned(bench):
    """Three files of which the first and the last share ids, in three shards."""
    for name, first in (("1.parquet", 0), ("2.parquet", 100), ("3.parquet", 30)):
        bench.write(name, rows(40, first))
    return make_plan(bench.spec, JANUARY, AS_OF, CHAMPION, bench.reference, 3)


def counts(bench, plan):
    return [count_shard(bench.spec, plan, i, bench.reference).part for i in range(3)]


def test_the_same_source_gives_the_same_plan(bench, planned):
    again = make_plan(bench.spec, JANUARY, AS_OF, CHAMPION, bench.reference, 3)

    assert again.key == planned.key
    assert [len(shard.parts) for shard in planned.shards] == [1, 1, 1]
    assert planned.headline.startswith("3 shards of 3 files, 0.0 MB")


def test_what_lies_outside_of_the_window_for_certain_weighs_nothing(bench):
    bench.write("at=2023-06-01/a.parquet", {k: v for k, v in rows(4000).items() if k != "at"})
    bench.write("b.parquet", {**rows(40), "at": rows(40)["at"]}, group=10)
    plan = make_plan(bench.spec, JANUARY, AS_OF, CHAMPION, bench.reference, 2)

    assert [shard.parts[0].groups for shard in plan.shards] == [(0, 1), (2, 4)]
    assert plan.shards[0].bytes < plan.shards[1].bytes * 2


def test_shards_are_as_many_as_the_bytes_ask_for_and_keep_the_order():
    units = [(Part(f"{i:02d}.parquet", "parquet"), SHARD_BYTES // 4) for i in range(40)]
    shards = balance(units)

    assert len(shards) == 10
    assert [part.path for shard in shards for part in shard.parts] == [
        part.path for part, _ in units
    ]
    assert max(shard.bytes for shard in shards) <= SHARD_BYTES * 1.25
    assert len(balance(units, 1000)) == 40
    assert len(balance([(Part("a", "csv"), 0)])) == 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda parts: parts[:2], "2 of 3 shards are there"),
        (lambda parts: [*parts[:2], parts[1]], "shard 1 of plan .* where shard 2"),
        (lambda parts: [*parts, parts[2]], "shard 2 of plan .* where shard 3"),
        (
            lambda parts: [parts[0].model_copy(update={"plan": "other"}), *parts[1:]],
            "shard 0 of plan other",
        ),
    ],
)
def test_a_shard_is_merged_once_or_nothing_is(bench, planned, change, expected):
    parts = counts(bench, planned)

    with pytest.raises(DataError, match=expected):
        merge_parts(bench.spec, planned, change(parts))


def test_a_file_that_was_changed_since_it_was_planned_is_refused(bench, planned):
    bench.write("2.parquet", rows(60))

    with pytest.raises(DataError, match=r"2\.parquet was changed while it was read part by part"):
        count_shard(bench.spec, planned, 1, bench.reference)


def test_columns_without_cells_are_refused_before_anything_is_read(bench, planned):
    known = dict(bench.reference.columns)
    lacking = Profile(columns={name: known[name] for name in ("x", "c", "label")})

    with pytest.raises(DataError, match="the champion v1 was trained without n, or with another"):
        make_plan(bench.spec, JANUARY, AS_OF, CHAMPION, lacking, 3)
    swapped = Profile(columns={**known, "n": known["c"]})
    with pytest.raises(DataError, match="train with this spec first, or run monitoring"):
        make_plan(bench.spec, JANUARY, AS_OF, CHAMPION, swapped, 3)


def test_a_source_that_cannot_be_split_is_one_shard(bench):
    spec = bench.spec.model_copy(
        update={"source": {"kind": "sql", "url": "sqlite://", "query": "select 1"}}
    )
    document = json.loads(spec.model_dump_json(by_alias=True, warnings=False))
    from components.spec.load import parse_spec

    plan = make_plan(parse_spec(json.dumps(document)), JANUARY, AS_OF, CHAMPION, bench.reference, 8)
    assert len(plan.shards) == 1
    assert "is read as a whole, it cannot be split exactly" in plan.headline


def test_a_finished_profile_is_never_replaced(tmp_path, bench, planned):
    work = Work(Store(tmp_path / "store"), "toy", JANUARY, planned.key)
    whole, record = merge_parts(bench.spec, planned, counts(bench, planned))
    work.finish(whole, record)
    work.finish(whole, record)
    assert work.complete

    other = whole.model_copy(update={"champion": "v2"})
    with pytest.raises(DataError, match="another profile of the same plan"):
        work.finish(other, record)
    assert work.profile == whole


def test_a_run_keeps_the_clock_that_it_began_with(tmp_path):
    store = Store(tmp_path)
    first = pinned(store, "toy", JANUARY, "run", AS_OF)
    later = pinned(store, "toy", JANUARY, "run", AS_OF.replace(year=2025))

    assert first == later == AS_OF
    assert pinned(store, "toy", JANUARY, "other", AS_OF.replace(year=2025)).year == 2025


def test_a_run_without_a_plan_and_a_damaged_plan_are_told_apart(tmp_path, bench, planned):
    store = Store(tmp_path / "store")
    with pytest.raises(DataError, match="run r has no plan"):
        Work.of_run(store, "toy", JANUARY, "r")

    Work(store, "toy", JANUARY, planned.key).begin(planned, bench.reference, "r")
    work = Work.of_run(store, "toy", JANUARY, "r")
    assert work.plan == planned
    store.write(f"{work.folder}/plan.json", b"{")
    with pytest.raises(StoreError, match=r"plan\.json is damaged"):
        _ = work.plan


@pytest.mark.parametrize("text", ["0", "-1", "1001", "two", "1.5", "", "\u0661"])
def test_a_number_of_shards_is_a_whole_number(text):
    with pytest.raises(UsageError, match=r"--shards .* is not a whole number from 1 to 1,000"):
        number(text, "shards", 1000)


def test_row_groups_that_follow_one_another_are_one_part():
    part = Part("a.parquet", "parquet", groups=(0, 1))
    units = [(replace(part, groups=(i, i + 1)), 1 << 20) for i in range(6)]
    (first, second) = balance(units, 2)

    assert [part.groups for part in first.parts] == [(0, 3)]
    assert [part.groups for part in second.parts] == [(3, 6)]
