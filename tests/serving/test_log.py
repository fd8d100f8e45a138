import math
import threading
from dataclasses import replace
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.errors import StoreError
from components.core.storage import Store
from components.core.window import Window
from components.data.prediction_log import log_schema
from components.data.predictions import read_predictions
from components.serving.backlog import Counters, Limits
from components.serving.log import PredictionLog
from components.serving.parts import Part
from tests.serving.logged import answered

MARCH = Window.parse("2024-03")


class Trouble(Store):
    """A store that hangs or fails until it is told to recover."""

    def __init__(self, address, *, hang=False, fail=False):
        super().__init__(address)
        self.well = threading.Event()
        self.tried = threading.Event()
        self.hang, self.fail = hang, fail

    def write(self, name, data):
        self.tried.set()
        if self.hang:
            self.well.wait(60)
        if self.fail and not self.well.is_set():
            raise StoreError("the store is down")
        super().write(name, data)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def spec(make_spec):
    spec = make_spec()
    columns = spec.columns.model_copy(update={"numeric": ["load"], "categorical": ["site"]})
    return spec.model_copy(update={"columns": columns})


def told(log):
    """What the log says has become of rows, whatever it holds at the moment."""
    return replace(log.counters, queued_rows=0, queued_bytes=0)


def parts(store):
    return store.names("pumps/predictions")


def test_what_is_put_is_read_back(store, spec, tmp_path):
    log = PredictionLog(store, "pumps")
    batch = answered(300)
    assert log.put(batch)
    assert log.close()

    report = read_predictions(store, spec, MARCH, tmp_path / "p.parquet")
    table = pq.read_table(tmp_path / "p.parquet")

    assert (report.rows, report.parts, report.releases) == (300, 5, {"v1": 300})
    assert table.schema.remove_metadata().equals(log_schema(spec.columns, pa.int64()))
    assert table.column("row_id").to_pylist() == batch.row_ids
    assert table.column("event_time").to_pylist() == batch.event_times
    assert table.column("served_at").unique().to_pylist() == [batch.served_at]
    assert table.column("request_id").unique().to_pylist() == ["request"]
    assert table.column("prediction").to_pylist() == batch.prediction.tolist()
    assert table.column("probability").to_pylist() == batch.probability.tolist()
    load = batch.features.numeric[:, 0].tolist()
    assert table.column("feature.load").to_pylist() == [
        None if math.isnan(value) else value for value in load
    ]
    assert table.column("feature.site").to_pylist() == batch.features.categorical[0]
    assert told(log) == Counters(logged=300, dropped=0, written=300)


def test_parts_lie_in_the_hour_of_their_event_time_in_utc(store):
    offset = datetime.fromisoformat("2024-03-10T01:30:00+02:00")
    batch = answered(1)
    log = PredictionLog(store, "pumps")
    log.put(replace(batch, event_times=[offset]))
    log.close()

    assert [name.rpartition("/")[0] for name in parts(store)] == [
        "pumps/predictions/date=2024-03-09/hour=23"
    ]


def test_enough_rows_are_written_at_once(store, eventually):
    log = PredictionLog(store, "pumps", Limits(rows=100, age_s=3600))
    for first in range(0, 90, 10):
        log.put(answered(10, first))
    assert parts(store) == []
    log.put(answered(10, 90))

    eventually(lambda: log.counters.written == 100)
    assert told(log) == Counters(logged=100, dropped=0, written=100)
    log.close()


def test_old_rows_are_written_without_being_asked(store, eventually):
    log = PredictionLog(store, "pumps", Limits(rows=1000, age_s=0.05))
    log.put(answered(1))

    eventually(lambda: log.counters.written == 1)
    log.put(answered(1, 1))
    eventually(lambda: log.counters.written == 2)
    log.close()


def test_flush_waits_until_the_rows_are_in_the_store(store):
    log = PredictionLog(store, "pumps", Limits(age_s=3600))
    assert log.flush()  # nothing to do
    log.put(answered(130))

    assert log.flush()
    assert len(parts(store)) == 3
    log.put(answered(1, 130))
    assert log.counters.written == 130  # an earlier flush has no effect on later rows
    log.close()


def test_close_twice_does_nothing_and_later_rows_are_counted_as_dropped(store):
    log = PredictionLog(store, "pumps")
    assert log.close()
    assert log.close()

    assert not log.put(answered(3))
    assert told(log) == Counters(logged=0, dropped=3, written=0)


def test_rows_of_two_releases_never_share_a_part(store, spec, tmp_path):
    log = PredictionLog(store, "pumps", Limits(age_s=3600))
    log.put(answered(10, release="v1"))
    log.put(answered(10, 10, release="v2", probability=False))
    log.close()

    tables = [pq.read_table(store.path(name)) for name in parts(store)]
    assert sorted(table.column("release").unique().to_pylist() for table in tables) == [
        ["v1"],
        ["v2"],
    ]
    report = read_predictions(store, spec, MARCH, tmp_path / "p.parquet")
    assert report.releases == {"v1": 10, "v2": 10}


def test_a_hanging_store_delays_nothing_and_the_queue_is_bounded(tmp_path):
    store = Trouble(tmp_path / "store", hang=True)
    log = PredictionLog(store, "pumps", Limits(rows=10, held_rows=100))
    log.put(answered(10))
    assert store.tried.wait(60)  # the writer hangs now

    taken = [log.put(answered(10, first)) for first in range(10, 300, 10)]

    assert taken == [True] * 9 + [False] * 20
    assert told(log) == Counters(logged=100, dropped=200, written=0)
    assert log.counters.queued_rows == 100
    assert not log.flush(timeout=0.05)
    store.well.set()
    assert log.close()
    assert log.counters == Counters(logged=100, dropped=200, written=100)
    assert log.put(answered(1)) is False


