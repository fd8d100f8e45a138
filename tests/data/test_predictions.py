import json
import os
import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.errors import DataError, StoreError
from components.core.storage import Store
from components.core.window import Window
from components.data import predictions
from components.data.prediction_log import (
    TIME,
    log_partition,
    log_prefix,
    log_schema,
    read_log_report,
)
from components.data.predictions import read_predictions
from components.spec.load import parse_spec

MARCH = Window.parse("2024-03")
NOON = datetime(2024, 3, 10, 12, tzinfo=UTC)


def make_spec(task="binary", numeric=("a", "b"), categorical=("c",)):
    return parse_spec(
        json.dumps(
            {
                "model": "m",
                "task": task,
                "source": {"kind": "files", "path": "x"},
                "columns": {
                    "id": "i",
                    "time": "t",
                    "target": "y",
                    "numeric": numeric,
                    "categorical": categorical,
                },
                "estimator": {"class": "sklearn.dummy.DummyClassifier"},
                "metric": "mae" if task == "regression" else "accuracy",
            }
        )
    )


SPEC = make_spec()


def row(row_id, event_time=NOON, served_at=NOON, release="v1", prediction=1, **features):
    return {
        "row_id": row_id,
        "event_time": event_time,
        "served_at": served_at,
        "release": release,
        "request_id": "r",
        "prediction": prediction,
        "probability": None if isinstance(prediction, float) else [0.25, 0.75],
        **{f"feature.{name}": value for name, value in {"a": 1.0, "c": "x", **features}.items()},
    }


def write_part(store, rows, name, columns=SPEC.columns, prediction=None):
    """A part in the partition of its first row."""
    kind = prediction or pa.array([rows[0]["prediction"]]).type
    schema = log_schema(columns, kind)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink)
    folder = log_partition("m", rows[0]["event_time"])
    store.write(f"{folder}/{name}.parquet", sink.getvalue().to_pybytes())


def read(store, tmp_path, window=MARCH, spec=SPEC):
    report = read_predictions(store, spec, window, tmp_path / "out" / "predictions.parquet")
    table = pq.read_table(tmp_path / "out" / "predictions.parquet")
    assert report == read_log_report(tmp_path / "out" / "predictions.parquet")
    assert table.num_rows == report.rows
    return report, table


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def test_a_window_starts_where_it_says_and_ends_before_its_end(store, tmp_path):
    moments = [
        MARCH.start - timedelta(microseconds=1),
        MARCH.start,
        MARCH.end - timedelta(microseconds=1),
        MARCH.end,
    ]
    for number, moment in enumerate(moments):
        write_part(store, [row(f"r{number}", moment)], f"p{number}")

    report, table = read(store, tmp_path)

    assert table.column("row_id").to_pylist() == ["r1", "r2"]
    assert (report.rows, report.duplicates, report.releases, report.parts) == (2, 0, {"v1": 2}, 2)


def test_a_window_inside_an_hour_takes_only_its_rows_of_the_part(store, tmp_path):
    rows = [row(f"r{minute}", NOON + timedelta(minutes=minute)) for minute in range(60)]
    write_part(store, rows, "p")

    window = Window(NOON + timedelta(minutes=10), NOON + timedelta(minutes=20))
    report, table = read(store, tmp_path, window)

    assert table.column("row_id").to_pylist() == [f"r{minute}" for minute in range(10, 20)]
    assert report.rows == 10


def test_other_hours_are_not_opened(store, tmp_path):
    write_part(store, [row("r")], "p")
    for moment in (NOON - timedelta(hours=1), NOON + timedelta(hours=1), NOON - timedelta(days=2)):
        store.write(f"{log_partition('m', moment)}/broken.parquet", b"no parquet at all")

    window = Window(NOON, NOON + timedelta(hours=1))

    assert read(store, tmp_path, window)[0].rows == 1


