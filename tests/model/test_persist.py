"""What may be saved, and what is refused before anything in it runs."""

import hashlib
import io
import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from threadpoolctl import threadpool_limits

from components.core.errors import ModelError, ReleaseError
from components.model.archive import SCHEMA, pack, unpack
from components.model.persist import FACTS, load_model, save_model
from components.model.score import FittedModel
from tests.model.conftest import small_frame, small_model

LINEAR = "sklearn.linear_model."
ENSEMBLE = "sklearn.ensemble."
SVC = {"class": "sklearn.svm.SVC"}
CLASSIFIERS = {
    f"{ENSEMBLE}HistGradientBoostingClassifier": {"max_iter": 4},
    f"{ENSEMBLE}RandomForestClassifier": {"n_estimators": 3},
    f"{ENSEMBLE}ExtraTreesClassifier": {"n_estimators": 3},
    f"{ENSEMBLE}GradientBoostingClassifier": {"n_estimators": 3},
    f"{ENSEMBLE}AdaBoostClassifier": {"n_estimators": 3},
    f"{ENSEMBLE}BaggingClassifier": {"n_estimators": 3},
    f"{LINEAR}LogisticRegression": {},
    f"{LINEAR}SGDClassifier": {"loss": "log_loss"},
    f"{LINEAR}RidgeClassifier": {},
    "sklearn.neighbors.KNeighborsClassifier": {},
    "sklearn.neural_network.MLPClassifier": {"max_iter": 3, "hidden_layer_sizes": [4]},
    "sklearn.svm.SVC": {"probability": True},
    "sklearn.svm.LinearSVC": {},
    "sklearn.tree.DecisionTreeClassifier": {},
    "sklearn.naive_bayes.GaussianNB": {},
    "sklearn.discriminant_analysis.LinearDiscriminantAnalysis": {},
    "sklearn.calibration.CalibratedClassifierCV": {"estimator": SVC, "ensemble": False},
    "sklearn.gaussian_process.GaussianProcessClassifier": {},
}
REGRESSORS = {
    f"{ENSEMBLE}HistGradientBoostingRegressor": {"max_iter": 4},
    f"{ENSEMBLE}RandomForestRegressor": {"n_estimators": 3},
    f"{ENSEMBLE}ExtraTreesRegressor": {"n_estimators": 3},
    f"{ENSEMBLE}GradientBoostingRegressor": {"n_estimators": 3},
    f"{LINEAR}LinearRegression": {},
    f"{LINEAR}Ridge": {},
    f"{LINEAR}Lasso": {},
    f"{LINEAR}ElasticNet": {},
    f"{LINEAR}SGDRegressor": {},
    f"{LINEAR}TweedieRegressor": {},
    "sklearn.neighbors.KNeighborsRegressor": {},
    "sklearn.neural_network.MLPRegressor": {"max_iter": 3, "hidden_layer_sizes": [4]},
    "sklearn.svm.SVR": {},
    "sklearn.tree.DecisionTreeRegressor": {},
    "sklearn.gaussian_process.GaussianProcessRegressor": {},
}
FAMILIES = [
    *((path, task, given) for path, given in CLASSIFIERS.items() for task in ("binary",)),
    *((path, "regression", given) for path, given in REGRESSORS.items()),
    (f"{ENSEMBLE}HistGradientBoostingClassifier", "multiclass", {"max_iter": 4}),
    (f"{ENSEMBLE}GradientBoostingClassifier", "multiclass", {"n_estimators": 3}),
    (f"{LINEAR}LogisticRegression", "multiclass", {}),
    ("sklearn.svm.SVC", "multiclass", {"probability": True}),
]


@pytest.fixture
def saved(tmp_path):
    """A logistic regression's file, its digest and its members."""
    path = tmp_path / "model.skops"
    digest = save_model(small_model(f"{LINEAR}LogisticRegression"), path)
    return path, digest, unpack(path.read_bytes())


def load(path, members=None, prefixes=("sklearn.",)):
    """Load the file, or what it holds now, with the digest that it has: the digest is no help."""
    if members is not None:
        path.write_bytes(pack(members))
    return load_model(path, hashlib.sha256(path.read_bytes()).hexdigest(), prefixes)


