"""What a file may hold, and what is refused before any library interprets it."""

import hashlib
import json
from contextlib import suppress

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from components.core.errors import ReleaseError
from components.model.portable.check import check_file
from components.model.portable.form import FACTS, Foreign
from components.model.portable.session import open_onnx
from tests.model.portable.conftest import converted, fitted_as

BOOSTER = "sklearn.ensemble.HistGradientBoostingClassifier"


@pytest.fixture(scope="module")
def model():
    return fitted_as(BOOSTER, max_iter=4, min_samples_leaf=5)


@pytest.fixture(scope="module")
def good(model):
    """A file's bytes: trees, a table of sets, texts."""
    return converted(model)[0]


@pytest.fixture(scope="module")
def older():
    """A file with the trees that skl2onnx makes, and with columns picked by position."""
    forest = {"class": "sklearn.ensemble.RandomForestClassifier", "parameters": {"n_estimators": 2}}
    path = "sklearn.calibration.CalibratedClassifierCV"
    return converted(fitted_as(path, estimator=forest, ensemble=False))[0]


def refusal(data, model, folder):
    """What is said of a file whose digest is right: the digest is no help."""
    path = folder / "model.onnx"
    path.write_bytes(data)
    with pytest.raises(ReleaseError) as caught:
        open_onnx(path, hashlib.sha256(data).hexdigest(), model.columns)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def changed(data, change):
    proto = onnx.ModelProto.FromString(data)
    change(proto)
    return proto.SerializeToString()


def node(proto, operator):
    return next(found for found in proto.graph.node if found.op_type == operator)


def attribute(proto, operator, name):
    return next(found for found in node(proto, operator).attribute if found.name == name)


def numbers(operator, name, change):
    """A change of a list of integers."""

    def apply(proto):
        found = attribute(proto, operator, name)
        values = change(list(found.ints))
        del found.ints[:]
        found.ints.extend(values)

    return apply


def external(proto):
    proto.graph.initializer[0].ClearField("raw_data")
    proto.graph.initializer[0].data_location = TensorProto.EXTERNAL
    proto.graph.initializer[0].external_data.add(key="location", value="/etc/passwd")


def named_elsewhere(proto):
    proto.graph.initializer[0].external_data.add(key="location", value="weights.bin")


def another_domain(proto):
    node(proto, "Sigmoid").domain = "com.microsoft"


def another_opset(proto):
    proto.opset_import.add(domain="com.microsoft", version=1)


def newer(proto):
    proto.opset_import[0].version = 99


def forgotten(proto):
    del proto.metadata_props[:]


def other_format(proto):
    facts = json.loads(proto.metadata_props[0].value)
    proto.metadata_props[0].value = json.dumps({**facts, "format": 2})


def three_classes(proto):
    facts = json.loads(proto.metadata_props[0].value)
    proto.metadata_props[0].value = json.dumps({**facts, "classes": [0, 1, 2]})


def a_regression(proto):
    facts = json.loads(proto.metadata_props[0].value)
    proto.metadata_props[0].value = json.dumps({**facts, "task": "regression", "classes": []})


def nonsense(proto):
    proto.metadata_props[0].value = "{"


def wider(proto):
    proto.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 9


def single(proto):
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT


def one_more_input(proto):
    proto.graph.input.append(helper.make_tensor_value_info("path", TensorProto.STRING, ["n"]))


def shadowed(proto):
    proto.graph.initializer.append(numpy_helper.from_array(np.zeros((1, 3)), "numeric"))


def renamed(proto):
    proto.graph.output[0].name = "v1"


def two_outputs(proto):
    proto.graph.output.append(proto.graph.output[0])


def a_loop(proto):
    body = helper.make_graph([], "body", [], [])
    proto.graph.node.append(helper.make_node("Loop", ["", ""], ["z"], body=body))


def a_graph_within(proto):
    body = helper.make_graph([], "body", [], [])
    node(proto, "Sigmoid").attribute.append(helper.make_attribute("body", body))


def a_function(proto):
    proto.functions.add(name="f", domain="")


def twice(proto):
    node(proto, "Gather").attribute.append(node(proto, "Gather").attribute[0])


def larger_than_itself(proto):
    next(constant for constant in proto.graph.initializer if constant.dims).dims[0] += 1


def negative(proto):
    sized = next(constant for constant in proto.graph.initializer if len(constant.dims) == 2)
    sized.dims[0] = -sized.dims[0]
    sized.dims[1] = -sized.dims[1]


def notes(proto):
    proto.graph.doc_string = "a note"


