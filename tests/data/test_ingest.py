from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.core.errors import DataError, EmptyWindowError
from components.core.window import Window
from components.data import csv_part, parquet_part
from components.data.ingest import ingest_source, ingest_window
from components.data.report import read_report
from components.data.sources import Scan
from tests.data.conftest import JANUARY, LATER, make_spec

SECOND = datetime(2013, 1, 2, tzinfo=UTC)


def table(**columns):
    """One row unless the columns say otherwise."""
    given = {"id": ["a"], "t": [SECOND], "x": [1.0], "c": ["k"], "y": [1]} | columns
    longest = max(len(values) for values in given.values())
    return pa.table({k: v * longest if len(v) == 1 else v for k, v in given.items()})


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def put(folder, *tables):
    for place, content in enumerate(tables):
        pq.write_table(content, folder / f"{place}.parquet")
    return folder


def test_a_window_has_the_spec_s_columns_and_types(folder, ingest):
    put(folder, table(id=[7], t=[date(2013, 1, 2)], x=["2"], c=[5], extra=[0]))

    report, path = ingest(folder)

    assert pq.read_table(path).to_pylist() == [{"id": "7", "t": SECOND, "x": 2.0, "c": "5", "y": 1}]
    assert pq.read_schema(path).remove_metadata() == pa.schema(
        [
            ("id", pa.string()),
            ("t", pa.timestamp("us", "UTC")),
            ("x", pa.float64()),
            ("c", pa.string()),
            ("y", pa.int64()),
        ]
    )
    assert report.extra_columns == ["extra"]
    assert report.columns["t"].source_type == "date32[day]"
    assert read_report(path) == report
    assert report.window == "2013-01-01..2013-02-01"
    assert report.as_of == "2014-01-01"
    assert report.source == f"files {folder}"


def test_every_row_is_accounted_for(folder, ingest):
    times = ["2013-01-05", "2013-01-05", "2013-02-01", "soon", None, "2013-01-06", "2013-01-07"]
    put(folder, table(id=["a", "a", "b", "c", "d", None, ""], t=times, x=[1, 2, 3, 4, 5, 6, 7]))

    report, path = ingest(folder)

    assert report.rows_read == 7
    assert report.rows_outside == 1
    assert report.rows_bad_time == 2
    assert report.rows_no_id == 2
    assert report.duplicates == 1
    assert report.rows == 1
    assert report.columns["t"].examples == ["soon"]
    assert pq.read_table(path).column("x").to_pylist() == [1.0]


def test_rows_passed_over_by_their_statistics_count_as_outside(folder, ingest):
    put(folder, table(), table(id=["b", "c"], t=[SECOND + timedelta(days=60)]))

    report, _ = ingest(folder)

    assert (report.rows_read, report.rows_outside, report.rows) == (3, 2, 1)


def test_the_window_is_half_open(folder, ingest):
    edge = [JANUARY.start, JANUARY.end - timedelta(microseconds=1), JANUARY.end]
    before = JANUARY.start - timedelta(microseconds=1)
    put(folder, table(id=["a", "b", "c", "d"], t=[*edge, before]))

    _, path = ingest(folder)

    assert pq.read_table(path).column("id").to_pylist() == ["a", "b"]


def test_values_that_do_not_fit_become_null_and_are_counted(folder, ingest):
    values = ["1", "n/a", *[f"bad {place}" for place in range(7)], "bad 0"]
    put(folder, table(id=[str(place) for place in range(10)], x=values))

    report, path = ingest(folder)

    assert pq.read_table(path).column("x").to_pylist() == [1.0] + [None] * 9
    assert report.columns["x"].unparsable == 8
    assert report.columns["x"].examples == [f"bad {place}" for place in range(5)]


def test_missing_columns_are_null_and_named(folder, ingest):
    put(folder, table().drop_columns(["x", "y"]))

    report, path = ingest(folder)

    assert pq.read_table(path).to_pylist() == [
        {"id": "a", "t": SECOND, "x": None, "c": "k", "y": None}
    ]
    assert report.missing_columns == ["x", "y"]
    assert report.columns["x"].source_type == "missing"
    assert report.labels == 0


