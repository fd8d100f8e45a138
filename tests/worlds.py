"""A small world for tests: a shop's orders, three months of them, in Parquet.

Whether an order is returned follows from price and shop; in `turned` months the rule is turned
round, which is concept drift without a change of any column.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.spec.load import dump_spec, parse_spec
from components.spec.model import Spec

ROWS = 1500
# Each hour of event time is a file of the prediction log.
OPEN_HOURS = 4
SHOPS = np.array(["north", "south", "east"])


@dataclass(frozen=True)
class World:
    """A spec and a source below one folder, and a store there or at an address of its own."""

    folder: Path
    spec: Spec
    address: str = ""

    @property
    def text(self) -> str:
        return dump_spec(self.spec)

    @property
    def store(self) -> str:
        return self.address or str(self.folder / "store")

    @property
    def source(self) -> Path:
        return self.folder / "orders"


def orders(month: int, *, turned: bool = False, rows: int = ROWS) -> pa.Table:
    """One month's orders, the same ones at every call."""
    random = np.random.default_rng(month)
    price = random.gamma(4.0, 10.0, rows)
    shop = SHOPS[random.integers(0, 3, rows)]
    lift = (price - 40) / 12 + np.where(shop == "north", 1.0, -0.5)
    returned = random.random(rows) < 1 / (1 + np.exp(lift if turned else -lift))
    start = datetime(2024, month, 1, tzinfo=UTC)
    days = np.arange(rows) * 28 / rows
    placed = [start + timedelta(days=int(day), hours=9 + OPEN_HOURS * (day % 1)) for day in days]
    weight = random.normal(2.0, 0.5, rows)
    return pa.table(
        {
            "order": [f"{month}-{index}" for index in range(rows)],
            "placed": pa.array(placed, pa.timestamp("us", "UTC")),
            "price": price,
            "weight": pa.array(weight, mask=random.random(rows) < 0.05),
            "shop": shop,
            "returned": returned.astype("int64"),
            "refund": np.where(returned, price, 0.0) + random.normal(0, 1, rows),
            "fate": np.where(returned, "back", np.where(price > 40, "kept", "gift")),
        }
    )


def make_world(
    folder: Path, task: str = "binary", turned: tuple[int, ...] = (), **changes
) -> World:
    """Write the orders of January to April 2024 and a spec for them."""
    (folder / "orders").mkdir(parents=True)
    for month in (1, 2, 3, 4):
        pq.write_table(
            orders(month, turned=month in turned), folder / "orders" / f"{month}.parquet"
        )
    target, estimator, metric = {
        "binary": ("returned", "sklearn.linear_model.LogisticRegression", "roc_auc"),
        "multiclass": ("fate", "sklearn.ensemble.HistGradientBoostingClassifier", "accuracy"),
        "regression": ("refund", "sklearn.ensemble.HistGradientBoostingRegressor", "mae"),
    }[task]
    document = {
        "model": "orders",
        "task": task,
        "source": {"kind": "files", "path": str(folder / "orders")},
        "columns": {
            "id": "order",
            "time": "placed",
            "target": target,
            "numeric": ["price", "weight"],
            "categorical": ["shop"],
        },
        "estimator": {"class": estimator},
        "training": {"history": "60d", "min_rows": 200},
        "metric": metric,
        "slices": ["shop"],
        "gate": {"min_rows": 200, "slice_margin": 0.2},
        "serving": {"proof_rows": 50},
        **changes,
    }
    import json

    return World(folder=folder, spec=parse_spec(json.dumps(document)))
