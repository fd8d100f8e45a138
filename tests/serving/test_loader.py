import json
from dataclasses import replace

import numpy as np
import pytest

from components.core.errors import ReleaseError, ServingError
from components.data.feature_rows import FeatureRows
from components.release.package import load_release, seal
from components.serving.loader import load_model


def test_a_verified_release_is_loaded_and_has_answered_once(releases):
    folder = releases("words")

    served = load_model(folder)

    assert (served.name, served.release, served.classes) == (
        "pumps",
        "2024-03-09-abc",
        ["no", "yes"],
    )
    assert served.model_sha256 == load_release(folder).manifest.files["model.skops"]
    assert served.outputs == ["prediction", "probability"]
    assert load_model(releases("regression")).outputs == ["prediction"]


@pytest.mark.parametrize("name", ["model.skops", "spec.json", "schema.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["changed", "cut off", "gone"])
def test_a_damaged_release_is_refused(own_release, name, damage):
    path = own_release() / name
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"x" + content[1:] if damage == "changed" else content[:-10])

    with pytest.raises(ReleaseError, match=name.replace(".", r"\.")) as caught:
        load_model(path.parent)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["model.onnx", "runtime.json", "recorded.json"])
def test_so_is_one_whose_form_of_serving_was_changed(own_release, name):
    path = own_release() / name
    path.write_bytes(path.read_bytes()[:-10])

    with pytest.raises(ReleaseError, match=name.replace(".", r"\.")):
        load_model(path.parent)


def test_a_model_that_answers_otherwise_than_in_training_is_not_served(own_release):
    folder = own_release()
    recorded = json.loads((folder / "recorded.json").read_text())
    recorded["probability"][0] = recorded["probability"][0][::-1]
    (folder / "recorded.json").write_text(json.dumps(recorded))
    (folder / "manifest.json").unlink()
    seal(folder, "pumps", "v1", {})

    with pytest.raises(ServingError, match="release v1 does not answer as it did in training"):
        load_model(folder)


def test_a_candidate_needs_leave(own_release):
    folder = own_release()
    (folder / "manifest.json").unlink()
    seal(folder, "pumps", "candidate-0123", {})

    with pytest.raises(ReleaseError, match="has passed no gate"):
        load_model(folder)
    assert load_model(folder, allow_candidate=True).release == "candidate-0123"


def test_a_model_with_other_features_than_its_spec_is_refused(own_release, make_release, tmp_path):
    folder = own_release()
    spec = (folder / "spec.json").read_text()
    (folder / "spec.json").write_text(spec.replace('["load","age"]', '["age","load"]'))
    (folder / "manifest.json").unlink()
    seal(folder, "pumps", "v1", {})

    with pytest.raises(ReleaseError, match="name different features"):
        load_model(folder)


def test_a_model_that_does_not_answer_is_no_model_to_serve(served):
    from components.serving.loader import _warm_up

    class Broken:
        classes, estimates = [0, 1], True

        def answer(self, rows):
            raise ValueError("not fitted")

    with pytest.raises(ServingError, match="does not answer a row of missing values"):
        _warm_up(replace(served("binary"), runtime=Broken()))


def test_a_model_that_fails_only_in_company_blames_no_row(served):
    good = served("binary")

    class Unsociable:
        classes, estimates = [0, 1], True

        def answer(self, rows):
            if len(rows) > 1:
                raise ValueError("one at a time")
            return good.runtime.answer(rows)

    features = FeatureRows(np.array([[1.0, 1.0], [2.0, 2.0]]), [["north"] * 2, ["day"] * 2])
    with pytest.raises(ServingError, match="does not answer: one at a time"):
        replace(good, runtime=Unsociable()).answer(features)


def test_refusing_unseen_categories_needs_a_list_of_the_seen_ones(own_release):
    folder = own_release("binary", unseen="refuse")
    schema = (folder / "schema.json").read_text()
    assert '"complete":true' in schema.replace(" ", "")
    (folder / "schema.json").write_text(
        schema.replace('"complete": true', '"complete": false').replace(
            '"complete":true', '"complete":false'
        )
    )
    (folder / "manifest.json").unlink()
    seal(folder, "pumps", "v1", {})

    with pytest.raises(ReleaseError, match="cannot refuse unseen values of site"):
        load_model(folder)