def test_a_column_that_only_some_files_have_is_not_missing(folder, ingest):
    put(folder, table().drop_columns(["x"]), table(id=["b"], x=["2"]), table(id=["c"], x=[3]))

    report, path = ingest(folder)

    assert pq.read_table(path).column("x").to_pylist() == [None, 2.0, 3.0]
    assert report.missing_columns == []
    assert report.columns["x"].source_type == "int64, string"


def test_a_file_without_ids_or_times_is_counted(folder, ingest):
    put(folder, table(), table().drop_columns(["id"]), table().drop_columns(["t"]))

    report, _ = ingest(folder)

    assert (report.rows, report.rows_no_id, report.rows_bad_time) == (1, 1, 1)


@pytest.mark.parametrize(
    ("labels", "expected", "kind"),
    [
        (([1], [None]), [1, None], pa.int64()),
        (([1.0], [0.0]), [1, 0], pa.int64()),
        (([1], [True]), ["1", "true"], pa.string()),
        (([1], ["one"]), ["1", "one"], pa.string()),
        ((pa.array([None], pa.int64()), [True]), [None, "true"], pa.string()),
        (([None], [True]), [None, True], pa.bool_()),
        (([1], [0.5]), ["1", "0.5"], pa.string()),
        (([None], [None]), [None, None], pa.string()),
    ],
)
def test_labels_have_one_type(folder, ingest, labels, expected, kind):
    for place, content in enumerate(labels):
        rows = table(id=[str(place)])
        pq.write_table(rows.set_column(4, "y", pa.array(content)), folder / f"{place}.parquet")

    _, path = ingest(folder)

    assert pq.read_schema(path).field("y").type == kind
    assert pq.read_table(path).column("y").to_pylist() == expected


def test_labels_of_partitioned_csv_are_still_without_types(folder, ingest):
    (folder / "c=k").mkdir()
    (folder / "c=k" / "f.csv").write_text("id,t,x,y\na,2013-01-02,1,1\nb,2013-03-01,1,0\n")

    _, path = ingest(folder)

    assert pq.read_table(path).select(["c", "y"]).to_pylist() == [{"c": "k", "y": 1}]


def test_regression_labels_are_doubles(folder, ingest):
    put(folder, table(id=["a", "b"], y=["1", "many"]))

    report, path = ingest(folder, task="regression")

    assert pq.read_table(path).column("y").to_pylist() == [1.0, None]
    assert report.labels == 1
    assert report.columns["y"].unparsable == 1


def test_labels_that_are_not_due_are_dropped_and_counted(folder, ingest):
    times = [SECOND, SECOND + timedelta(days=1), SECOND + timedelta(days=2)]
    put(folder, table(id=["a", "b", "c"], t=times, y=[1, 0, None]))

    report, path = ingest(folder, as_of=SECOND + timedelta(days=3), delay="3d")

    assert pq.read_table(path).column("y").to_pylist() == [1, None, None]
    assert (report.labels, report.labels_not_due) == (1, 1)


@pytest.mark.parametrize(
    ("dropped", "message"),
    [
        (
            "id",
            r"has no column 'id', which columns.id names; it has t, x, c, y, ID_; did you mean 'I",
        ),
        ("t", r"has no column 't', which columns.time names; it has id, .*; correct the spec"),
    ],
)
def test_a_source_without_id_or_time_is_a_clear_error(folder, ingest, dropped, message):
    put(folder, table(ID_=[1]).drop_columns([dropped]))

    with pytest.raises(DataError, match=message):
        ingest(folder)


def test_the_nearest_name_does_not_mind_the_case(folder, ingest):
    put(folder, table().rename_columns(["Id", "t", "x", "c", "y"]))

    with pytest.raises(DataError, match="did you mean 'Id'"):
        ingest(folder)


