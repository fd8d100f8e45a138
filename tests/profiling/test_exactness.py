"""Part by part or as one: the same profile to the last bit, and the same verdicts."""

import tempfile
from datetime import timedelta
from pathlib import Path
from random import Random

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.core.errors import DataError
from tests.profiling.conftest import JANUARY, Bench

SPECIAL = [None, None, 0.0, -0.0, float("nan"), float("inf"), -float("inf"), 1e300, -1e300, 5e-324]
LABELS = [None, "0", "1", "1.0", "maybe"]


def numbers(draw):
    return draw.choice(SPECIAL) if draw.random() < 0.2 else round(draw.gauss(0, 3), 3)


def rows(seed, count):
    """Rows with all that can be wrong; few ids, so that they repeat in files far apart."""
    draw = Random(seed)  # noqa: S311 # nothing secret
    hours = [draw.randrange(-100, 850) for _ in range(count)]
    return [
        {
            "id": draw.choice([None, "", "p"]) if draw.random() < 0.1 else str(draw.randrange(60)),
            "at": None if draw.random() < 0.1 else JANUARY.start + timedelta(hours=hour),
            "x": numbers(draw),
            "n": numbers(draw),
            "c": draw.choice([None, "a", "b", "7.0", "True", "new", "né w", f"z{hour}"]),
            "y": draw.choice(LABELS[: 1 + seed % len(LABELS)]),
        }
        for hour in hours
    ]


SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("at", pa.timestamp("us", "UTC")),
        ("x", pa.float64()),
        ("n", pa.float64()),
        ("c", pa.string()),
        ("y", pa.string()),
    ]
)


@st.composite
def sources(draw):
    """Files by name: rows, and how many of them a row group has."""
    count = draw(st.sampled_from([1, 80, 40, 160]))
    made = rows(draw(st.integers(0, 10_000)), count)
    cuts = sorted(draw(st.lists(st.integers(0, count), min_size=2, max_size=4)))
    files = {}
    for place, (first, last) in enumerate(zip([0, *cuts], [*cuts, count], strict=True)):
        some = made[first:last]
        kind = draw(st.sampled_from(["parquet", "parquet", "csv"]))
        table = pa.Table.from_pylist(some, SCHEMA)
        change = draw(st.sampled_from(["", "", "lacks", "words", "extra", "labels"]))
        if change == "lacks":
            table = table.drop_columns(["n"])
        elif change == "words":
            words = ["many" if value is None else str(value) for value in table["x"].to_pylist()]
            table = table.set_column(2, "x", pa.array(words, pa.string()))
        elif change == "extra":
            table = table.append_column(f"more{place}", pa.array(range(len(some)), pa.int8()))
        elif change == "labels":
            truth = [None if value is None else value == "1" for value in table["y"].to_pylist()]
            table = table.set_column(5, "y", pa.array(truth, pa.bool_()))
        files[f"{place}.{kind}"] = table, draw(st.integers(1, 20))
    return files


def outcome(profiled):
    try:
        whole, verdicts = profiled()
    except DataError as error:  # there may be no rows: for the same reason either way
        return type(error).__name__, str(error)
    return whole.model_dump_json(), verdicts


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(files=sources(), shards=st.integers(1, 9), order=st.sampled_from([1, -1]))
def test_any_split_gives_the_bytes_of_one_process(reference, files, shards, order):
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), reference)
        for name, (table, group) in files.items():
            bench.write(name, table, group)
        expected = outcome(bench.as_one)
        found = outcome(lambda: bench.in_parts(shards, order))
        assert found == expected