def with_node(members, node):
    """The archive with a node smuggled into the pipeline's attributes."""
    schema = json.loads(members[SCHEMA])
    schema["content"]["content"]["memory"] = node
    return members | {SCHEMA: json.dumps(schema).encode()}


@pytest.mark.parametrize(
    ("path", "task", "given"), FAMILIES, ids=lambda value: str(value).rpartition(".")[2]
)
def test_an_estimator_survives(path, task, given, tmp_path):
    model, frame = small_model(path, task, **given), small_frame(seed=1)
    digest = save_model(model, tmp_path / "model.skops")

    again = load_model(tmp_path / "model.skops", digest)

    before, after = model.predict(frame), again.predict(frame)
    assert np.array_equal(before.prediction, after.prediction)
    if before.probability is not None:
        assert np.array_equal(before.probability, after.probability)
    assert (again.task, again.classes, again.columns) == (task, model.classes, model.columns)
    assert again.digest == digest


def test_what_may_not_be_loaded_is_not_saved(tmp_path):
    model = small_model(f"{LINEAR}LogisticRegression")
    steps = [("preprocess", model.pipeline[0]), ("more", FunctionTransformer(json.dumps))]
    foreign = Pipeline([*steps, ("estimator", model.pipeline[-1])])

    with pytest.raises(ModelError, match=r"cannot be saved safely: it holds json\.dumps"):
        save_model(FittedModel(foreign, "binary", [0, 1], model.columns), tmp_path / "model.skops")

    assert list(tmp_path.iterdir()) == []


def test_what_skops_cannot_save_is_explained(tmp_path):
    model = small_model(f"{LINEAR}LogisticRegression")
    model.pipeline.memory = (number for number in range(3))

    with pytest.raises(ModelError, match=r"cannot be saved: .*choose another estimator"):
        save_model(model, tmp_path / "model.skops")


def test_a_missing_file_is_explained(tmp_path):
    with pytest.raises(ReleaseError, match=r"cannot be read: No such file.*roll back"):
        load_model(tmp_path / "model.skops", "0" * 64)


def test_a_changed_byte_is_noticed(saved):
    path, digest, _ = saved
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(ReleaseError, match=r"changed or cut off.*restore the file"):
        load_model(path, digest)


@pytest.mark.parametrize("keep", [0, 10, 1000, -1])
def test_a_truncated_file_is_refused_by_digest_and_without(saved, keep):
    path, digest, _ = saved
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(ReleaseError, match="changed or cut off"):
        load_model(path, digest)
    with pytest.raises(ReleaseError, match="no model file of driftline"):
        load(path)