def test_a_window_without_rows_names_what_there_is(folder, ingest, tmp_path):
    put(folder, table(), table(t=[datetime(2013, 3, 1, 6, 30, tzinfo=UTC)]))

    with pytest.raises(EmptyWindowError) as caught:
        ingest(folder, window=Window.parse("2014-01"))

    assert str(caught.value) == (
        f"files {folder} has no rows in the window 2014-01-01..2014-02-01; "
        "it covers 2013-01-02 to 2013-03-01T06:30:00Z: choose a window there"
    )
    assert not list((tmp_path / "out").glob("*"))


def test_times_that_cannot_be_read_explain_an_empty_window(folder, ingest):
    put(folder, table(t=[1364774400]))

    with pytest.raises(
        EmptyWindowError, match=r"none of its rows has a time .*\(1 rows .*'1364774"
    ):
        ingest(folder)


def test_a_source_without_rows_says_so(folder, ingest):
    put(folder, table().slice(0, 0))

    with pytest.raises(EmptyWindowError, match="it has no rows at all"):
        ingest(folder)


def test_malformed_lines_explain_an_empty_window(folder, ingest):
    (folder / "f.csv").write_text("id,t,x,c,y\n1\n")

    with pytest.raises(EmptyWindowError, match=r"\(1 lines are malformed: 1 fields, not 5: 1\)"):
        ingest(folder)


def test_rows_without_any_id_are_a_clear_error(folder, ingest):
    put(folder, table(id=[None]))

    with pytest.raises(DataError, match=r"none of the 1 rows of .* has a value in 'id'"):
        ingest(folder)


class Broken:
    """A source that breaks off in the middle, as one does on Ctrl-C."""

    outcomes = frozenset({"x"})

    def __init__(self, error):
        self._error = error

    def describe(self):
        return "broken"

    def names(self):
        return ["id", "t"]

    def coverage(self, time):
        return None

    def scan(self, columns, time, window):
        def read(scan):
            for name in columns:
                scan.has(name, "string")
            for start in range(0, 400_000, 50_000):
                ids = [str(start + place) for place in range(50_000)]
                yield pa.record_batch({"id": ids, "t": pa.array([SECOND] * 50_000)})
            raise self._error

        return Scan(read)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), DataError("gone")])
def test_a_break_leaves_nothing_or_what_was_there(tmp_path, error):
    path = tmp_path / "out" / "w.parquet"
    spec = make_spec({"kind": "files", "path": "x"}, numeric=["n"])
    path.parent.mkdir()
    path.write_text("before")

    with pytest.raises(type(error)):
        ingest_source(Broken(error), spec, JANUARY, LATER, path)

    assert [(found.name, found.read_text()) for found in path.parent.iterdir()] == [
        ("w.parquet", "before")
    ]


def test_a_feature_known_only_after_the_event_is_refused(tmp_path):
    spec = make_spec({"kind": "files", "path": "x"})

    with pytest.raises(DataError, match="broken: x is known only after the event"):
        ingest_source(Broken(None), spec, JANUARY, LATER, tmp_path / "w.parquet")


def many(rows):
    return table(
        id=[f"id-{place % (rows - 10)}" for place in range(rows)],
        t=[SECOND + timedelta(seconds=place) for place in range(rows)],
        x=[None if place % 7 == 0 else place / 3 for place in range(rows)],
        c=[f"k{place % 5}" for place in range(rows)],
        y=[place % 2 for place in range(rows)],
    )


def test_equal_input_gives_equal_bytes_whatever_the_batches(folder, ingest, monkeypatch):
    put(folder, many(3000), many(500))
    first, path = ingest(folder, name="1")
    expected = path.read_bytes()

    assert ingest(folder, name="2")[1].read_bytes() == expected
    monkeypatch.setattr(parquet_part, "batch_rows", lambda columns: 37)
    assert ingest(folder, name="3")[1].read_bytes() == expected
    assert first.duplicates == 510


