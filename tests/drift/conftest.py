"""Windows, logs and profiles that the drift tests share."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.window import Window
from components.drift.profile import Profile, merge, profile_arrays, profile_file
from components.spec.load import parse_spec
from components.spec.model import Spec

SPEC = """
model: toy
task: binary
source: {kind: files, path: nowhere.parquet}
columns: {id: id, time: time, target: y, numeric: [a, b], categorical: [c]}
estimator: {class: sklearn.linear_model.LogisticRegression}
metric: roc_auc
checks: {drift: {effect: 0.1, alpha: 0.01}, skew: {tolerance: 1.0e-6, share: 0.01}}
"""

Rows = dict[str, object]


@pytest.fixture
def spec_with() -> Callable[..., Spec]:
    """The toy spec with some of its text replaced."""

    def make(**changed: str) -> Spec:
        text = SPEC
        for old, new in changed.items():
            assert old in text
            text = text.replace(old, new)
        return parse_spec(text)

    return make


@pytest.fixture
def spec(spec_with: Callable[..., Spec]) -> Spec:
    return spec_with()


@pytest.fixture
def window() -> Window:
    return Window.parse("2024-01")


@pytest.fixture
def rows() -> Callable[..., Rows]:
    """Rows of the toy model: two numbers, a category, a label."""

    def make(count: int = 4000, seed: int = 0, **changed: object) -> Rows:
        draw = np.random.default_rng(seed)
        made: Rows = {
            "id": [f"r{i}" for i in range(count)],
            "a": draw.normal(40, 10, count),
            "b": draw.exponential(3, count),
            "c": draw.choice(["north", "south", "east"], count, p=[0.5, 0.3, 0.2]),
            "y": (draw.random(count) < 0.2).astype("int64"),
        }
        return {**made, **changed}

    return make


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write columns as a Parquet file; None drops a column."""

    def to_file(columns: Rows, name: str = "window.parquet") -> Path:
        table = pa.table(
            {
                key: value if isinstance(value, pa.Array) else pa.array(value)
                for key, value in columns.items()
                if value is not None
            }
        )
        pq.write_table(table, tmp_path / name, row_group_size=1000)
        return tmp_path / name

    return to_file


@pytest.fixture
def reference(rows: Callable[..., Rows], write: Callable[..., Path], spec: Spec) -> Profile:
    """What training would have kept: features, hold-out predictions, labels."""
    made = rows(8000, seed=99)
    draw = np.random.default_rng(98)
    features = profile_file(write(made, "reference.parquet"), ["a", "b"], ["c"])
    outputs = profile_arrays(
        {"prediction": pa.array(draw.beta(1, 4, 2000)), "label": pa.array(made["y"])},
        categorical=["label"],
    )
    return merge(features, outputs)


@pytest.fixture
def log(spec: Spec) -> Callable[..., Rows]:
    """The prediction log of some rows, served exactly as they are."""

    def of(made: Rows, **changed: object) -> Rows:
        count = len(made["id"])  # type: ignore[arg-type]
        positive = np.random.default_rng(5).beta(1, 4, count)
        logged: Rows = {
            "row_id": made["id"],
            "release": ["v1"] * count,
            "prediction": (positive > 0.5).astype("int64"),
            "probability": pa.array(
                [[1 - p, p] for p in positive.tolist()], pa.list_(pa.float64())
            ),
            **{f"feature.{name}": made[name] for name in spec.columns.features},
        }
        return {**logged, **changed}

    return of