def test_the_latest_answer_for_a_row_counts(store, tmp_path):
    later, latest = NOON + timedelta(seconds=1), NOON + timedelta(seconds=2)
    write_part(store, [row("r", served_at=latest, release="v2"), row("s")], "a")
    write_part(store, [row("r", served_at=NOON), row("r", served_at=later)], "b")

    report, table = read(store, tmp_path)

    assert table.column("row_id").to_pylist() == ["r", "s"]
    assert table.column("release").to_pylist() == ["v2", "v1"]
    assert (report.duplicates, report.releases) == (2, {"v1": 1, "v2": 1})


def test_of_answers_in_the_same_microsecond_the_last_in_the_log_counts(store, tmp_path):
    write_part(store, [row("r", prediction=0)], "a")
    write_part(store, [row("r", prediction=0), row("r", prediction=1)], "b")

    assert read(store, tmp_path)[1].column("prediction").to_pylist() == [1]


@pytest.mark.parametrize("overlapping", [False, True])
def test_a_log_larger_than_memory_should_hold_is_read_all_the_same(
    store, tmp_path, monkeypatch, overlapping
):
    stray = timedelta(minutes=90 if overlapping else 1)
    for hour in range(40):
        start = NOON + timedelta(hours=hour)
        rows = [row(f"r{hour}-{n}", start + n * stray, a=float(n)) for n in (2, 0, 1)]
        rows += [
            row(f"again{hour % 7}", start, served_at=start),
            row(f"r{hour}-0", NOON if overlapping else start),
        ]
        write_part(store, rows, f"p{hour}")
    report, table = read(store, tmp_path)
    held = predictions._HELD_BYTES

    monkeypatch.setattr(predictions, "_HELD_BYTES", 0)
    monkeypatch.setattr(predictions, "_GROUP_ROWS", 10)
    monkeypatch.setattr(predictions, "_READERS", 3)
    again, same = read(store, tmp_path)

    assert held > 0
    assert (again, same.equals(table)) == (report, True)
    assert (report.rows, report.duplicates, report.parts) == (3 * 40 + 7, 33 + 40, 40)
    rows = table.select(["event_time", "row_id"]).to_pylist()
    assert rows == sorted(rows, key=lambda one: (one["event_time"], one["row_id"]))
    file = pq.ParquetFile(tmp_path / "out" / "predictions.parquet")
    assert (file.num_row_groups > 1) is not overlapping


def test_a_part_that_waits_on_disk_and_is_damaged_is_named(store, tmp_path, monkeypatch):
    monkeypatch.setattr(predictions, "_HELD_BYTES", 0)
    write_part(store, [row(f"r{n}", a=float(n)) for n in range(1000)], "p")
    name = f"{log_partition('m', NOON)}/p.parquet"
    content = bytearray(store.read(name))
    column = pq.ParquetFile(pa.BufferReader(bytes(content))).metadata.row_group(0).column(7)
    assert column.path_in_schema == "feature.a"
    start = column.dictionary_page_offset
    content[start : start + 30] = b"\xff" * 30
    store.write(name, bytes(content))

    with pytest.raises(DataError, match=r"hour=12/p\.parquet is no part of a prediction log"):
        read(store, tmp_path)
    assert not any((tmp_path / "out").glob("*"))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(-3, 26), st.integers(0, 3), st.integers(0, 2)),
        max_size=30,
    )
)
def test_any_log_reads_as_the_plain_definition_says(tmp_path_factory, entries):
    """Entries: row id, event hour (some outside of the day), serving second, part."""
    folder = tmp_path_factory.mktemp("any")
    store, day = Store(folder / "store"), Window.parse("2024-03-10")
    rows = [
        row(f"r{number}", day.start + timedelta(hours=hour), NOON + timedelta(seconds=second))
        | {"request_id": f"{place}"}
        for place, (number, hour, second, _) in enumerate(entries)
    ]
    parts = {}
    for entry, one in zip(entries, rows, strict=True):
        parts.setdefault((one["event_time"], entry[3]), []).append(one)
    for (_, number), part in parts.items():
        write_part(store, part, f"p{number}")

    report, table = read(store, folder, day)

    inside = [one for one in rows if one["event_time"] in day]
    best = {}
    for one in inside:
        best[one["row_id"]] = max(best.get(one["row_id"], one["served_at"]), one["served_at"])
    found = table.to_pylist()
    assert {one["row_id"]: one["served_at"] for one in found} == best
    assert len(found) == len(best)
    assert report.rows + report.duplicates == len(inside)
    assert [one["event_time"] for one in found] == sorted(one["event_time"] for one in found)


