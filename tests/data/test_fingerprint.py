import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from components.data.fingerprint import Fingerprint

ROWS = st.lists(
    st.tuples(
        st.none() | st.floats(allow_nan=False),
        st.none() | st.text(max_size=3),
        st.none() | st.integers(-(2**60), 2**60),
    ),
    min_size=1,
    max_size=15,
)
SCHEMA = pa.schema([("a", pa.float64()), ("b", pa.string()), ("c", pa.int64())])


def digest(rows, size=100):
    fingerprint = Fingerprint()
    for start in range(0, len(rows), size):
        columns = list(zip(*rows[start : start + size], strict=True))
        arrays = [pa.array(values, f.type) for values, f in zip(columns, SCHEMA, strict=True)]
        fingerprint.add(pa.record_batch(arrays, schema=SCHEMA))
    return fingerprint.digest()


@given(ROWS, st.randoms(), st.integers(1, 5))
def test_the_order_and_the_batches_do_not_matter(rows, random, size):
    shuffled = random.sample(rows, len(rows))

    assert digest(rows) == digest(shuffled, size)


@given(ROWS, st.data())
def test_one_changed_value_matters(rows, data):
    row = data.draw(st.integers(0, len(rows) - 1))
    column = data.draw(st.integers(0, 2))
    new = data.draw(ROWS)[0][column]
    changed = [list(values) for values in rows]
    changed[row][column] = new

    assert (digest(rows) == digest(changed)) == (repr(rows[row][column]) == repr(new))


def test_values_do_not_wander_between_rows_or_columns():
    assert digest([(1.0, "x", 1), (2.0, "y", 2)]) != digest([(1.0, "y", 1), (2.0, "x", 2)])
    one = Fingerprint()
    one.add(pa.record_batch({"a": [1.0], "b": [2.0]}))
    other = Fingerprint()
    other.add(pa.record_batch({"a": [2.0], "b": [1.0]}))
    assert one.digest() != other.digest()


def test_a_repeated_row_counts():
    row = (1.0, "x", 1)

    assert len({digest([row]), digest([row] * 2), digest([row] * 3)}) == 3
