"""What answers at serving answers as the model does."""

import numpy as np
import pytest

from components.core.errors import ReleaseError
from components.data.feature_rows import FeatureRows
from components.model.files import MODEL
from components.model.persist import load_model
from components.model.rows import read_labelled
from components.model.runtime import open_runtime
from components.spec.model import Columns


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
