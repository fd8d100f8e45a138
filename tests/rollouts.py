"""Real releases to roll out: small models of the shop's orders, and the right answers of each."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.core.storage import Store
from components.core.window import Window
from components.data.ingest import ingest_window
from components.data.records import feature_rows
from components.model.skops_runtime import open_skops
from components.model.train import train_candidate
from components.release.package import content_version, seal
from components.release.store import ReleaseStore
from components.spec.model import Spec
from tests.traffic import Request, infer_request, predict_request
from tests.worlds import World

_SHOPS = ["north", "south", "east"]


@dataclass(frozen=True)
class Built:
    """A published release: its version, and its answers to `asked_rows`, (n,)."""

    version: str
    answers: list[float]


def build(
    world: World, window: str, rows: Sequence[Mapping[str, Any]], **estimator: object
) -> Built:
    """Train a release on a window and publish it, without asking any gate.

    Args:
        world: its spec and its store.
        window: the orders to train on, such as `2024-01..2024-03`.
        rows: what it is to answer.
        estimator: another estimator than the spec's, as the spec would name it.
    """
    spec = world.spec
    if estimator:
        document = spec.model_dump(by_alias=True) | {"estimator": estimator}
        spec = Spec.model_validate(document)
    with tempfile.TemporaryDirectory() as scratch:
        data, folder = Path(scratch) / "window.parquet", Path(scratch) / "release"
        span = Window.parse(window)
        ingest_window(spec, span, span.end, data)
        train_candidate(spec, data, folder)
        version = content_version(folder, window.split("..")[-1])
        files = seal(folder, spec.model, version, {}).files
        ReleaseStore(Store(world.store), spec.model).publish(folder)
        prefixes = spec.estimator.allowed_prefixes
        model = open_skops(folder / "model.skops", files["model.skops"], spec.columns, prefixes)
        found = model.answer(feature_rows(list(rows), spec.columns))
    assert found.probability is not None
    return Built(version, found.probability[:, -1].tolist())


def asked_rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows to ask about; some of their values are unknown."""
    random = np.random.default_rng(seed)
    return [
        {
            "price": round(float(random.gamma(4.0, 10.0)), 3),
            "weight": None if random.random() < 0.05 else round(float(random.normal(2, 0.5)), 3),
            "shop": _SHOPS[int(random.integers(0, 3))],
        }
        for _ in range(count)
    ]


def asked_requests(rows: Sequence[Mapping[str, Any]], spec: Spec, seed: int = 0) -> list[Request]:
    """Requests about these rows, one or a few at a time, by both ways of asking."""
    random = np.random.default_rng(seed)
    requests = []
    for turn in range(2 * len(rows)):
        places = random.integers(0, len(rows), int(random.choice([1, 1, 1, 5]))).tolist()
        if turn % 3:
            requests.append(predict_request(rows, places, spec.columns.id))
        else:
            requests.append(infer_request(rows, places, spec.model, spec.columns.numeric))
    return requests