def test_csv_blocks_do_not_matter(folder, ingest, monkeypatch):
    lines = [f"{place % 900},2013-01-02,{place},k,{place % 2 or 'NA'}" for place in range(1000)]
    lines[500] = "500,2013-01-02,much,k,x"
    (folder / "f.csv").write_text("\n".join(["id,t,x,c,y", *lines]))
    whole, path = ingest(folder, name="1")
    expected = path.read_bytes()

    monkeypatch.setattr(csv_part, "_BLOCK", 300)
    pieces, path = ingest(folder, name="2")
    assert path.read_bytes() == expected
    assert pieces == whole
    assert whole.columns["x"].examples == ["much"]
    assert set(pq.read_table(path).column("y").to_pylist()) == {None, "1", "x"}


def test_the_fingerprint_is_that_of_the_content(folder, ingest):
    rows = many(200)
    put(folder, rows)
    original = ingest(folder, name="1")[0].fingerprint

    put(folder, rows.take(list(reversed(range(200)))))
    # Of a duplicate id the first row is kept, so the reversed file keeps other rows.
    assert ingest(folder, name="2")[0].fingerprint != original
    unique = rows.slice(0, 190)
    put(folder, unique)
    forwards = ingest(folder, name="3")[0].fingerprint
    assert forwards == original
    put(folder, unique.take(list(reversed(range(190)))))
    assert ingest(folder, name="4")[0].fingerprint == forwards
    put(folder, unique.set_column(4, "y", unique.column("y").cast(pa.string())))
    assert ingest(folder, name="5")[0].fingerprint != forwards


ROW = st.fixed_dictionaries(
    {
        "id": st.sampled_from([None, "", "a", "b", "c", "d"]),
        "t": st.sampled_from([None, "2012-12-31T23:59:59Z", "2013-01-01", "2013-01-31 23", "x"]),
        "x": st.sampled_from([None, "1", "2.5", "many", "NA"]),
        "c": st.sampled_from([None, "k", "l"]),
        "y": st.sampled_from([None, "0", "1"]),
    }
)


def reference(rows):
    """The same by the plainest means: what stays, and how many rows each rule drops."""
    kept, counts = {}, dict.fromkeys(("outside", "bad_time", "no_id", "duplicates"), 0)
    for row in rows:
        if row["t"] in (None, "x"):
            counts["bad_time"] += 1
        elif row["t"].startswith("2012"):
            counts["outside"] += 1
        elif not row["id"]:
            counts["no_id"] += 1
        elif row["id"] in kept:
            counts["duplicates"] += 1
        else:
            number = float(row["x"]) if row["x"] in ("1", "2.5") else None
            kept[row["id"]] = (row["id"], number, row["c"], row["y"])
    return list(kept.values()), counts


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(ROW, min_size=1, max_size=8), min_size=1, max_size=3))
def test_any_files_give_what_the_plainest_means_give(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("any")
    (folder / "in").mkdir()
    schema = pa.schema([(name, pa.string()) for name in ("id", "t", "x", "c", "y")])
    for place, rows in enumerate(files):
        content = pa.Table.from_pylist(rows, schema)
        pq.write_table(content, folder / "in" / f"{place}.parquet", row_group_size=3)
    expected, counts = reference([row for rows in files for row in rows])
    spec = make_spec({"kind": "files", "path": str(folder / "in")})
    path = folder / "w.parquet"

    if not expected:
        with pytest.raises(DataError):
            ingest_window(spec, JANUARY, LATER, path)
        assert not path.exists()
        return
    report = ingest_window(spec, JANUARY, LATER, path)

    found = pq.read_table(path).drop_columns(["t"]).to_pylist()
    assert [tuple(row.values()) for row in found] == expected
    assert report.rows_outside == counts["outside"]
    assert report.rows_bad_time == counts["bad_time"]
    assert report.rows_no_id == counts["no_id"]
    assert report.duplicates == counts["duplicates"]
    assert report.rows_read == sum(counts.values()) + len(expected)