class Loud:
    """Unpickling it leaves a trace."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return (Path.touch, (self.trace,))


def test_a_pickle_is_refused_and_does_not_run(tmp_path):
    path, trace = tmp_path / "model.skops", tmp_path / "ran"
    path.write_bytes(pickle.dumps(Loud(trace)))
    pickle.loads(path.read_bytes())  # noqa: S301 - the payload works
    trace.unlink()

    with pytest.raises(ReleaseError, match="no model file of driftline"):
        load(path)

    assert not trace.exists()


def json_node(value):
    return {
        "__class__": "str",
        "__module__": "builtins",
        "__loader__": "JsonNode",
        "content": json.dumps(value),
        "is_json": True,
    }


def tuple_of(*values):
    return {
        "__class__": "tuple",
        "__module__": "builtins",
        "__loader__": "TupleNode",
        "content": [json_node(value) for value in values],
    }


def named(module, name, loader, **more):
    return {"__module__": module, "__class__": name, "__loader__": loader, **more}


def payloads(trace):
    """Ways to have a file run something, each by another kind of node."""
    touch = f"touch {trace}"
    kwds = named("builtins", "dict", "DictNode", content={}, key_types=tuple_of())
    return {
        "eval": named("builtins", "eval", "FunctionNode"),
        "system": named("os", "system", "TypeNode"),
        "constructor": named("os", "system", "ConstructorFromReduceNode", content=tuple_of(touch)),
        "operator": named("operator", "methodcaller", "OperatorFuncNode", attrs=tuple_of("fit")),
        "call": named("operator", "call", "OperatorFuncNode", attrs=tuple_of(touch)),
        "method": named(
            "sklearn.linear_model._logistic",
            "LogisticRegression",
            "MethodNode",
            content={
                "func": "fit",
                "obj": named("sklearn.linear_model._logistic", "LogisticRegression", "ObjectNode"),
            },
        ),
        "partial": named(
            "functools",
            "partial",
            "PartialNode",
            content={
                "func": named("os", "system", "FunctionNode"),
                "args": tuple_of(touch),
                "kwds": kwds,
                "namespace": kwds,
            },
        ),
        "popen": named("subprocess", "Popen", "ObjectNode"),
        "popen as a list": named(
            "subprocess", "Popen", "ListNode", content=[json_node("touch"), json_node(str(trace))]
        ),
        "list of a trusted type": named(
            "sklearn.neighbors._kd_tree", "KDTree", "ListNode", content=[json_node(1)]
        ),
        "loss": named(
            "os",
            "system",
            "LossNode",
            content=kwds,
            __reduce__={"args": tuple_of(touch)},
        ),
        "array": named("os", "system", "NdArrayNode", type="json", content=[], shape=tuple_of(0)),
        "quantile forest": named("os", "system", "QuantileForestNode", content=kwds),
    }


def test_the_payloads_are_live(saved, tmp_path):
    _, _, members = saved
    trace = tmp_path / "ran"
    members = with_node(members, payloads(trace)["constructor"])
    bare = pack({name: data for name, data in members.items() if name != FACTS})

    skops.io.loads(bare, trusted=[*skops.io.get_untrusted_types(data=bare)])

    assert trace.exists(), "trusting whatever the file names runs what it holds"


@pytest.mark.parametrize("kind", payloads(Path()))
def test_a_payload_is_refused_and_does_not_run(saved, tmp_path, kind):
    path, _, members = saved
    trace = tmp_path / "ran"

    with pytest.raises(ReleaseError, match=r"is refused: it holds .*(roll back|train)"):
        load(path, with_node(members, payloads(trace)[kind]))

    assert not trace.exists()


def test_importing_a_module_that_only_the_file_names_does_not_happen(saved, tmp_path, monkeypatch):
    path, _, members = saved
    (tmp_path / "evil_module.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ReleaseError, match=r"evil_module\.Thing"):
        load(path, with_node(members, named("evil_module", "Thing", "ObjectNode")))

    assert not (tmp_path / "ran").exists()
    assert "evil_module" not in sys.modules


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of the user's: a class of its own, and names that it imported."""
    folder = tmp_path / "ours"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from os import system\nfrom subprocess import Popen\n\nclass Step:\n    pass\n\n"
        "def function():\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("ours", "ours.__main__"):
        sys.modules.pop(name, None)


def test_a_class_below_an_allowed_prefix_is_loaded_only_when_the_caller_says_so(saved, package):
    path, _, members = saved
    members = with_node(members, named("ours", "Step", "ObjectNode"))

    with pytest.raises(ReleaseError, match=r"ours\.Step.*trust that package, add it"):
        load(path, members)

    assert type(load(path, prefixes=["sklearn.", "ours."]).pipeline.memory).__name__ == "Step"


@pytest.mark.parametrize(
    ("name", "loader"),
    [
        ("system", "FunctionNode"),
        ("system", "TypeNode"),
        ("Popen", "ObjectNode"),
        ("function", "FunctionNode"),
        ("nothing", "ObjectNode"),
    ],
)
def test_what_a_trusted_package_only_imported_is_refused(saved, package, name, loader):
    path, _, members = saved

    with pytest.raises(ReleaseError, match=rf"ours\.{name}"):
        load(path, with_node(members, named("ours", name, loader)), ["sklearn.", "ours."])


def test_a_trusted_packages_program_is_not_run(saved, package, tmp_path):
    path, _, members = saved
    program = f"open({str(tmp_path / 'ran')!r}, 'w')\n\nclass Step:\n    pass\n"
    (tmp_path / "ours" / "__main__.py").write_text(program)

    with pytest.raises(ReleaseError, match=r"ours\.__main__\.Step"):
        load(
            path,
            with_node(members, named("ours.__main__", "Step", "ObjectNode")),
            ["sklearn.", "ours."],
        )

    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("module", "name", "loader"),
    [
        ("numpy", "exp", "FunctionNode"),
        ("sklearn.linear_model._logistic", "LogisticRegression", "TypeNode"),
        ("ours", "Step", "TypeNode"),
    ],
)
def test_a_partial_of_something_else_is_refused_however_trusted(
    saved, package, module, name, loader
):
    path, _, members = saved
    node = payloads("")["partial"]
    node["content"]["func"] = named(module, name, loader)

    with pytest.raises(ReleaseError, match=rf"it holds a call of {module}\.{name}"):
        load(path, with_node(members, node), ["sklearn.", "ours."])


