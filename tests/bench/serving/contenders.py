"""Every server in every configuration that is tried, and the requests that it may be sent."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.serving.environments import python_of
from tests.bench.serving.formats import (
    Format,
    binary,
    by_column,
    by_name,
    instances,
    lists,
    matrix,
)

PEERS = ("kserve", "mlserver", "bentoml")
_ROOT = Path(__file__).parents[3]
_SCRIPTS = Path(__file__).parent / "peers"
_INFER = "/v2/models/bench/infer"


@dataclass(frozen=True)
class Setting:
    """A server in one configuration: how it is started, and the formats worth trying."""

    server: str
    name: str
    command: Sequence[str]
    ready: str
    formats: Sequence[Format]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


def driftline(release: Path, *options: str, name: str = "default") -> Setting:
    """Our server of a release, with further options."""
    command = [sys.executable, "-m", "components.serving.server", "--folder", str(release)]
    return Setting(
        "driftline",
        name,
        [*command, "--port", "{port}", *options],
        "/v2/health/ready",
        [matrix(_INFER, "probability"), by_name("/predict"), by_column(_INFER)],
        {"PYTHONPATH": str(_ROOT)},
    )


def peer(name: str, model: Path, cache: Path, folder: Path) -> list[Setting]:
    """All settings of a peer.

    Args:
        name: one of `PEERS`.
        model: the joblib file of the estimator.
        cache: where the environments are.
        folder: for the peer's own files.
    """
    python = str(python_of(name, cache))
    return _MAKERS[name](python, model, folder)


def _kserve(python: str, model: Path, _folder: Path) -> list[Setting]:
    command = [python, str(_SCRIPTS / "kserve_model.py"), str(model)]
    command += ["--http_port", "{port}", "--enable_grpc", "false"]
    # Neither lines of latency nor of access; uvloop.
    command += ["--enable_latency_logging", "false", "--configure_logging", "false"]
    formats = [
        instances("/v1/models/bench:predict"),
        matrix(_INFER, "probability"),
        binary(_INFER),
    ]
    return [Setting("kserve", "one worker", command, "/v2/models/bench/ready", formats)]


def _mlserver(python: str, model: Path, folder: Path) -> list[Setting]:
    command = [str(Path(python).with_name("mlserver")), "start", "."]
    quiet = {
        "MLSERVER_DEBUG": "false",
        "MLSERVER_METRICS_ENDPOINT": "",
        "MLSERVER_GZIP_ENABLED": "false",
        "MLSERVER_HOST": "127.0.0.1",
        "MLSERVER_HTTP_PORT": "{port}",
        "MLSERVER_GRPC_PORT": "{spare}",
    }
    made = []
    for name, workers, batch in (
        ("no worker process", 0, {}),
        ("no worker process, batches", 0, {"max_batch_size": 16, "max_batch_time": 0.001}),
        ("one worker process", 1, {}),
    ):
        place = folder / f"mlserver-{workers}-{len(batch)}"
        place.mkdir(parents=True, exist_ok=True)
        settings = {
            "name": "bench",
            "implementation": "mlserver_sklearn.SKLearnModel",
            "parameters": {"uri": str(model), "extra": {"predict_fn": "predict_proba"}},
            **batch,
        }
        (place / "model-settings.json").write_text(json.dumps(settings), encoding="utf-8")
        variables = {**quiet, "MLSERVER_PARALLEL_WORKERS": str(workers)}
        made.append(
            Setting(
                "mlserver",
                name,
                command,
                "/v2/models/bench/ready",
                [matrix(_INFER, "predict_proba")],
                variables,
                place,
            )
        )
    return made


def _bentoml(python: str, model: Path, folder: Path) -> list[Setting]:
    command = [python, "-m", "bentoml", "serve", "bentoml_service:Bench", "--port", "{port}"]
    command += ["--host", "127.0.0.1", "--working-dir", str(_SCRIPTS)]
    paths = ("/inline", "/inline-lists", "/threaded", "/batched")
    variables = {
        "BENCH_MODEL": str(model),
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "true",
    }
    formats = [lists(path) for path in paths]
    return [Setting("bentoml", "one worker", command, "/readyz", formats, variables)]


_MAKERS = {"kserve": _kserve, "mlserver": _mlserver, "bentoml": _bentoml}
