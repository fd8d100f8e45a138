"""The rows that a server asks itself before it says that it is ready."""

import json

import numpy as np
import pytest

from components.data.feature_rows import FeatureRows
from components.data.frame import frame_rows
from components.model.files import MODEL, ONNX, RECORDED
from components.model.recorded import check_recorded, record_rows
from components.model.records import RecordedRows
from components.model.runtime import open_runtime
from components.model.score import Predictions
from components.spec.model import Columns
from tests.model.test_runtime import digests, holdout_of

COLUMNS = Columns(id="i", time="t", target="y", numeric=["a"], categorical=["k"])


def recorded_of(trained):
    return RecordedRows.model_validate_json((trained.folder / RECORDED).read_bytes())


@pytest.fixture(scope="module")
def runtimes(trained):
    """By both kinds."""
    files = digests(trained.folder)
    skops = {MODEL: files[MODEL]}
    columns = trained.spec.columns
    return [open_runtime(trained.folder, given, columns) for given in (files, skops)]


@pytest.mark.parametrize("name", ["trained", "multiclass", "regression"])
def test_the_model_answers_them_in_either_form(name, request):
    trained = request.getfixturevalue(name)
    files, recorded = digests(trained.folder), recorded_of(trained)

    for given in (files, {MODEL: files[MODEL]}):
        runtime = open_runtime(trained.folder, given, trained.spec.columns)
        assert check_recorded(runtime, recorded, trained.spec.columns) == []
    assert ONNX in files


def test_they_are_rows_of_the_holdout_spread_over_it(trained):
    rows = holdout_of(trained)
    known = frame_rows(rows.features(), trained.spec.columns)
    texts = list(zip(*known.categorical, strict=True))
    names = trained.spec.columns
    positions = [
        next(
            place
            for place in range(len(rows))
            if np.array_equal(
                known.numeric[place],
                [np.nan if row[name] is None else row[name] for name in names.numeric],
                equal_nan=True,
            )
            and texts[place] == tuple(row[name] for name in names.categorical)
        )
        for row in recorded_of(trained).rows
    ]

    assert positions == sorted(positions)
    assert positions[0] < 60
    assert positions[-1] > 540


def change(recorded, **values):
    return RecordedRows.model_validate(json.loads(recorded.model_dump_json()) | values)


def test_another_answer_is_told(trained, runtimes):
    recorded, columns = recorded_of(trained), trained.spec.columns
    probability = [list(row) for row in recorded.probability]
    probability[3] = [probability[3][0] + 2e-5, probability[3][1] - 2e-5]
    wrong = change(recorded, probability=probability)

    for runtime in runtimes:
        (said,) = check_recorded(runtime, wrong, columns)
        assert said.startswith("recorded row 3 is answered with ")
        assert "a difference of 2e-05 where 1e-05 is allowed" in said


def test_many_other_answers_are_counted(trained, runtimes):
    recorded = recorded_of(trained)
    turned = change(
        recorded,
        probability=[row[::-1] for row in recorded.probability],
        prediction=[1 - value for value in recorded.prediction],
    )

    found = check_recorded(runtimes[0], turned, trained.spec.columns)

    assert len(found) == 6
    assert found[-1] == "and 15 further recorded rows are answered wrongly"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"probability": None}, "only one of the model and the recorded answers has prob"),
        ({"prediction": [0] * 19}, "none of this model"),
        ({"prediction": [7] * 20}, "none of this model"),
        ({"prediction": [True] * 20}, "none of this model"),
        ({"probability": [[0.5, 0.25, 0.25]] * 20}, "none of this model"),
        ({"rows": [{"price": 1.0}] * 20}, "other columns"),
        ({"rows": [{"price": "x", "weight": 1.0, "shop": "a"}] * 20}, "are not answered"),
    ],
)
def test_what_is_none_of_the_models_is_told(values, reason, trained, runtimes):
    found = check_recorded(
        runtimes[0], change(recorded_of(trained), **values), trained.spec.columns
    )

    assert len(found) == 1
    assert reason in found[0]


def record(numeric, texts, count):
    rows = FeatureRows(np.array([[value] for value in numeric], dtype=float), [texts])
    answers = Predictions(np.arange(float(len(numeric))))
    return record_rows(rows, answers, COLUMNS, count, 0.1)


def test_a_third_of_them_lack_a_value_where_there_are_such_rows():
    numeric = [np.nan if row % 10 == 4 else row for row in range(100)]

    rows = record(numeric, ["x"] * 100, 12).rows

    assert len(rows) == 12
    assert [row for row in rows if row["a"] is None] == [{"a": None, "k": "x"}] * 4


def test_few_rows_are_all_taken_and_those_without_an_answer_none():
    recorded = record([1.0, np.nan, np.inf], ["x", "", None], 20)

    assert recorded.rows == [{"a": 1.0, "k": "x"}, {"a": None, "k": None}, {"a": None, "k": None}]
    assert recorded.prediction == [0.0, 1.0, 2.0]

    rows = FeatureRows(np.zeros((3, 1)), [["x", "y", "z"]])
    answers = Predictions(np.array([1.0, np.inf, np.nan]))
    assert record_rows(rows, answers, COLUMNS, 5, 0.1).rows == [{"a": 0.0, "k": "x"}]


def test_labels_keep_their_type_on_the_way_through_json():
    recorded = RecordedRows(rows=[], prediction=[True, 1, 1.0, "1"], tolerance=0.0)

    again = RecordedRows.model_validate_json(recorded.model_dump_json())

    assert [type(value) for value in again.prediction] == [bool, int, float, str]