@pytest.mark.parametrize(
    ("module", "name"), [("sklearn.linear_model._logistic", "LogisticRegression"), ("ours", "Step")]
)
def test_a_loss_of_another_type_is_refused_however_trusted(saved, package, module, name):
    path, _, members = saved
    node = {**payloads("")["loss"], "__module__": module, "__class__": name}

    with pytest.raises(ReleaseError, match=rf"it holds {module}\.{name} as a LossNode"):
        load(path, with_node(members, node), ["sklearn.", "ours."])


@pytest.mark.parametrize("prefix", ["sklearn.", "sklearn", "s", "", "sklearn.utils."])
def test_scikit_learns_own_prefix_opens_nothing_beyond_the_list(saved, prefix):
    path, _, members = saved
    node = named("sklearn.utils._testing", "TempMemmap", "ObjectNode")

    with pytest.raises(ReleaseError, match="TempMemmap"):
        load(path, with_node(members, node), [prefix])


@pytest.mark.parametrize("protocol", [0, 1, 3, None, True])
def test_an_older_protocol_with_laxer_nodes_is_refused(saved, protocol):
    path, _, members = saved
    schema = json.loads(members[SCHEMA]) | {"protocol": protocol}

    with pytest.raises(ReleaseError, match="skops protocol"):
        load(path, members | {SCHEMA: json.dumps(schema).encode()})


def test_a_foreign_skops_file_is_refused(tmp_path):
    path = tmp_path / "model.skops"
    path.write_bytes(skops.io.dumps(LogisticRegression()))

    with pytest.raises(ReleaseError, match=r"no model file of driftline.*driftline.json"):
        load(path)


def test_something_else_than_a_pipeline_is_refused(saved):
    path, _, members = saved
    other = unpack(skops.io.dumps(LogisticRegression()))

    with pytest.raises(ReleaseError, match="holds a LogisticRegression and no pipeline"):
        load(path, other | {FACTS: members[FACTS]})


@pytest.mark.parametrize(
    "facts", [b"", b"{}", b'{"format": 2, "task": "binary", "classes": []}', b"[]"]
)
def test_facts_that_are_none_are_refused(saved, facts):
    path, _, members = saved

    with pytest.raises(ReleaseError, match="no model file of driftline"):
        load(path, members | {FACTS: facts})


def test_a_compressed_bomb_is_refused(saved):
    path, _, members = saved
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bomb:
        for name, data in members.items():
            bomb.writestr(name, data)
        bomb.writestr("zeros", bytes(10**7))
    path.write_bytes(buffer.getvalue())

    with pytest.raises(ReleaseError, match="larger than itself"):
        load(path)


def test_another_scikit_learns_file_is_refused(saved):
    path, _, members = saved
    schema = members[SCHEMA].decode()
    import sklearn

    old = schema.replace(f'\\"{sklearn.__version__}\\"', '\\"1.2.0\\"')
    assert old != schema

    with pytest.raises(ReleaseError, match=r"written by scikit-learn 1\.2\.0.*train the model"):
        load(path, members | {SCHEMA: old.encode()})


def test_the_bytes_do_not_depend_on_process_threads_or_hash_seed(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.model.test_persist import digests\n"
        "print(*digests(Path(sys.argv[1])), sep='\\n')\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        text=True,
        cwd=root,
    )
    with threadpool_limits(2):
        assert done.stdout.split() == digests(tmp_path)


def digests(folder):
    """The digests of the model files of some families: threads of OpenMP, of BLAS, and none."""
    kinds = ("HistGradient", "RandomForest", "GaussianProcess", "MLP", "KNeighbors", "Logistic")
    return [
        save_model(small_model(path, task, **given), folder / "model.skops")
        for path, task, given in FAMILIES
        if any(kind in path for kind in kinds)
    ]
