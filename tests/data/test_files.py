import gzip
from datetime import UTC, date, datetime, timedelta, timezone

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.errors import DataError
from components.core.window import Window
from components.data.files import Files
from components.spec.model import FilesSource

JANUARY = Window.parse("2013-01")
COLUMNS = ["id", "t", "x"]


def source(path, **more):
    return Files(FilesSource(kind="files", path=str(path), **more))


def rows(path, *, columns=COLUMNS, window=None, **more):
    scan = source(path, **more).scan(columns, "t", window)
    return [row for batch in scan for row in batch.to_pylist()], scan


def write(path, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def csv(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_files_of_a_folder_come_in_path_order_with_their_own_schemas(tmp_path):
    write(tmp_path / "b.parquet", id=["b"], x=["1.5"], extra=[1])
    write(tmp_path / "a" / "z.parquet", id=[1], x=[1])
    csv(tmp_path / "c.csv", "x,id\n2,c\n")

    found, scan = rows(tmp_path)

    assert found == [{"id": 1, "x": 1}, {"id": "b", "x": "1.5"}, {"id": "c", "x": "2"}]
    assert scan.types == {
        "id": ["int64", "string", "text"],
        "x": ["int64", "string", "text"],
        "extra": ["int64"],
    }
    assert source(tmp_path).names() == ["id", "x", "extra"]


def test_what_writers_leave_behind_is_passed_over(tmp_path):
    write(tmp_path / "a.parquet", id=["a"])
    for name in ("_SUCCESS", ".a.parquet.crc", "notes.md", "_temporary/b.parquet", ".git/c.csv"):
        csv(tmp_path / name, "no data")

    assert rows(tmp_path)[0] == [{"id": "a"}]


def test_a_pattern_matches_files_and_folders(tmp_path):
    write(tmp_path / "date=1" / "a.parquet", id=["a"])
    write(tmp_path / "date=2" / "b.parquet", id=["b"])
    write(tmp_path / "other" / "c.parquet", id=["c"])

    for pattern in ("date=*/*.parquet", "date=*", "date=[12]/?.parquet"):
        found, _ = rows(tmp_path / pattern, columns=["id", "date"])
        assert found == [{"id": "a", "date": "1"}, {"id": "b", "date": "2"}], pattern


def test_a_folder_whose_name_looks_like_a_pattern(tmp_path):
    write(tmp_path / "run[1]" / "a.parquet", id=["a"])

    assert rows(tmp_path / "run[1]")[0] == [{"id": "a"}]


def test_hive_folders_are_columns(tmp_path):
    write(tmp_path / "shop=a%20b" / "part=__HIVE_DEFAULT_PARTITION__" / "f.parquet", id=[1])
    csv(tmp_path / "shop=c" / "f.csv", "id,shop\n2,own\n")

    found, scan = rows(tmp_path, columns=["id", "shop", "part"])
    assert found == [{"id": 1, "shop": "a b", "part": None}, {"id": "2", "shop": "own"}]
    assert scan.types["shop"] == ["partition", "text"]
    assert rows(tmp_path, columns=["id", "shop"], hive=False)[0] == [
        {"id": 1},
        {"id": "2", "shop": "own"},
    ]


def test_a_hive_folder_outside_of_the_window_is_not_read(tmp_path):
    for day in ("2013-01-31", "2013-02-01", "not-a-date"):
        write(tmp_path / f"t={day}" / "f.parquet", id=[1, 2, 3])

    found, scan = rows(tmp_path, columns=["id", "t"], window=JANUARY)

    assert {row["t"] for row in found} == {"2013-01-31", "not-a-date"}
    assert scan.skipped == 3


MOMENTS = [datetime(2013, month, 1, tzinfo=UTC) for month in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    "times",
    [
        pa.array(MOMENTS, pa.timestamp("s", "UTC")),
        pa.array(MOMENTS, pa.timestamp("ns", "UTC")),
        pa.array([m.astimezone(timezone(timedelta(hours=5))) for m in MOMENTS]),
        pa.array([m.replace(tzinfo=None) for m in MOMENTS], pa.timestamp("us")),
        pa.array([m.date() for m in MOMENTS]),
        pa.array([m.date() for m in MOMENTS], pa.date64()),
    ],
    ids=lambda times: str(times.type),
)
def test_only_row_groups_that_may_hold_the_window_are_read(tmp_path, times):
    table = pa.table({"x": [0, 1, 2, 3], "t": times})
    pq.write_table(table, tmp_path / "f.parquet", row_group_size=1)

    found, scan = rows(tmp_path, window=Window.parse("2013-02..2013-04"))

    assert [row["x"] for row in found] == [1, 2]
    assert scan.skipped == 2
    assert source(tmp_path).coverage("t") == (MOMENTS[0], MOMENTS[3])


def test_row_groups_that_cannot_be_judged_are_read(tmp_path):
    texts = pa.table({"x": [0], "t": ["2013-04-01"]})
    without = pa.table({"x": [1], "t": [date(2013, 4, 1)]})
    nulls = pa.table({"x": [2, 3], "t": [date(2013, 4, 1), None]})
    pq.write_table(texts, tmp_path / "a.parquet")
    pq.write_table(without, tmp_path / "b.parquet", write_statistics=False)
    pq.write_table(nulls, tmp_path / "c.parquet")

    found, scan = rows(tmp_path, window=JANUARY)

    assert [row["x"] for row in found] == [0, 1, 2, 3]
    assert scan.skipped == 0
    assert source(tmp_path).coverage("t") == (datetime(2013, 4, 1, tzinfo=UTC),) * 2


def test_old_timestamps_without_statistics_are_read(tmp_path):
    table = pa.table({"x": [1], "t": pa.array([datetime(2013, 1, 1)])})
    pq.write_table(table, tmp_path / "f.parquet", use_deprecated_int96_timestamps=True)

    assert len(rows(tmp_path, window=JANUARY)[0]) == 1


def test_coverage_of_partitions_and_csv(tmp_path):
    write(tmp_path / "t=2013-05-01" / "f.parquet", id=[1])
    csv(tmp_path / "f.csv", "t\n2013-06-01\n2012-01-01\n")

    covered = source(tmp_path).coverage("t")

    assert covered == (datetime(2012, 1, 1, tzinfo=UTC), datetime(2013, 6, 1, tzinfo=UTC))


def test_names_with_dots_are_names(tmp_path):
    nested = pa.array([{"b": 7}])
    pq.write_table(pa.table({"a": nested, "a.b": [1], "t": ["x"]}), tmp_path / "f.parquet")

    assert rows(tmp_path, columns=["a.b", "t"])[0] == [{"a.b": 1, "t": "x"}]


def test_csv_gives_text_and_no_value_where_none_is_written(tmp_path):
    csv(tmp_path / "f.csv", 'id,x,other\n1,,a\n2,NA,b\n"3","NA",c\n4,"",d\n5,"a, b\nc",e\n')

    found, _ = rows(tmp_path / "f.csv")

    assert [row["x"] for row in found] == [None, None, "NA", None, "a, b\nc"]
    assert [row["id"] for row in found] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_is_read_with_the_separator_of_its_header(tmp_path, delimiter):
    csv(tmp_path / "f.csv", "\ufeffid,x\n1,2\n".replace(",", delimiter))

    assert rows(tmp_path)[0] == [{"id": "1", "x": "2"}]


def test_malformed_lines_are_counted(tmp_path):
    csv(tmp_path / "f.csv", "id,x\n1,2\n3\n4,5,6\n7,8\n")

    found, scan = rows(tmp_path)

    assert [row["id"] for row in found] == ["1", "7"]
    assert scan.malformed == 2
    assert scan.malformed_examples == ["1 fields, not 2: 3", "3 fields, not 2: 4,5,6"]


def test_a_quote_that_is_never_closed_is_reported(tmp_path):
    csv(tmp_path / "f.csv", 'id,x\n1,"2\n3,4\n')

    _, scan = rows(tmp_path)

    assert scan.malformed_examples[0].startswith("an odd number of quotes")


def test_empty_csv_files_have_no_rows(tmp_path):
    csv(tmp_path / "empty.csv", "")
    csv(tmp_path / "header.csv", "id,x\n")

    found, scan = rows(tmp_path)

    assert found == []
    assert list(scan.types) == ["id", "x"]


def test_a_csv_without_any_of_the_columns_still_has_rows(tmp_path):
    csv(tmp_path / "f.csv", "other\n1\n2\n")

    assert len(rows(tmp_path)[0]) == 2


@pytest.mark.parametrize("name", ["f.csv.gz", "f.CSV.GZ", "data"])
def test_compressed_and_unnamed_files(tmp_path, name):
    text = b"id,x\n1,2\n"
    (tmp_path / name).write_bytes(gzip.compress(text) if "." in name else text)

    assert rows(tmp_path / name)[0] == [{"id": "1", "x": "2"}]


def test_parquet_is_known_by_its_first_bytes(tmp_path):
    write(tmp_path / "data", id=[1])

    assert rows(tmp_path / "data")[0] == [{"id": 1}]


def test_a_given_format_reads_files_of_any_name(tmp_path):
    write(tmp_path / "part-0", id=[1])
    csv(tmp_path / "a.csv", "id\n2\n")

    assert rows(tmp_path, format="parquet")[0] == [{"id": 1}]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("f.parquet", b"PAR1 and then nothing", "f.parquet cannot be read: .*; check"),
        ("f.parquet", b"", "f.parquet cannot be read: .*; check"),
        ("f.csv", b"id,x\n1,caf\xe9\n", "f.csv cannot be read: .*UTF8.*; check"),
        ("f.csv", b"id,id\n1,2\n", "f.csv cannot be read: it has the column 'id' twice"),
        (
            "f.csv.gz",
            gzip.compress(b"id,x\n" + b"1,2\n" * 9, mtime=0)[:-9],
            "gz cannot be read: .*ended",
        ),
        ("f.csv.xz", b"no xz", "f.csv.xz cannot be read: .*; check"),
        ("f.csv.zip", b"no zip", "f.csv.zip cannot be read: .*; check"),
        ("f.csv.gz", b"no gzip", "f.csv.gz cannot be read: .*gzip.*; check"),
    ],
)
def test_a_broken_file_is_a_clear_error(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(DataError, match=message) as caught:
        rows(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_column_twice_in_parquet_is_a_clear_error(tmp_path):
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["id", "id"])
    pq.write_table(table, tmp_path / "f.parquet")

    with pytest.raises(DataError, match="column 'id' twice"):
        rows(tmp_path)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing.parquet", "there are no Parquet or CSV files at .*missing.parquet; check"),
        ("*.parquet", "there are no Parquet or CSV files at"),
        ("", "there are no Parquet or CSV files at"),
    ],
)
def test_nothing_there_is_a_clear_error(tmp_path, path, message):
    with pytest.raises(DataError, match=message):
        rows(tmp_path / path)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nonsense://bucket/x", "cannot be read: Protocol not known: nonsense"),
        ("dask://x/y", "needs a library: "),
    ],
)
def test_an_unknown_kind_of_address_is_a_clear_error(path, message):
    with pytest.raises(DataError, match=message):
        source(path)


