"""What a model travels in is decided by its answers, row by row."""

import numpy as np
import pytest

from components.core.errors import ModelError
from components.data.frame import frame_rows, rows_frame
from components.model.files import MODEL, ONNX, RECORDED, RUNTIME
from components.model.persist import load_model
from components.model.recorded import EXACT
from components.model.records import RecordedRows, RuntimeRecord
from components.model.runtime import open_runtime
from components.model.travel import choose_runtime
from tests.model.conftest import changed, retrained
from tests.model.portable.conftest import fitted_as, rows_of, spec_of
from tests.model.test_runtime import digests, holdout_of

NEIGHBOURS = "sklearn.neighbors.KNeighborsClassifier"


def chosen(path, task="binary", exactness=1e-5, runtime="auto", **parameters):
    model, rows = fitted_as(path, task, **parameters), rows_of(seed=1)
    spec = spec_of(path, task, **parameters)
    serving = spec.serving.model_copy(update={"exactness": exactness, "runtime": runtime})
    answers = model.predict(rows_frame(rows, model.columns))
    changed_spec = spec.model_copy(update={"serving": serving})
    return choose_runtime(changed_spec, model, rows, answers, lambda row: f"row {row}")


def documents(folder):
    record = RuntimeRecord.model_validate_json((folder / RUNTIME).read_bytes())
    return record, RecordedRows.model_validate_json((folder / RECORDED).read_bytes())


@pytest.mark.parametrize("name", ["trained", "multiclass", "regression"])
def test_a_candidate_travels_in_onnx_and_says_how_exact_it_is(name, request):
    trained = request.getfixturevalue(name)
    record, recorded = documents(trained.folder)

    assert record.chosen == "onnx"
    assert record.rows > trained.record.holdout_rows
    assert record.largest_difference <= 1e-12 < record.limit == recorded.tolerance == 1e-5
    assert record.reason == f"all {record.rows:,} answers are within 1e-05 of scikit-learn's"
    assert len(recorded.rows) == 20


def test_what_it_says_holds_for_the_file_beside_it(trained):
    holdout = holdout_of(trained)
    features = holdout.features()
    files = digests(trained.folder)

    runtime = open_runtime(trained.folder, files, trained.spec.columns)
    got = runtime.answer(frame_rows(features, trained.spec.columns))

    expected = load_model(trained.folder / MODEL, trained.record.model_sha256).predict(features)
    difference = np.abs(got.probability - expected.probability).max()
    assert (runtime.kind, runtime.sha256) == ("onnx", files[ONNX])
    assert difference <= documents(trained.folder)[0].largest_difference
    assert np.array_equal(got.prediction, expected.prediction)


def test_what_onnx_cannot_do_travels_in_skops(trained, tmp_path):
    other = retrained(trained, tmp_path, estimator__class=NEIGHBOURS, estimator__parameters={})
    record, recorded = documents(other.folder)

    assert not (other.folder / ONNX).exists()
    assert (record.chosen, record.rows, record.largest_difference) == ("skops", 0, None)
    assert "ONNX's operator Scan" in record.reason
    assert recorded.tolerance == EXACT


def test_nothing_is_converted_where_the_spec_asks_for_skops():
    record, data = chosen("sklearn.linear_model.LogisticRegression", runtime="skops")

    assert data is None
    assert (record.chosen, record.rows) == ("skops", 0)
    assert record.reason == "the spec asks for skops"


def test_what_is_not_exact_enough_says_which_row_and_by_how_much():
    """In single precision, the only one that this estimator's converter knows."""
    path, few = "sklearn.ensemble.AdaBoostClassifier", {"n_estimators": 4}

    near, data = chosen(path, **few)
    far, nothing = chosen(path, exactness=1e-12, **few)

    assert (near.chosen, far.chosen, nothing) == ("onnx", "skops", None)
    assert 1e-12 < near.largest_difference < 1e-5
    assert far.largest_difference == near.largest_difference
    assert far.reason.startswith("ONNX answers ")
    assert f"with a difference of {far.largest_difference:.2g}, and 1e-12 is" in far.reason
    assert data


def test_trees_that_round_at_another_place_are_found_out():
    """skl2onnx compares in double what scikit-learn rounds to single precision before."""
    forest = {"class": "sklearn.ensemble.RandomForestClassifier", "parameters": {"n_estimators": 4}}
    linear = {"class": "sklearn.linear_model.LogisticRegression"}
    record, _ = chosen(
        "sklearn.ensemble.StackingClassifier", estimators=[["a", linear], ["b", forest]]
    )

    assert record.chosen == "skops"
    assert record.largest_difference > 1e-3
    assert record.reason.startswith("ONNX answers row ")


@pytest.mark.parametrize(
    ("path", "given", "reason"),
    [
        (NEIGHBOURS, {}, "operator Scan"),
        ("sklearn.ensemble.AdaBoostClassifier", {"n_estimators": 4}, "with a difference of"),
    ],
)
def test_a_spec_that_demands_onnx_gets_it_or_an_error(path, given, reason):
    with pytest.raises(ModelError, match=reason) as caught:
        chosen(path, exactness=1e-12, runtime="onnx", **given)

    assert "set it to auto" in str(caught.value)


def test_training_stops_where_onnx_is_demanded_and_cannot_be(trained, tmp_path):
    demanding = {"estimator__class": NEIGHBOURS, "estimator__parameters": {}}

    with pytest.raises(ModelError, match=r"serving\.runtime: onnx cannot serve this model"):
        retrained(trained, tmp_path, serving__runtime="onnx", **demanding)
    assert list(tmp_path.iterdir()) == []


def test_how_many_rows_are_recorded_is_the_specs(trained, tmp_path):
    other = retrained(trained, tmp_path, serving__recorded_rows=7)

    assert len(documents(other.folder)[1].rows) == 7
    assert changed(trained.spec, serving__recorded_rows=7) == other.spec
