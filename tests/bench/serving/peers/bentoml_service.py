"""The model as a BentoML service, once for each way of calling it."""

import os
from typing import Annotated

import bentoml
import joblib
import numpy as np
from bentoml.validators import DType, Shape

Rows = Annotated[np.ndarray, Shape((-1, 15)), DType("float64")]


@bentoml.service(
    workers=1,
    threads=1,
    traffic={"timeout": 60},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
class Bench:
    """`inline` calls the model on the event loop, `threaded` in the thread of BentoML's pool."""

    def __init__(self):
        self.model = joblib.load(os.environ["BENCH_MODEL"])

    @bentoml.api(route="/inline")
    async def inline(self, rows: Rows) -> np.ndarray:
        """One call of the model for each request, on the event loop."""
        return self.model.predict_proba(rows)

    @bentoml.api(route="/inline-lists")
    async def inline_lists(self, rows: list[list[float]]) -> list[list[float]]:
        """The same, with lists that pydantic checks."""
        return self.model.predict_proba(np.array(rows)).tolist()

    @bentoml.api(route="/threaded")
    def threaded(self, rows: Rows) -> np.ndarray:
        """One call of the model for each request, in a thread."""
        return self.model.predict_proba(rows)

    @bentoml.api(route="/batched", batchable=True, max_batch_size=16, max_latency_ms=100)
    async def batched(self, rows: Rows) -> np.ndarray:
        """One call of the model for what BentoML's adaptive batching brings together."""
        return self.model.predict_proba(rows)
