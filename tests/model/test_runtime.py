"""What answers at serving answers as the model does."""

import hashlib

import numpy as np
import pytest

from components.core.errors import ReleaseError
from components.data.feature_rows import FeatureRows
from components.model.files import MODEL, ONNX, RUNTIME
from components.model.persist import load_model
from components.model.rows import read_labelled
from components.model.runtime import open_runtime
from components.spec.model import Columns


def digests(folder):
    """The files of a folder as a manifest lists them."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def holdout_of(trained):
    rows = read_labelled(trained.data, trained.spec)
    return rows.part(len(rows) - trained.record.holdout_rows)


def feature_rows(frame, columns):
    numeric = frame[columns.numeric].to_numpy(dtype=float)
    return FeatureRows(numeric, [frame[name].tolist() for name in columns.categorical])


@pytest.mark.parametrize("name", ["trained", "multiclass", "regression"])
def test_skops_answers_as_the_model_does(name, request):
    trained = request.getfixturevalue(name)
    frame = read_labelled(trained.data, trained.spec).features()
    files = {MODEL: trained.record.model_sha256}

    runtime = open_runtime(trained.folder, files, trained.spec.columns)
    answers = runtime.answer(feature_rows(frame, trained.spec.columns))

    expected = load_model(trained.folder / MODEL, trained.record.model_sha256).predict(frame)
    assert np.array_equal(answers.prediction, expected.prediction)
    assert (answers.probability is not None) == runtime.estimates
    if runtime.estimates:
        assert np.array_equal(answers.probability, expected.probability)
    assert runtime.classes == trained.record.classes
    assert runtime.sha256 == trained.record.model_sha256


def test_an_empty_text_is_missing(trained):
    runtime = open_runtime(
        trained.folder, {MODEL: trained.record.model_sha256}, trained.spec.columns
    )
    numeric = np.zeros((1, len(trained.spec.columns.numeric)))
    empty, missing = (
        runtime.answer(FeatureRows(numeric, [[text]] * len(trained.spec.columns.categorical)))
        for text in ("", None)
    )

    assert np.array_equal(empty.probability, missing.probability)


def test_a_model_of_other_columns_is_refused(trained):
    columns = trained.spec.columns
    other = Columns(**{**columns.model_dump(), "numeric": list(reversed(columns.numeric))})

    with pytest.raises(ReleaseError, match="different features"):
        open_runtime(trained.folder, {MODEL: trained.record.model_sha256}, other)


def test_a_folder_without_a_model_is_no_release(trained):
    with pytest.raises(ReleaseError, match=r"no model\.skops"):
        open_runtime(trained.folder, {}, trained.spec.columns)


def test_onnx_answers_where_it_was_chosen(trained):
    files = digests(trained.folder)

    chosen = open_runtime(trained.folder, files, trained.spec.columns)
    older = open_runtime(trained.folder, {MODEL: files[MODEL]}, trained.spec.columns)

    assert (chosen.kind, chosen.sha256) == ("onnx", files[ONNX])
    assert (older.kind, older.sha256) == ("skops", files[MODEL])
    assert (chosen.classes, chosen.estimates) == (older.classes, older.estimates)


@pytest.mark.parametrize("name", [RUNTIME, ONNX])
def test_what_was_changed_is_refused_before_it_is_understood(name, trained, copy):
    folder, files = copy(trained), digests(trained.folder)
    (folder / name).write_bytes(b"something else")

    with pytest.raises(ReleaseError, match=r"its sha256 is .* changed or cut off"):
        open_runtime(folder, files, trained.spec.columns)
    (folder / name).unlink()
    with pytest.raises(ReleaseError, match="cannot be read"):
        open_runtime(folder, files, trained.spec.columns)


def test_a_choice_that_cannot_be_understood_or_met_is_refused(trained, copy):
    folder = copy(trained)
    (folder / RUNTIME).write_text('{"chosen": "onnx"}')

    with pytest.raises(ReleaseError, match="not of a form that this version"):
        open_runtime(folder, digests(folder), trained.spec.columns)
    without = {name: sha256 for name, sha256 in digests(trained.folder).items() if name != ONNX}
    with pytest.raises(ReleaseError, match=r"no model\.onnx"):
        open_runtime(trained.folder, without, trained.spec.columns)
