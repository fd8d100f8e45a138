"""Sources at addresses on the network: a real S3 service and a real web server, on loopback."""

import functools
import gc
import http.server
import threading
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.errors import DataError, EmptyWindowError
from components.core.window import Window

TIMES = [datetime(2013, month, 2, tzinfo=UTC) for month in (1, 1, 2, 3)]
TABLE = pa.table(
    {
        "id": ["a", "b", "c", "d"],
        "t": TIMES,
        "x": [1.0, 2.0, 3.0, 4.0],
        "c": ["k"] * 4,
        "y": [1] * 4,
    }
)
TEXT = "id,t,x,c,y\n" + "".join(f"{i},2013-01-02,{i},k,1\n" for i in range(3000))


@pytest.fixture(autouse=True, scope="module")
def everything_is_closed():
    """A connection left open would be a ResourceWarning here, not in some later file."""
    yield
    gc.collect()


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files whole, whatever part is asked for, as many small servers do."""

    ranges = False
    asked: list[tuple[str, str | None]]

    def do_GET(self):
        self.asked.append((self.command, self.headers.get("Range")))
        if self.path.startswith("/secret"):
            self.send_error(403)
        elif self.ranges and (asked := self.headers.get("Range")):
            self._part(*(int(edge) for edge in asked.removeprefix("bytes=").split("-")))
        else:
            super().do_GET()

    def do_HEAD(self):
        if self.path.startswith("/secret"):
            self.send_error(403)
        else:
            super().do_HEAD()

    def _part(self, first, last):
        with open(self.translate_path(self.path), "rb") as file:
            content = file.read()
        part = content[first : last + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *arguments):
        pass


@pytest.fixture(params=[False, True], ids=["whole", "ranges"])
def web(request, tmp_path):
    """A folder and the address at which it is served; `asked` are the requests."""
    folder = tmp_path / "www"
    folder.mkdir()
    asked = []
    kind = type("Here", (Handler,), {"ranges": request.param, "asked": asked})
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(kind, directory=str(folder))
    ) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}", asked, request.param
        server.shutdown()
        thread.join()


def test_parquet_from_a_web_server(web, ingest):
    folder, address, asked, ranges = web
    pq.write_table(TABLE, folder / "f.parquet", row_group_size=1)

    report, path = ingest(f"{address}/f.parquet?signature=secret")

    assert pq.read_table(path).column("x").to_pylist() == [1.0, 2.0]
    assert report.rows_outside == 2
    assert report.source == f"files {address}/f.parquet"
    if ranges:
        assert all(header for _, header in asked)


def test_csv_from_a_web_server(web, ingest):
    folder, address, _, _ = web
    (folder / "f.csv").write_text(TEXT)

    report, _ = ingest(f"{address}/f.csv")

    assert report.rows == 3000


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.parquet", "missing.parquet does not exist; check source.path"),
        ("secret.csv", "secret.csv may not be read: 403.*; check the permissions"),
    ],
)
def test_what_a_web_server_refuses_is_a_clear_error(web, ingest, name, message):
    _, address, _, _ = web

    with pytest.raises(DataError, match=message):
        ingest(f"{address}/{name}")


def test_a_web_server_that_is_not_there_is_a_clear_error(ingest):
    with pytest.raises(DataError, match=r"^http://127.0.0.1:9/f.csv cannot be read: .*connect"):
        ingest("http://127.0.0.1:9/f.csv")


@pytest.fixture
def s3(s3_endpoint, s3_address, monkeypatch):
    """A bucket's folder as a source, reached by options alone, and its file system."""
    import s3fs

    options = {"endpoint_url": s3_endpoint, "key": "${KEY_OF_TEST}", "secret": "test"}
    monkeypatch.setenv("KEY_OF_TEST", "test")
    fs = s3fs.S3FileSystem(endpoint_url=s3_endpoint, skip_instance_cache=True)
    return {"kind": "files", "path": s3_address, "options": options}, fs


def test_a_partitioned_folder_in_a_bucket(s3, ingest):
    source, fs = s3
    for month in range(1, 13):
        folder = f"{source['path']}/month={month}"
        rows = TABLE.slice(0, 1).set_column(1, "t", [[datetime(2013, month, 2, tzinfo=UTC)]])
        rows = rows.set_column(0, "id", [[f"id-{month}"]])
        with fs.open(f"{folder}/part.parquet", "wb") as file:
            pq.write_table(rows, file)
    with fs.open(f"{source['path']}/_SUCCESS", "wb"):
        pass

    report, path = ingest(source, window=Window.parse("2013-03..2013-06"), categorical=["month"])

    assert pq.read_table(path).column("month").to_pylist() == ["3", "4", "5"]
    assert (report.rows, report.rows_outside) == (3, 9)
    assert report.source == f"files {source['path']}"
    with pytest.raises(EmptyWindowError, match="covers 2013-01-02 to 2013-12-02"):
        ingest(source, window=Window.parse("2014"), name="none")


def test_a_pattern_and_csv_in_a_bucket(s3, ingest):
    source, fs = s3
    with fs.open(f"{source['path']}/a/f.csv", "wb") as file:
        file.write(TEXT.encode())
    with fs.open(f"{source['path']}/b/f.csv.gz", "wb", compression="gzip") as file:
        file.write(TEXT.encode())

    report, _ = ingest({**source, "path": f"{source['path']}/*/f.csv*"})

    assert (report.rows, report.duplicates) == (3000, 3000)


@pytest.mark.parametrize("name", ["", "/folder", "/f.parquet", "/*.parquet"])
def test_a_missing_bucket_is_a_clear_error(s3, ingest, name):
    source, _ = s3

    with pytest.raises(DataError, match="s3://no-such-bucket") as caught:
        ingest({**source, "path": f"s3://no-such-bucket{name}"})
    assert "check source.path" in str(caught.value)


def test_a_broken_file_in_a_bucket_is_a_clear_error(s3, ingest):
    source, fs = s3
    with fs.open(f"{source['path']}/f.parquet", "wb") as file:
        file.write(b"no parquet")

    with pytest.raises(DataError, match=r"f.parquet cannot be read: .*magic bytes"):
        ingest(source)


def test_missing_credentials_are_a_clear_error(s3, ingest, monkeypatch):
    source, _ = s3
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    options = {"endpoint_url": source["options"]["endpoint_url"]}

    with pytest.raises(DataError, match=r"cannot be read: .*credentials"):
        ingest({**source, "options": options})


def test_an_endpoint_that_is_not_there_is_a_clear_error(s3, ingest):
    source, _ = s3
    config = {"retries": {"max_attempts": 0}}
    options = {**source["options"], "endpoint_url": "http://127.0.0.1:9", "config_kwargs": config}

    with pytest.raises(DataError, match="cannot be read: Could not connect"):
        ingest({**source, "options": options})