@pytest.mark.parametrize(
    "change",
    [
        external, named_elsewhere, another_domain, another_opset, newer, forgotten, other_format,
        three_classes, a_regression, nonsense, wider, single, one_more_input, shadowed, renamed,
        two_outputs, a_loop, a_graph_within, a_function, twice, larger_than_itself, negative, notes,
    ],
    ids=lambda change: change.__name__,
)  # fmt: skip
def test_a_file_of_another_form_is_refused(change, good, model, tmp_path):
    said = refusal(changed(good, change), model, tmp_path)

    assert "which no model of driftline does" in said
    assert "roll back" in said


def first(value):
    return lambda values: [value, *values[1:]]


def last(value):
    return lambda values: [*values[:-1], value]


TREES = [
    ("nodes_featureids", first(10**6)),
    ("nodes_featureids", first(-1)),
    ("nodes_featureids", lambda values: values[1:]),
    ("nodes_truenodeids", first(10**6)),
    ("nodes_truenodeids", first(-1)),
    ("nodes_truenodeids", first(0)),
    ("nodes_falsenodeids", last(10**9)),
    ("nodes_trueleafs", lambda values: [1 - value for value in values]),
    ("nodes_falseleafs", lambda values: values[1:]),
    ("nodes_missing_value_tracks_true", lambda values: values[1:]),
    ("leaf_targetids", first(1)),
    ("leaf_targetids", first(-1)),
    ("leaf_targetids", lambda values: values[1:]),
    ("tree_roots", first(10**6)),
    ("tree_roots", first(-1)),
    ("tree_roots", lambda values: values * 2),
]


@pytest.mark.parametrize(("name", "change"), TREES)
def test_a_tree_that_leads_out_of_itself_is_refused(name, change, good, model, tmp_path):
    data = changed(good, numbers("TreeEnsemble", name, change))

    assert "leads out of itself or of its rows" in refusal(data, model, tmp_path)


def test_trees_may_not_look_into_sets(good, model, tmp_path):
    def member(proto):
        found = attribute(proto, "TreeEnsemble", "nodes_modes")
        found.t.raw_data = b"\x06" + found.t.raw_data[1:]

    assert "leads out of itself" in refusal(changed(good, member), model, tmp_path)


def test_rows_whose_width_is_not_certain_are_refused(good, model, tmp_path):
    def unguarded(proto):
        node(proto, "TreeEnsemble").input[0] = "numeric"  # narrower than what the trees look at

    assert "leads out of itself or of its rows" in refusal(
        changed(good, unguarded), model, tmp_path
    )


OLDER = [
    ("nodes_featureids", first(10**6)),
    ("nodes_truenodeids", first(10**6)),
    ("nodes_truenodeids", first(0)),
    ("nodes_falsenodeids", first(-5)),
    ("nodes_nodeids", last(10**6)),
    ("nodes_nodeids", last(0)),
    ("nodes_treeids", first(-1)),
    ("class_ids", first(7)),
    ("class_nodeids", first(10**6)),
    ("class_treeids", lambda values: values[1:]),
]


@pytest.mark.parametrize(("name", "change"), OLDER)
def test_so_is_one_of_the_older_kind(name, change, older, model, tmp_path):
    data = changed(older, numbers("TreeEnsembleClassifier", name, change))

    assert "leads out of itself or of its rows" in refusal(data, model, tmp_path)


def test_picked_columns_are_named_and_not_negative(older, model, tmp_path):
    def computed(proto):
        node(proto, "ArrayFeatureExtractor").input[1] = "numeric"

    def below(proto):
        name = node(proto, "ArrayFeatureExtractor").input[1]
        constant = next(found for found in proto.graph.initializer if found.name == name)
        constant.CopyFrom(numpy_helper.from_array(np.array([-1]), name))

    for change in (computed, below):
        assert "picks columns" in refusal(changed(older, change), model, tmp_path)


def test_other_columns_than_the_specs_are_refused(good, tmp_path):
    other = fitted_as(BOOSTER, numeric=["b", "a", "c"], max_iter=2)

    assert "different features" in refusal(good, other, tmp_path)


def test_a_file_cut_off_anywhere_is_refused(good, model, tmp_path):
    for end in [*range(0, 200, 7), *range(200, len(good), len(good) // 40), len(good) - 1]:
        refusal(good[:end], model, tmp_path)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_flipped_bytes_are_refused_or_change_an_answer_only(data, good, model, tmp_path_factory):
    """Nothing else happens to the process, whatever the file holds."""
    content = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(good) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.getbasetemp() / "flipped.onnx"
    path.write_bytes(content)

    with suppress(ReleaseError):
        open_onnx(path, hashlib.sha256(content).hexdigest(), model.columns)


def test_what_is_loaded_is_what_was_checked(good):
    facts, output = check_file(good)

    assert (facts.task, facts.classes, output) == ("binary", [0, 1], "probability")
    assert [entry.key for entry in onnx.ModelProto.FromString(good).metadata_props] == [FACTS]
    with pytest.raises(Foreign, match="cut off"):
        check_file(good[:50])
