import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.prediction_log import TIME
from components.serving import arrays
from components.serving.arrays import (
    answers,
    known_numbers,
    lists,
    microseconds,
    numbers,
    texts,
)

ROOT = Path(__file__).parents[2]
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))


@settings(deadline=None)
@given(st.lists(st.none() | st.text(max_size=8)))
def test_texts_are_what_arrow_makes_of_them(values):
    found = texts(values)

    found.validate(full=True)
    assert found.equals(pa.array(values, pa.string()))


@settings(deadline=None)
@given(st.lists(st.floats()))
def test_numbers_are_what_arrow_makes_of_them(values):
    given_ = np.array(values, float)

    known_numbers(given_).validate(full=True)
    assert known_numbers(given_).equals(pa.array(given_, from_pandas=True))
    assert np.array_equal(numbers(given_).to_numpy(), given_, equal_nan=True)


@settings(deadline=None)
@given(st.lists(st.datetimes(timezones=ZONES, min_value=datetime(2, 1, 1))))
def test_times_are_exact_in_every_zone_and_century(values):
    found = numbers(microseconds(values), TIME)

    assert found.equals(pa.array(values, TIME))


@pytest.mark.parametrize("values", [[1, 2], [0.5, float("inf")], [True, False], ["a", "ü"]])
def test_answers_keep_their_type(values):
    found = answers(values)

    found.validate(full=True)
    assert found.equals(pa.array(values))


@pytest.mark.parametrize("values", [[None], [2**64], [[1.0]], [1, "a"], ["a", 1], [{}]])
def test_what_is_no_answer_is_an_error(values):
    with pytest.raises(TypeError):
        answers(values)


def test_lists_of_one_width():
    values = np.arange(6.0).reshape(3, 2)

    lists(values).validate(full=True)
    assert lists(values).to_pylist() == values.tolist()
    assert lists(values).type == pa.list_(pa.float64())


def test_more_text_than_a_column_can_hold_is_an_error(monkeypatch):
    monkeypatch.setattr(arrays, "_MOST_BYTES", 5)
    with pytest.raises(OverflowError, match="6 bytes of text"):
        texts(["abc", "def"])


def test_logging_does_not_import_pandas(tmp_path):
    code = (
        "import sys\n"
        "from dataclasses import replace\n"
        "from components.serving.backlog import Limits\n"
        "from components.serving.log import PredictionLog\n"
        "from tests.serving.logged import START, answered\n"
        f"log = PredictionLog({str(tmp_path)!r}, 'pumps', Limits(rows=100))\n"
        "log.put(answered(300))\n"
        "log.flush()\n"
        "log.put(replace(answered(2, 1, 0), event_times=[START, START], served_at=START))\n"
        "assert log.close() and log.counters.written == 302\n"
        "assert 'pyarrow' in sys.modules and 'pandas' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