class Racing(Store):
    """A store in which a writer takes some steps before each thing that the reader asks."""

    def __init__(self, address, steps, strides):
        super().__init__(address)
        self.steps, self.strides = list(steps), list(strides)
        self.busy = threading.RLock()  # the reader has many threads, the writer is one

    def go_on(self):
        with self.busy:
            count = self.strides.pop() if self.strides else 0
            for step in [self.steps.pop(0) for _ in range(min(count, len(self.steps)))]:
                step()

    def names(self, prefix):
        self.go_on()
        return super().names(prefix)

    def read(self, name):
        self.go_on()
        return super().read(name)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=3),
    st.integers(0, 6),
    st.lists(st.integers(0, 3), max_size=12),
    st.randoms(use_true_random=False),
)
def test_a_reader_sees_each_row_once_while_parts_are_replaced(
    tmp_path_factory, versions, head_start, strides, random
):
    """Each part gets so many versions; the older one of two goes at any time after."""
    store = Racing(tmp_path_factory.mktemp("racing") / "store", [], strides)
    queues = []
    for part, count in enumerate(versions):
        rows = [row(f"{part}-{number}") for number in range(count)]
        queue = []
        for version in range(count):
            name = f"w-{part:06d}.{version:04d}"
            queue.append(partial(write_part, store, rows[: version + 1], name))
            if version:
                old = f"{log_partition('m', NOON)}/w-{part:06d}.{version - 1:04d}.parquet"
                queue.append(partial(store.delete, old))
        queues.append(queue)
    while any(queues):
        store.steps.append(random.choice([queue for queue in queues if queue]).pop(0))
    for step in [store.steps.pop(0) for _ in range(min(head_start, len(store.steps)))]:
        step()
    strides, store.strides = store.strides, []
    before = {one["row_id"] for one in read(store, store_folder(store))[1].to_pylist()}
    store.strides = strides

    report, table = read(store, store_folder(store))

    found = table.column("row_id").to_pylist()
    assert before <= set(found)
    assert (report.duplicates, len(found)) == (0, len(set(found)))


def store_folder(store):
    """A folder beside the store."""
    return Path(store.address).parent


def test_a_part_that_is_gone_and_not_replaced_is_missed(store, tmp_path):
    write_part(store, [row("r")], "p")
    write_part(store, [row("s")], "q.0001")
    names = store.names

    def names_of_before(prefix):
        found = names(prefix)
        for name in found:
            store.delete(name)
        write_part(store, [row("s")], "q.0000")
        return found

    store.names = names_of_before
    with pytest.raises(StoreError, match=r"hour=12/p\.parquet does not exist"):
        read(store, tmp_path)


def test_no_rows_at_all_still_make_a_file_with_every_column(store, tmp_path):
    report, table = read(store, tmp_path)

    assert (report.rows, report.releases, report.parts) == (0, {}, 0)
    assert table.schema.remove_metadata().equals(log_schema(SPEC.columns, pa.null()))
    assert pc.equal(table.column("prediction"), pa.scalar("yes")).to_pylist() == []


def test_no_rows_of_a_regression_are_numbers(store, tmp_path):
    _, table = read(store, tmp_path, spec=make_spec("regression"))

    assert table.schema.field("prediction").type == pa.float64()