def test_options_take_secrets_from_the_environment(monkeypatch, tmp_path):
    with pytest.raises(DataError, match=r"source.options needs the environment variable NOT_SET"):
        source(tmp_path, options={"key": "${NOT_SET}"})


def test_secrets_are_not_shown():
    signed = source("https://user:password@127.0.0.1/x.csv?signature=secret")

    assert signed.describe() == "files https://127.0.0.1/x.csv"
    with pytest.raises(DataError, match=r"^ftp://127.0.0.1:9/x.csv cannot be read: .*refused"):
        source("ftp://user:password@127.0.0.1:9/x.csv")


def test_a_row_group_is_read_where_cutting_nanoseconds_brings_a_row_into_the_window(tmp_path):
    # Before 1970 cutting goes forwards: half a microsecond before the window becomes its start.
    window = Window.parse("1969-12")
    start = int(window.start.timestamp()) * 10**9
    nanoseconds = [start - 2_500, start - 500, start + 500]
    times = pa.array(nanoseconds, pa.timestamp("ns", "UTC"))
    pq.write_table(pa.table({"x": [0, 1, 2], "t": times}), tmp_path / "f.parquet", row_group_size=1)

    found, scan = rows(tmp_path, window=window)

    assert [row["x"] for row in found] == [1, 2]
    assert scan.skipped == 1
    assert source(tmp_path).coverage("t") == (
        window.start - timedelta(microseconds=3),
        window.start + timedelta(microseconds=1),
    )