def test_the_queue_is_bounded_by_bytes_too(tmp_path):
    store = Trouble(tmp_path / "store", hang=True)
    size = answered(10).size
    log = PredictionLog(store, "pumps", Limits(held_bytes=3 * size, age_s=3600))

    assert [log.put(answered(10)) for _ in range(5)] == [True, True, True, False, False]
    store.well.set()
    assert log.flush()
    assert log.put(answered(10))  # written rows make room
    log.close()


def test_a_store_that_hangs_for_good_cannot_hold_up_the_end(tmp_path, caplog):
    store = Trouble(tmp_path / "store", hang=True)
    log = PredictionLog(store, "pumps", Limits(rows=10))
    log.put(answered(10))
    assert store.tried.wait(60)
    log.put(answered(5))

    assert not log.close(timeout=0.05)

    assert told(log) == Counters(logged=0, dropped=15, written=0)
    assert "15 rows lost" in caplog.text
    store.well.set()


def test_a_store_that_recovers_gets_every_row_once(tmp_path, spec, eventually):
    store = Trouble(tmp_path / "store", fail=True)
    log = PredictionLog(store, "pumps", Limits(rows=200))
    log.put(answered(200))
    assert store.tried.wait(60)
    store.well.set()
    log.put(answered(50, 200))

    assert log.close()
    report = read_predictions(store, spec, MARCH, tmp_path / "p.parquet")
    assert (report.rows, report.duplicates) == (250, 0)
    assert told(log) == Counters(logged=250, dropped=0, written=250)


def test_a_store_that_stays_down_is_told_and_counted(tmp_path, caplog):
    store = Trouble(tmp_path / "store", fail=True)
    log = PredictionLog(store, "pumps", Limits(rows=10))
    log.put(answered(10))
    assert store.tried.wait(60)

    assert not log.close(timeout=0.05)

    assert told(log) == Counters(logged=0, dropped=10, written=0)
    assert "the store is down" in caplog.text
    assert "10 rows lost" in caplog.text


def test_a_request_that_makes_no_table_is_lost_alone(store, spec, tmp_path, caplog):
    log = PredictionLog(store, "pumps", Limits(age_s=3600))
    requests = [answered(10, first) for first in range(0, 90, 10)]
    requests[6] = replace(requests[6], row_ids=["only one"])
    for request in requests:
        log.put(request)

    assert not log.flush()  # in time, but not all of it

    assert told(log) == Counters(logged=80, dropped=1, written=80)
    assert "1 rows that make no table" in caplog.text
    log.put(answered(10, 90))
    assert not log.close()
    assert told(log) == Counters(logged=90, dropped=1, written=90)
    report = read_predictions(store, spec, MARCH, tmp_path / "p.parquet")
    assert (report.rows, report.duplicates) == (90, 0)


def test_a_part_that_cannot_be_encoded_does_not_block_the_log(store, monkeypatch, caplog):
    encode = Part.encode

    def fail(part):
        if {"r12", "r13"} & set(part.table.column("row_id").to_pylist()):
            raise ValueError("no Parquet can hold it")
        return encode(part)

    monkeypatch.setattr(Part, "encode", fail)
    log = PredictionLog(store, "pumps", Limits(age_s=3600))
    for first in range(0, 50, 5):
        log.put(answered(5, first))

    assert not log.flush()

    assert told(log) == Counters(logged=48, dropped=2, written=48)
    assert "no Parquet can hold it" in caplog.text
    log.close()


def test_requests_whose_classes_are_of_two_types_are_both_kept(store):
    batch = answered(10, 10)
    texts = np.array([str(value) for value in batch.prediction], dtype=object)
    log = PredictionLog(store, "pumps", Limits(age_s=3600))
    log.put(answered(10))
    log.put(replace(batch, prediction=texts))

    assert log.flush()

    assert told(log) == Counters(logged=20, dropped=0, written=20)
    assert len(parts(store)) == 2
    log.close()


def test_writers_side_by_side_never_take_the_same_name(store, spec, tmp_path):
    logs = [PredictionLog(store, "pumps", Limits(rows=40)) for _ in range(4)]

    def work(number):
        for first in range(0, 400, 20):
            logs[number].put(answered(20, first, name=f"w{number}-"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(log.close() for log in logs)
    report = read_predictions(store, spec, MARCH, tmp_path / "p.parquet")
    assert (report.rows, report.duplicates) == (1600, 0)
    assert all(told(log) == Counters(400, 0, 400) for log in logs)


def test_the_log_goes_to_an_object_store(s3_address, spec, tmp_path):
    store = Store(s3_address)
    log = PredictionLog(store, "pumps")
    log.put(answered(600))

    assert log.close()
    assert read_predictions(store, spec, MARCH, tmp_path / "p.parquet").rows == 600


def test_a_small_queue_is_emptied_in_time_where_the_store_takes_it(tmp_path, eventually):
    limits = Limits(bytes=2**17, held_bytes=2**20)
    log = PredictionLog(Store(tmp_path), "pumps", limits)
    for first in range(0, 20_000, 500):
        assert log.put(answered(500, first))
        eventually(lambda: log.counters.queued_bytes < 2**19)
    assert log.counters.written > 0
    assert log.close()
    assert log.counters.dropped == 0
