import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from components.core.errors import DataError, EmptyWindowError
from components.core.window import Window
from components.data.sql import Sql, _array
from components.spec.model import SqlSource

QUERY = "SELECT id, t, x, c, y FROM events WHERE t >= :start AND t < :end ORDER BY id"


@pytest.fixture
def database(tmp_path):
    """SQLite with typed columns, as SQLAlchemy writes them: a row a day from January to March."""
    path = tmp_path / "events.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    events = sa.Table(
        "events",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("t", sa.DateTime),
        sa.Column("x", sa.Numeric(asdecimal=False)),
        sa.Column("c", sa.String),
        sa.Column("y", sa.Boolean),
        sa.Column("unused", sa.String),
    )
    events.create(engine)
    start = datetime(2013, 1, 1, 6)
    with engine.begin() as connection:
        for day in range(90):
            moment = datetime.fromordinal(start.toordinal() + day).replace(hour=6)
            row = {"id": day, "t": moment, "x": day / 2, "c": f"k{day % 3}", "y": day % 2 == 0}
            connection.execute(events.insert(), row)
    engine.dispose()
    return path


def source(database, query=QUERY):
    return {"kind": "sql", "url": f"sqlite:///{database}", "query": query}


def test_the_query_is_given_the_window(database, ingest):
    report, path = ingest(source(database), window=Window.parse("2013-02"))

    table = pq.read_table(path)
    assert table.num_rows == report.rows_read == report.rows == 28
    assert table.slice(0, 1).to_pylist() == [
        {"id": "31", "t": datetime(2013, 2, 1, 6, tzinfo=UTC), "x": 15.5, "c": "k1", "y": 0}
    ]
    assert report.source == f"sql sqlite:///{database}"


def test_a_window_within_a_day(database, ingest):
    window = Window.parse("2013-02-01T06:00..2013-02-01T06:01")

    assert ingest(source(database), window=window)[0].rows == 1


def test_a_query_without_the_window_is_filtered(database, ingest):
    report, _ = ingest(source(database, "SELECT *, t AS t2 FROM events"))

    assert (report.rows, report.rows_outside) == (31, 59)
    assert report.extra_columns == ["unused", "t2"]


def test_rows_are_streamed_in_small_batches(database):
    query = """
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25000)
        SELECT i AS id, '2013-01-01' AS t FROM n
    """
    scan = Sql(SqlSource(**source(database, query))).scan(["id", "t"], "t", None)

    assert [batch.num_rows for batch in scan] == [10_000, 10_000, 5_000]


def test_an_empty_window_names_what_the_query_covers(database, ingest):
    with pytest.raises(EmptyWindowError, match=r"covers 2013-01-01T06:00:00Z to 2013-03-31T06"):
        ingest(source(database), window=Window.parse("2014"))


def test_a_query_without_the_id_is_a_clear_error(database, ingest):
    with pytest.raises(DataError, match=r"has no column 'id', .* it has ident, t; did you mean"):
        ingest(source(database, "SELECT id AS ident, t FROM events"))
    with pytest.raises(DataError, match="has no column 'id'"):
        ingest(source(database, "SELECT t FROM events WHERE t < '2000'"))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT absent FROM events", "the query failed: no such column: absent; check"),
        ("SELEC", r'the query failed: near "SELEC": syntax error; check'),
        ("SELECT :begin", "source.query needs :begin, but only :start and :end are given"),
        ("SELECT id, id, t FROM events", "it gives the column 'id' twice"),
        ("DELETE FROM events WHERE id < 0", "the query failed: .*; check source.query"),
    ],
)
def test_a_bad_query_is_a_clear_error(database, ingest, query, message):
    with pytest.raises(DataError, match=message) as caught:
        ingest(source(database, query))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "source.url is no address of a database"),
        ("nosuch://user:pw@host/db", "source.url: .*nosuch; install the database's driver"),
        ("sqlite:///${NOT_SET}", "source.url needs the environment variable NOT_SET"),
        ("postgresql+psycopg2://user:hidden@host/db", "install the database's driver"),
    ],
)
def test_a_bad_url_is_a_clear_error(ingest, url, message):
    with pytest.raises(DataError, match=message) as caught:
        ingest({"kind": "sql", "url": url, "query": QUERY})
    assert "hidden" not in str(caught.value)


def test_a_missing_database_is_an_error_and_is_not_made(ingest, tmp_path):
    with pytest.raises(DataError, match=r"there is no database file .*missing.db"):
        ingest(source(tmp_path / "missing.db"))
    assert not (tmp_path / "missing.db").exists()


def test_the_url_takes_secrets_from_the_environment_and_never_shows_them(
    database, ingest, monkeypatch
):
    monkeypatch.setenv("EVENTS", str(database.with_name("hidden.db")))
    url = {"kind": "sql", "url": "sqlite:///${EVENTS}", "query": QUERY}

    with pytest.raises(DataError, match=r"there is no database file \*\*\*") as caught:
        ingest(url)
    assert "hidden" not in str(caught.value)
    database.rename(database.with_name("hidden.db"))
    report, _ = ingest(url)
    assert report.source == "sql sqlite:///${EVENTS}"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:hidden@host:5432/db", "sql postgresql://user:***@host:5432/db"),
        ("postgresql://user:${PW}@host:${PORT}/db", "sql postgresql"),
    ],
)
def test_the_description_shows_no_password(url, shown):
    assert Sql(SqlSource(kind="sql", url=url, query=QUERY)).describe() == shown


def test_values_of_several_types_in_one_column(tmp_path, ingest):
    path = tmp_path / "loose.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE events (id, t, x, c, y)")
        rows = [
            (1, "2013-01-02", 1, "k", 1),
            ("b", "2013-01-02T03:00:00Z", "many", 2.0, "no"),
            (b"c", "soon", 1.5, None, None),
        ]
        connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?)", rows)
        connection.commit()

    report, written = ingest(source(path, "SELECT * FROM events"))

    table = pq.read_table(written).drop_columns(["t"])
    assert table.to_pylist() == [
        {"id": "1", "x": 1.0, "c": "k", "y": "1"},
        {"id": "b", "x": None, "c": "2", "y": "no"},
    ]
    assert report.rows_bad_time == 1
    assert report.columns["x"].examples == ["many"]


def test_what_arrow_cannot_type_becomes_text():
    mixed = _array([None, True, 2.0, Decimal("2.50"), b"\xff", 10**30, float("inf"), "x"])

    assert mixed.type == pa.string()
    assert mixed.to_pylist() == [None, "true", "2", "2.50", "\\xff", f"{10**30}", "inf", "x"]
