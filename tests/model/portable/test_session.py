"""An ONNX file as what answers: digest first, then its form, then exactly its answers."""

import numpy as np
import pytest

from components.core.errors import ReleaseError
from components.data.feature_rows import FeatureRows
from components.data.frame import rows_frame
from components.model.portable.session import open_onnx
from tests.model.portable.conftest import converted, fitted_as, rows_of

BOOSTER = "sklearn.ensemble.HistGradientBoostingClassifier"


@pytest.fixture(scope="module")
def pair():
    model = fitted_as(BOOSTER, max_iter=4, min_samples_leaf=5)
    return model, *converted(model)


def test_the_digest_comes_before_anything_else(pair, tmp_path):
    model, data, runtime = pair
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no file of ONNX")

    with pytest.raises(ReleaseError, match=r"its sha256 is .* changed or cut off"):
        open_onnx(path, runtime.sha256, model.columns)
    path.unlink()
    with pytest.raises(ReleaseError, match="cannot be read: No such file"):
        open_onnx(path, runtime.sha256, model.columns)

    path.write_bytes(data)
    again = open_onnx(path, runtime.sha256, model.columns)
    assert (again.kind, again.sha256, again.classes) == ("onnx", runtime.sha256, model.classes)


def test_an_empty_text_is_missing_and_infinity_as_well(pair):
    model, _, runtime = pair
    numeric = np.array([[np.inf, 1.0, -np.inf], [np.nan, 1.0, np.nan]])
    asked = FeatureRows(numeric, [["", None], [None, ""]])

    found = runtime.answer(asked).probability

    assert np.array_equal(found[0], found[1])
    missing = FeatureRows(numeric, [[None, None], [None, None]])
    expected = model.predict(rows_frame(missing, model.columns)).probability
    assert found == pytest.approx(expected, abs=1e-12)


def test_rows_may_be_views_of_others(pair):
    _, _, runtime = pair
    rows = rows_of(50)
    turned = FeatureRows(np.asfortranarray(rows.numeric)[::5], [c[::5] for c in rows.categorical])

    assert np.array_equal(runtime.answer(turned).probability, runtime.answer(rows).probability[::5])
