"""The estimate without labels, in worlds where the features shift or the relation changes."""

from __future__ import annotations

import numpy as np

from components.model.calibration import calibrate
from components.model.estimate import estimate
from components.model.metrics import metric_named
from tests.bench.verdicts.concept_worlds import Shop, record_of
from tests.bench.verdicts.table import Demand, Section

SEED = 100_000


def estimates(count: int) -> Section:
    """Hold the estimate against the truth in `count` worlds of each kind."""
    rows = []
    worst = {"features": 0.0, "relation": 0.0}
    for name in ("accuracy", "roc_auc", "log_loss"):
        for what in ("nothing", "features", "relation"):
            true, said, inside = np.array(
                [_estimate(name, what, SEED + seed) for seed in range(count)]
            ).T
            rows.append(
                [
                    name,
                    what,
                    f"{true.mean():.3f}",
                    f"{said.mean():.3f}",
                    f"{np.abs(true - said).mean():.3f}",
                    f"{inside.mean():.0%}",
                ]
            )
            if what in worst and name == "accuracy":
                worst[what] = float(np.abs(true - said).mean())
    return Section(
        "The estimate without labels",
        ["metric", "what changed", "true", "estimated", "mean difference", "interval holds"],
        rows,
        [
            Demand(
                "right under covariate shift: accuracy within 0.02",
                f"{worst['features']:.3f}",
                worst["features"] <= 0.02,
            )
        ],
        [
            f"{count:,} worlds each: a logistic regression, 4,000 rows to calibrate on and 4,000 "
            "to estimate. Where the relation changes the estimate is wrong, and must be: it sees "
            "the features alone. It is never a verdict of concept drift."
        ],
    )


def _estimate(metric: str, what: str, seed: int) -> tuple[float, float, bool]:
    shop = Shop(seed)
    y, answers = shop.rows(4000)
    record = record_of(metric, y, answers)
    calibration = calibrate(y, answers, regression=False)
    now, said = shop.rows(4000, shifted=what == "features", turned=what == "relation")
    true = metric_named(metric).score(now, said)
    blocks = np.arange(len(now)) // 200
    found = estimate(metric_named(metric), said, blocks, record, calibration, seed)
    return true, found.value, found.interval[0] <= true <= found.interval[1]
