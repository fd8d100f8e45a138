"""The floor: the model call itself, in a loop in one process, with nothing around it.

    python -m tests.bench.serving.floor MODEL.joblib MODEL.onnx SECONDS ROWS

prints calls a second as JSON: of scikit-learn on an array, and of ONNX Runtime where there is such
a file. The other processes import this module for `floor` alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.serving.process import SERVER_CORE, pinned
from tests.bench.serving.world import World

_BLOCK_S = 0.05


def floor(world: World, seconds: float, rows: int) -> dict[str, float]:
    """Calls a second of the model itself, on the server's core.

    Args:
        world: the model.
        seconds: how long each is called.
        rows: how many rows a call has.
    """
    asked = world.joblib.with_name(f"asked-{rows}.npy")
    np.save(asked, world.rows[:rows])
    command = [sys.executable, "-m", "tests.bench.serving.floor"]
    command += [str(world.joblib), str(world.onnx / "model.onnx"), str(seconds), str(asked)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        pinned(SERVER_CORE, command), env=environment, capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _rate(call: Callable[[], object], seconds: float) -> float:
    """Calls a second, by the median block of 50 ms."""
    for _ in range(20):
        call()
    once = time.perf_counter()
    call()
    many = max(1, int(_BLOCK_S / (time.perf_counter() - once)))
    rates, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        for _ in range(many):
            call()
        rates.append(many / (time.perf_counter() - begin))
    return float(np.median(rates))


def _main() -> None:
    import joblib

    model, portable, seconds, asked = sys.argv[1:]
    rows = np.load(asked)
    estimator = joblib.load(model)
    found: dict[str, Any] = {
        "scikit-learn": _rate(lambda: estimator.predict_proba(rows), float(seconds))
    }
    if Path(portable).exists():
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(portable, options)
        given = session.get_inputs()
        kind = np.float64 if given[0].type == "tensor(double)" else np.float32
        feed = {given[0].name: rows.astype(kind)}
        found["ONNX Runtime"] = _rate(lambda: session.run(None, feed), float(seconds))
    print(json.dumps(found))


if __name__ == "__main__":
    _main()
