"""How often the joint test alarms without drift, and what changes of a correlation it finds."""

from __future__ import annotations

import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.core.window import Window
from components.drift.check import check_drift
from components.drift.joint import JOINT
from components.drift.profile import profile_arrays
from components.drift.variation import VariationTally
from components.spec.load import parse_spec
from tests.bench.verdicts.false_alarms import upper_bound
from tests.bench.verdicts.table import Demand, Scale, Section

_SEED = 110_000
_NUMERIC, _CATEGORICAL = ([f"{kind}{i}" for i in range(n)] for kind, n in (("n", 12), ("c", 8)))
SPEC = parse_spec(
    f"""
model: together
task: regression
source: {{kind: files, path: nowhere.parquet}}
columns:
  {{id: id, time: time, target: y, numeric: [{", ".join(_NUMERIC)}],
   categorical: [{", ".join(_CATEGORICAL)}]}}
estimator: {{class: sklearn.linear_model.LinearRegression}}
metric: rmse
checks: {{drift: {{joint: true}}}}
"""
)
_WINDOW = Window.parse("2024-06-01..2024-06-02")
_DAY = 86_400_000_000
_DAYS = 100
# A shift of an index of 0.029: below the effect of 0.05. The days vary by an index of 0.36.
_SLIGHT, _VARYING = 0.17, 0.6

Moved = Literal["nothing", "one column, below the effect", "one column, as the reference's days"]


@dataclass(frozen=True)
class Task:
    """Samples of so many rows a side, the correlation of two columns, and what moves alone."""

    rows: int
    correlation: float
    moved: Moved
    seed: int


@dataclass(frozen=True)
class Answer:
    """What the check says of the columns together; `alarm` where no column drifted on its own."""

    auc: float
    p_value: float
    threshold: float
    least: float
    alarm: bool


def samples(task: Task) -> tuple[dict[str, pa.Array], dict[str, pa.Array]]:
    """Both sides' columns; only `moved` changes the distribution of one by itself."""
    draw = np.random.default_rng([_SEED, task.seed, task.rows, round(10 * task.correlation)])
    sides = []
    for second in (False, True):
        correlation = task.correlation if second else 0.0
        numbers = draw.normal(size=(task.rows, len(_NUMERIC)))
        own = np.sqrt(1 - correlation**2)
        numbers[:, 1] = correlation * numbers[:, 0] + own * numbers[:, 1]
        if task.moved == "one column, below the effect":
            numbers[:, 2] += _SLIGHT * second
        elif task.moved == "one column, as the reference's days":
            level = _VARYING * draw.normal(size=_DAYS)
            numbers[:, 2] += _VARYING if second else level[_days(task.rows)]
        numbers = np.exp(numbers)  # the shape of the columns is nothing to the test
        texts = draw.integers(0, 20, (task.rows, len(_CATEGORICAL))).astype(str)
        found = {name: pa.array(numbers[:, i]) for i, name in enumerate(_NUMERIC)}
        found |= {name: pa.array(texts[:, i].tolist()) for i, name in enumerate(_CATEGORICAL)}
        sides.append(found)
    return sides[0], sides[1]


def judge_samples(task: Task) -> Answer:
    """Ask the drift check, with its own level and threshold."""
    before, after = samples(task)
    reference = profile_arrays(before)
    tally = VariationTally(reference, 0, _DAYS * _DAY - 1)
    tally.add(_days(task.rows) * _DAY, before)
    with tempfile.TemporaryDirectory(prefix="driftline-joint-") as name:
        paths = Path(name) / "before.parquet", Path(name) / "after.parquet"
        for path, columns in zip(paths, (before, after), strict=True):
            pq.write_table(pa.table(columns), path)
        verdict = check_drift(
            profile_arrays(after, reference),
            reference,
            SPEC,
            _WINDOW,
            "v",
            variation=tally.variation(),
            samples=paths,
        )
    found = next(finding for finding in verdict.findings if finding.column == JOINT)
    return Answer(
        *(found.value or 0.5, 1.0 if found.p_value is None else found.p_value),
        *(found.threshold or 0.0, found.minimum_effect or 1.0),
        verdict.facts["drifted"] == [JOINT],
    )


def section(scale: Scale) -> Section:
    """Count what the test says."""
    slight: Moved = "one column, below the effect"
    varying: Moved = "one column, as the reference's days"
    cases: list[tuple[int, float, Moved, int]] = [
        *((5000, 0.0, "nothing", 150), (1000, 0.0, "nothing", 100)),
        *((5000, 0.0, slight, 100), (5000, 0.0, varying, 100)),
        *((5000, 0.4, "nothing", 50), (5000, 0.4, slight, 25), (5000, 0.2, "nothing", 50)),
    ]
    if scale.quick:
        cases = [(size, rho, moved, 2) for size, rho, moved, _ in cases]
    tasks = [Task(size, rho, moved, i) for size, rho, moved, n in cases for i in range(n)]
    with ProcessPoolExecutor(scale.processes, get_context("spawn")) as pool:
        answers = dict(zip(tasks, pool.map(judge_samples, tasks), strict=True))
    level = SPEC.checks.drift.alpha / (len(SPEC.columns.features) + 1)
    rows = []
    for size, rho, moved, count in cases:
        found = [answers[Task(size, rho, moved, seed)] for seed in range(count)]
        rows.append([f"{size:,}", f"{rho:g}", moved, str(count), *_shares(found, level)])
    clean = [answer for task, answer in answers.items() if not task.correlation]
    changed = [answer for task, answer in answers.items() if task.correlation == 0.4]
    alarms, seen = (sum(answer.alarm for answer in part) for part in (clean, changed))
    bound = upper_bound(alarms, len(clean))
    return Section(
        "The joint test",
        (
            *("rows a side", "correlation of two of 20 columns", "what moves alone", "samples"),
            *("mean AUC", f"p < {level:.1g}", "drift", "AUC that could be shown"),
        ),
        rows,
        []
        if scale.quick
        else [
            Demand(
                "without a change of what goes together: the upper 95 % bound of the alarms is at "
                "most 1 %",
                f"{alarms} of {len(clean)}, bound {bound:.2%}",
                bound <= 0.01,
            ),
            Demand(
                "a correlation of 0.4 is found always, at 5,000 rows a side",
                f"{seen} of {len(changed)}",
                seen == len(changed),
            ),
        ],
        (
            f"The drift check as it is shipped: alpha {SPEC.checks.drift.alpha} for all columns "
            f"and the joint test, effect {SPEC.checks.drift.effect}, AUC of at least "
            f"{next(iter(answers.values())).threshold:.3f}, learned effects. Drift: of the columns "
            "together while none drifted on its own. Where fewer rows could not show the "
            "threshold, the answer is underpowered instead of no drift.",
            "A column that moves below the effect keeps only its ranks on each side; one that "
            f"moves as the reference's {_DAYS} days do is left out.",
        ),
    )


def _shares(found: list[Answer], level: float) -> list[str]:
    return [
        f"{np.mean([answer.auc for answer in found]):.3f}",
        f"{np.mean([answer.p_value < level for answer in found]):.2f}",
        f"{np.mean([answer.alarm for answer in found]):.2f}",
        f"{np.mean([answer.least for answer in found]):.3f}",
    ]


def _days(rows: int) -> NDArray[np.int64]:
    return np.arange(rows, dtype=np.int64) * _DAYS // rows
