"""What the tests of the sources and of ingest share."""

from datetime import UTC, datetime

import pytest

from components.core.window import Window
from components.data.ingest import ingest_window
from components.spec.model import Spec

JANUARY = Window.parse("2013-01")
LATER = datetime(2014, 1, 1, tzinfo=UTC)


def make_spec(source, *, task="binary", numeric=("x",), categorical=("c",), delay="0d"):
    """A spec with the columns id, t, y and some features, for any source."""
    metric = "mae" if task == "regression" else "log_loss"
    return Spec.model_validate(
        {
            "model": "m",
            "task": task,
            "source": source,
            "columns": {
                "id": "id",
                "time": "t",
                "target": "y",
                "numeric": list(numeric),
                "categorical": list(categorical),
            },
            "label": {"delay": delay},
            "estimator": {"class": "sklearn.linear_model.LogisticRegression"},
            "metric": metric,
        }
    )


@pytest.fixture
def ingest(tmp_path):
    """Ingest a source; returns the report and the written file's path."""

    def run(source, *, window=JANUARY, as_of=LATER, name="window.parquet", **spec):
        if not isinstance(source, dict):
            source = {"kind": "files", "path": str(source)}
        path = tmp_path / "out" / name
        return ingest_window(make_spec(source, **spec), window, as_of, path), path

    return run
