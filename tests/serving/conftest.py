"""Real little models in sealed folders, and a way to wait for a condition."""

import json
import shutil
import signal
import socket
import threading
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.window import Window
from components.data.ingest import ingest_window
from components.model.score import Predictions, label_array
from components.model.train import train_candidate
from components.release.package import seal
from components.serving.app import make_app
from components.serving.client import ServingClient
from components.serving.domain import Domain
from components.serving.loader import load_model
from components.serving.served import ServedModel
from components.serving.worker import Worker
from components.spec.load import parse_spec

NUMERIC = ["load", "age"]
CATEGORICAL = ["site", "shift"]
MARCH = Window.parse("2024-03")

TARGETS = {
    "binary": lambda score: (score > 0).astype(int).tolist(),
    "words": lambda score: np.where(score > 0, "yes", "no").tolist(),
    "truth": lambda score: (score > 0).tolist(),
    "multiclass": lambda score: np.digitize(score, [-0.5, 0.5]).tolist(),
    "regression": lambda score: score.tolist(),
}
GRADIENT = "sklearn.ensemble.HistGradientBoosting"
METRICS = {"binary": "accuracy", "multiclass": "accuracy", "regression": "mae"}


def build_spec(kind="binary", estimator=None, parameters=None, categorical=CATEGORICAL, **serving):
    task = kind if kind in METRICS else "binary"
    default = GRADIENT + ("Regressor" if task == "regression" else "Classifier")
    document = {
        "model": "pumps",
        "task": task,
        "source": {"kind": "files", "path": "unused.parquet"},
        "columns": {
            "id": "pump",
            "time": "seen",
            "target": "fails",
            "numeric": NUMERIC,
            "categorical": list(categorical),
        },
        "estimator": {"class": estimator or default, "parameters": parameters or {}},
        "metric": METRICS[task],
        "training": {"min_rows": 100},
        "serving": {"proof_rows": 60, **serving},
    }
    if estimator is None:
        document["estimator"]["parameters"] = {"max_iter": 8}
    return parse_spec(json.dumps(document))


def build_rows(kind="binary", count=600, seed=0):
    """A window's table as ingest writes it; some values are missing."""
    random = np.random.default_rng(seed)
    load, age = random.normal(size=count), random.integers(0, 40, count).astype(float)
    site = random.choice(["north", "south", "7"], count)
    score = load + (site == "north") - age / 40
    return pa.table(
        {
            "pump": [f"p{seed}-{row}" for row in range(count)],
            "seen": pa.array(
                [MARCH.start + timedelta(minutes=20 * row) for row in range(count)],
                pa.timestamp("us", tz="UTC"),
            ),
            "load": pa.array(load, mask=random.random(count) < 0.1),
            "age": pa.array(age),
            "site": pa.array(site.tolist(), pa.string(), mask=random.random(count) < 0.1),
            "shift": pa.array(random.choice(["day", "night"], count).tolist()),
            "fails": pa.array(TARGETS[kind](score)),
        }
    )


def train_release(folder, kind="binary", *, seed=0, **options):
    """A release's folder, ingested and trained; its window's file lies beside it."""
    spec = build_spec(kind, **options)
    folder.parent.mkdir(parents=True, exist_ok=True)
    source = folder.with_name("source.parquet")
    pq.write_table(build_rows(kind, seed=seed), source)
    place = spec.source.model_copy(update={"path": str(source)})
    spec = spec.model_copy(update={"source": place})
    window = folder.with_name("window.parquet")
    ingest_window(spec, MARCH, MARCH.end, window)
    train_candidate(spec, window, folder)
    return folder


def build_release(folder, kind="binary", *, version="2024-03-09-abc", **options):
    """A release's folder, ingested, trained and sealed."""
    seal(train_release(folder, kind, **options), "pumps", version, {})
    return folder


@pytest.fixture(scope="session")
def make_release(tmp_path_factory):
    """Makes a sealed release beside its window's file; what is trained alike is trained once."""
    trained = {}

    def make(folder, kind="binary", *, version="2024-03-09-abc", **options):
        key = json.dumps([kind, options], sort_keys=True)
        if key not in trained:
            trained[key] = train_release(tmp_path_factory.mktemp("made") / "made", kind, **options)
        shutil.copytree(trained[key], folder)
        window = "window.parquet"
        shutil.copyfile(trained[key].with_name(window), folder.with_name(window))
        seal(folder, "pumps", version, {})
        return folder

    return make