@pytest.mark.parametrize("value", [1, "late", True, 2.5])
def test_a_prediction_keeps_the_type_of_the_target(store, tmp_path, value):
    write_part(store, [row("r", prediction=value)], "p")

    spec = make_spec("regression") if isinstance(value, float) else SPEC
    table = read(store, tmp_path, spec=spec)[1]

    assert table.column("prediction").to_pylist() == [value]
    assert table.schema.field("prediction").type == pa.array([value]).type
    assert table.schema.field("event_time").type == TIME


def test_releases_with_other_features_and_other_classes_read_together(store, tmp_path):
    old = make_spec(numeric=("a", "gone", "c"), categorical=("b",)).columns
    write_part(store, [row("r1", prediction=1, a=2.0, gone=3.0, b="4.5", c=7.0)], "p1", old)
    write_part(store, [row("r2", prediction="late", a=1.0, b=2.0, c="x")], "p2")
    write_part(store, [row("r3", prediction="late", a=1.0, b="none", c=1.0)], "p3", old)

    table = read(store, tmp_path)[1]

    assert table.column_names == log_schema(SPEC.columns, pa.string()).names
    assert table.column("feature.a").to_pylist() == [2.0, 1.0, 1.0]
    assert table.column("feature.b").to_pylist() == [4.5, 2.0, None]
    assert table.column("feature.c").to_pylist() == ["7", "x", "1"]
    assert table.column("prediction").to_pylist() == ["1", "late", "late"]


def test_what_is_not_a_finished_part_is_passed_over(store, tmp_path):
    write_part(store, [row("r")], "p")
    folder = log_partition("m", NOON)
    store.write(f"{folder}/.writing-abc", b"PAR1 half a file")
    store.write(f"{folder}/.half.parquet", b"PAR1 half a file")
    store.write(f"{folder}/notes.txt", b"x")
    store.write(f"{log_prefix('m')}/readme.parquet", b"x")

    assert read(store, tmp_path)[0].rows == 1


@pytest.mark.parametrize("content", [b"", b"PAR1 cut off", "other"])
def test_a_damaged_part_is_named(store, tmp_path, content):
    if content == "other":
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"z": [1]}), sink)
        content = sink.getvalue().to_pybytes()
    store.write(f"{log_partition('m', NOON)}/bad.parquet", content)

    with pytest.raises(DataError, match=r"hour=12/bad\.parquet is no part of a prediction log"):
        read(store, tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_failed_write_leaves_the_file_that_was_there(store, tmp_path, monkeypatch):
    write_part(store, [row("r")], "p")
    _, before = read(store, tmp_path)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("full")))

    with pytest.raises(OSError, match="full"):
        read_predictions(store, SPEC, MARCH, tmp_path / "out" / "predictions.parquet")

    assert pq.read_table(tmp_path / "out" / "predictions.parquet").equals(before)
    assert os.listdir(tmp_path / "out") == ["predictions.parquet"]


def test_a_foreign_file_has_no_report(tmp_path):
    pq.write_table(pa.table({"z": [1]}), tmp_path / "z.parquet")

    with pytest.raises(DataError, match="holds no report"):
        read_log_report(tmp_path / "z.parquet")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_log_report(tmp_path / "missing.parquet")


def test_it_reads_from_an_object_store(s3_address, tmp_path):
    store = Store(s3_address)
    for hour in range(6):
        moment = MARCH.start + timedelta(hours=5 * hour)
        write_part(store, [row(f"r{hour}", moment), row("same", moment)], "p")
    write_part(store, [row("april", MARCH.end)], "p")

    report, table = read(store, tmp_path)

    assert sorted(table.column("row_id").to_pylist()) == [
        *(f"r{hour}" for hour in range(6)),
        "same",
    ]
    assert (report.duplicates, report.parts) == (5, 6)
