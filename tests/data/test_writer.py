import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.errors import DataError
from components.data.writer import WindowWriter

ROWS = 300_000
TABLE = pa.table({"a": pa.array(range(ROWS)), "b": [str(i % 7) for i in range(ROWS)]})


def written(path, batches, metadata=None):
    with WindowWriter(path, ["b"]) as writer:
        for batch in batches:
            writer.write(batch)
        writer.commit(metadata or {})
    return path.read_bytes()


def test_the_bytes_do_not_depend_on_the_batches(tmp_path):
    whole = written(tmp_path / "1", TABLE.to_batches())
    pieces = written(tmp_path / "2", TABLE.to_batches(max_chunksize=7_777))

    assert whole == pieces
    assert pq.read_table(tmp_path / "2").equals(TABLE)
    assert pq.read_metadata(tmp_path / "2").num_row_groups == 3


def test_a_changed_type_rewrites_what_was_written(tmp_path):
    first = TABLE.to_batches()
    late = pa.record_batch({"a": ["x"], "b": ["y"]})

    written(tmp_path / "w", [*first, late])

    table = pq.read_table(tmp_path / "w")
    assert table.column("a").to_pylist() == [*map(str, range(ROWS)), "x"]
    assert [path.name for path in tmp_path.iterdir()] == ["w"]


def test_the_metadata_is_the_schema_s(tmp_path):
    written(tmp_path / "w", TABLE.to_batches(), {b"k": b"v"})

    assert pq.read_schema(tmp_path / "w").metadata == {b"k": b"v"}
    assert pq.read_table(tmp_path / "w").schema.metadata == {b"k": b"v"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_what_was_there(tmp_path, error):
    (tmp_path / "w").write_text("before")

    def breaks_off():
        yield from TABLE.to_batches()
        raise error

    with pytest.raises(error):
        written(tmp_path / "w", breaks_off())

    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("w", "before")]


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(DataError, match=r"file/w cannot be written: .*; check the disk"):
        written(tmp_path / "file" / "w", TABLE.to_batches())


def test_others_may_read_the_file(tmp_path):
    written(tmp_path / "w", TABLE.to_batches())

    assert os.stat(tmp_path / "w").st_mode & 0o777 == 0o644