@pytest.fixture(scope="session")
def releases(make_release, tmp_path_factory):
    """Release folders by kind, made once; tests that change one take a copy."""
    made = {}

    def get(kind="binary", **options):
        key = (kind, json.dumps(options, sort_keys=True))
        if key not in made:
            folder = tmp_path_factory.mktemp("release") / "folder"
            made[key] = make_release(folder, kind, **options)
        return made[key]

    return get


@pytest.fixture
def own_release(releases, tmp_path):
    """A copy of a release that the test may damage."""

    def get(kind="binary", **options):
        return shutil.copytree(releases(kind, **options), tmp_path / "own")

    return get


@pytest.fixture(scope="session")
def served(releases):
    """Loaded models by kind."""
    loaded = {}

    def get(kind="binary", **options):
        folder = releases(kind, **options)
        if folder not in loaded:
            loaded[folder] = load_model(folder)
        return loaded[folder]

    return get


class Weighing:
    """A runtime of a few lines: the larger the sum, the likelier; missing numbers count as zero."""

    kind, sha256, estimates = "onnx", "a" * 64, True

    def __init__(self, classes=(0, 1)):
        self.classes = list(classes)

    def answer(self, rows):
        total = np.nansum(rows.numeric, axis=1)
        if not self.classes:
            return Predictions(total)
        share = 1 / (1 + np.exp(-total))
        labels = label_array(self.classes)[(share > 0.5).astype(int)]
        return Predictions(labels, np.column_stack([1 - share, share]))


def light_served(numeric=("a", "b", "c"), categorical=(), runtime=None, task="binary", **serving):
    """A served model that nobody had to train; training saw -10 to 10, and no null in the first."""
    document = {
        "model": "light",
        "task": task,
        "source": {"kind": "files", "path": "unused.parquet"},
        "columns": {
            "id": "key",
            "time": "at",
            "target": "y",
            "numeric": list(numeric),
            "categorical": list(categorical),
        },
        "estimator": {"class": GRADIENT + "Classifier"},
        "metric": METRICS[task],
        "serving": serving,
    }
    spec = parse_spec(json.dumps(document))
    domain = Domain(
        spec.columns,
        [(-10.0, 10.0)] * len(numeric),
        [frozenset({"north", "south"})] * len(categorical),
        frozenset(spec.columns.features[1:]),
        refuse=spec.serving.unseen == "refuse",
    )
    runtime = runtime or Weighing([] if task == "regression" else [0, 1])
    return ServedModel("light", "v1", "b" * 64, spec, runtime, domain)


@pytest.fixture(scope="session")
def light():
    return light_served


@pytest.fixture(scope="session")
def make_spec():
    return build_spec


@pytest.fixture(scope="session")
def make_rows():
    return build_rows


@contextmanager
def serve_here(model, log=None, **options):
    """The application behind a real socket, in a thread of this process."""
    listener = socket.create_server(("127.0.0.1", 0))
    up = threading.Event()
    app = make_app(model, log, **options)
    worker = Worker(app, log, up.set)
    thread = threading.Thread(target=worker.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        assert up.wait(60)
        port = listener.getsockname()[1]
        with ServingClient("127.0.0.1", port) as client:
            client.app, client.port = app, port
            yield client
    finally:
        worker.handle_exit(signal.SIGTERM, None)
        thread.join(20)
        listener.close()


@pytest.fixture(scope="session")
def live():
    return serve_here


class Here(AbstractContextManager):
    """Stands where `RunningServer` stands, but in this process: quick to start."""

    seconds_to_ready = 0.001

    def __init__(self, folder):
        self._live = serve_here(load_model(folder, allow_candidate=True))

    def client(self):
        return self._client

    def __enter__(self):
        self._client = self._live.__enter__()
        return self

    def __exit__(self, *error):
        self._live.__exit__(*error)


@pytest.fixture(scope="session")
def server_here():
    return Here
