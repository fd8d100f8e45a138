"""Windows of the small world as ingest writes them, and candidates trained on them."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from components.core.window import Window
from components.data.ingest import ingest_window
from components.model.fit import fit_model
from components.model.records import TrainingRecord
from components.model.train import train_candidate
from components.spec.model import Spec
from tests.worlds import World, make_world

LATER = datetime(2030, 1, 1, tzinfo=UTC)
SOME = 300


@dataclass(frozen=True)
class Trained:
    """A candidate, its window's file, and the world they come from."""

    world: World
    data: Path
    folder: Path
    record: TrainingRecord

    @property
    def spec(self) -> Spec:
        return self.world.spec

    def window(self, text: str) -> Path:
        return window_file(self.world, text)


def window_file(world, text):
    """The window, as ingest writes it; written once."""
    window = Window.parse(text)
    path = world.folder / f"{window.key}.parquet"
    if not path.exists():
        ingest_window(world.spec, window, LATER, path)
    return path


def changed(spec, **changes):
    """The spec with other values, by the path of their keys: gate__margin=0.1."""
    document = spec.model_dump(by_alias=True)
    for path, value in changes.items():
        place = document
        *parents, last = path.split("__")
        for key in parents:
            place = place[key]
        place[last] = value
    return Spec.model_validate(document)


def make_trained(folder, task="binary", turned=(), window="2024-01..2024-03", **changes):
    if task != "binary":
        kind = "Regressor" if task == "regression" else "Classifier"
        path = f"sklearn.ensemble.HistGradientBoosting{kind}"
        changes = {"estimator": {"class": path, "parameters": {"max_iter": 20}}} | changes
    world = make_world(folder, task, turned, **changes)
    data = window_file(world, window)
    record = train_candidate(world.spec, data, folder / "candidate")
    return Trained(world, data, folder / "candidate", record)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """As in the server: threads that wait for one another make the tests slow, not the results."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A logistic regression on January and February."""
    return make_trained(tmp_path_factory.mktemp("binary") / "world")


@pytest.fixture(scope="session")
def other(trained, tmp_path_factory):
    """A second model, by another algorithm, on the same window."""
    return retrained(trained, tmp_path_factory.mktemp("other"))


def retrained(trained, folder, window="2024-01..2024-03", **changes):
    given = changes or {
        "estimator__class": "sklearn.tree.DecisionTreeClassifier",
        "estimator__parameters": {"max_depth": 2},
    }
    world = World(trained.world.folder, changed(trained.spec, **given))
    data = trained.window(window)
    record = train_candidate(world.spec, data, folder / "candidate")
    return Trained(world, data, folder / "candidate", record)


@pytest.fixture(scope="session")
def multiclass(tmp_path_factory):
    return make_trained(tmp_path_factory.mktemp("multiclass") / "world", "multiclass")


@pytest.fixture(scope="session")
def regression(tmp_path_factory):
    return make_trained(tmp_path_factory.mktemp("regression") / "world", "regression")


@pytest.fixture
def copy(tmp_path):
    """A candidate's folder that a test may spoil."""

    def copied(trained):
        return Path(shutil.copytree(trained.folder, tmp_path / "copy"))

    return copied


def small_spec(path, task="binary", metric=None, categorical=("k", "l"), **parameters):
    """A spec for `small_frame`; the metric suits classifiers without probabilities too."""
    return Spec.model_validate(
        {
            "model": "small",
            "task": task,
            "source": {"kind": "files", "path": "unused"},
            "columns": {
                "id": "i",
                "time": "t",
                "target": "y",
                "numeric": ["a", "b", "c"],
                "categorical": list(categorical),
            },
            "estimator": {"class": path, "parameters": parameters},
            "metric": metric or ("rmse" if task == "regression" else "accuracy"),
        }
    )


def small_frame(rows=SOME, seed=0):
    """Three numbers and two categories, some of each missing."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(size=(rows, 3)), columns=["a", "b", "c"])
    frame.loc[random.random(rows) < 0.2, "c"] = np.nan
    frame["k"] = np.array(list("wxyz"), dtype=object)[random.integers(0, 4, rows)]
    frame["l"] = np.array(["p", "q", None], dtype=object)[random.integers(0, 3, rows)]
    return frame.astype({"k": object, "l": object})


def small_target(frame, task="binary"):
    """A target that follows from the frame."""
    value = frame["a"] + frame["b"] ** 2
    if task == "regression":
        return value.to_numpy()
    return np.digitize(value, [1.0] if task == "binary" else [0.3, 1.3])


def small_model(path, task="binary", **parameters):
    """A fitted model, without the estimator's warnings."""
    spec, frame = small_spec(path, task, **parameters), small_frame()
    return fit_model(spec, frame, small_target(frame, task))[0]
