import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.drift.rows import take_column, take_rows


def file_of(columns):
    """A Parquet file in memory, of several row groups."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, row_group_size=7)
    return pq.ParquetFile(pa.BufferReader(sink.getvalue()))


def test_rows_are_taken_in_the_order_asked_for():
    file = file_of({"a": [f"t{i}" for i in range(50)]})
    assert take_column(file, "a", np.array([40, 3, 3, 0])).to_pylist() == ["t40", "t3", "t3", "t0"]
    assert take_column(file, "a", np.array([], np.int64)).to_pylist() == []


VIEWS = [
    (pa.string_view(), "x"),
    (pa.binary_view(), b"x"),
    (pa.list_(pa.string_view()), ["x"]),
    (pa.struct([("a", pa.binary_view())]), {"a": b"x"}),
    (pa.map_(pa.string(), pa.string_view()), [("k", "x")]),
]


@pytest.mark.parametrize(("kind", "value"), VIEWS)
def test_rows_of_views_are_taken_too(kind, value):
    file = file_of({"a": pa.array([None, value, value], kind)})
    assert file.schema_arrow.field("a").type == kind
    found = take_column(file, "a", np.array([2, 0])).to_pylist()
    assert found == ([None, None] if pa.types.is_nested(kind) else [value, None])


def test_columns_are_taken_together_and_those_that_lack_are_left_out():
    file = file_of({"a": list(range(50)), "b": [None, *range(49)]})
    found = take_rows(file, ["b", "gone", "a"], np.array([9, 0]))
    assert {name: column.to_pylist() for name, column in found.items()} == {
        "b": [8, None],
        "a": [9, 0],
    }
