import os
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.prediction_log import latest_versions
from components.serving import parts as module
from components.serving.parts import Part, Partitioner
from components.serving.tables import pack
from tests.serving.logged import START, answered


def ids(table):
    return table.column("row_id").to_pylist()


def test_parts_split_by_hour_whatever_the_order_and_the_century():
    moments = [START, START + timedelta(hours=2), START - timedelta(days=40000), START]
    batch = replace(answered(4), event_times=moments)

    found = list(Partitioner("m").parts(pack([batch])))

    assert [
        (part.name.split("/")[2:4], part.table.column("row_id").to_pylist()) for part in found
    ] == [
        (["date=1914-08-26", "hour=00"], ["r2"]),
        (["date=2024-03-01", "hour=00"], ["r0", "r3"]),
        (["date=2024-03-01", "hour=02"], ["r1"]),
    ]
    assert all(isinstance(part, Part) for part in found)


def test_requests_to_two_releases_are_told_apart_whatever_the_order():
    requests = [answered(2, 2 * place, release=f"v{place % 2}") for place in range(4)]

    packed = list(pack(requests))

    assert [(each.release, ids(each.table)) for each in packed] == [
        (f"v{place % 2}", [f"r{2 * place}", f"r{2 * place + 1}"]) for place in range(4)
    ]


def test_rows_may_come_without_a_time_of_their_own():
    now = datetime(2024, 3, 1, 5, tzinfo=UTC)
    plain = answered(3)
    request = replace(plain, event_times=[now] * 3, served_at=now)

    (packed,) = pack([request, replace(plain, row_ids=["x", "y", "z"])])

    assert packed.table.column("event_time").to_pylist() == [now] * 3 + plain.event_times
    assert packed.table.column("prediction").to_pylist() == 2 * plain.prediction.tolist()
    assert packed.table.column("probability").to_pylist() == 2 * plain.probability.tolist()


def test_rows_of_one_hour_stay_in_one_file_until_they_are_many(monkeypatch):
    monkeypatch.setattr(module, "_SMALL_ROWS", 20)
    partitioner = Partitioner("m")
    made = []
    for first in range(0, 60, 6):
        (part,) = partitioner.parts(pack([answered(6, first)]))
        part.arrived()
        made.append((part.stem, part.version, part.table.num_rows, part.fresh, part.replaced))

    stems = list(dict.fromkeys(stem for stem, *_ in made))
    assert [(stems.index(stem), *counts) for stem, *counts, _ in made] == [
        (0, 0, 6, 6), (0, 1, 12, 6), (0, 2, 18, 6), (0, 3, 24, 6),
        (1, 0, 6, 6), (1, 1, 12, 6), (1, 2, 18, 6), (1, 3, 24, 6),
        (2, 0, 6, 6), (2, 1, 12, 6),
    ]  # fmt: skip
    assert [replaced for *_, replaced in made[:3]] == [
        None, f"{stems[0]}.0000.parquet", f"{stems[0]}.0001.parquet"
    ]  # fmt: skip


def test_what_is_held_of_small_parts_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "_HELD_PARTS", 3)
    partitioner = Partitioner("m")
    hours = [answered(1, 60 * hour) for hour in range(5)]
    for part in partitioner.parts(pack(hours)):
        part.arrived()

    def versions(hours, *, further=True):
        return [part.version for part in partitioner.parts(pack(hours), further=further)]

    assert versions(hours[2:], further=False) == [0, 0, 0]
    for part in partitioner.parts(pack(hours)):
        part.arrived()
    assert versions(hours[2:]) == [1, 1, 1]
    assert versions(hours[:1]) == [0]


def test_a_held_part_keeps_no_more_memory_than_its_rows():
    partitioner = Partitioner("m")
    before = pa.total_allocated_bytes()

    for part in partitioner.parts(pack([answered(200_000, step_minutes=0), answered(5, 60)])):
        part.arrived()
    del part

    assert pa.total_allocated_bytes() - before < 100_000


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(1, 6), st.integers(0, 1), st.booleans(), st.booleans()
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_at_any_moment_each_row_in_the_store_counts_once(steps):
    """Steps: hour, rows, release, whether the store takes them, whether the old version goes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_SMALL_ROWS", 8)
        partitioner, store, arrived = Partitioner("m"), {}, []
        for number, (hour, rows, release, is_taken, is_deleted) in enumerate(steps):
            request = answered(rows, 60 * hour, release=f"v{release}", name=f"{number}-")
            (part,) = partitioner.parts(pack([request]))
            if not is_taken:
                continue
            store[part.name] = ids(part.table)
            part.arrived()
            arrived += request.row_ids
            for _ in range(2):  # before the replaced version is deleted, and after
                visible = [row for name in latest_versions(store) for row in store[name]]
                assert sorted(visible) == sorted(arrived)
                if part.replaced and is_deleted:
                    store.pop(part.replaced, None)


def test_no_two_writers_share_a_name_even_with_the_same_host_and_process_id(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "server-0.svc_cluster")
    monkeypatch.setattr(os, "getpid", lambda: 1)
    names = [
        part.name
        for _ in range(200)
        for partitioner in [Partitioner("m")]
        for part in partitioner.parts(pack([answered(2, 0, step_minutes=60)]))
    ]

    assert len(set(names)) == len(names) == 400
    assert all("/server-0-svc-cluster-1-" in name for name in names)


def test_both_kinds_of_file_are_read_as_they_were_written():
    for count in (10, 6000):
        (part,) = Partitioner("m").parts(pack([answered(count, step_minutes=0)]))
        assert pq.read_table(pa.BufferReader(part.encode())).equals(part.table)
