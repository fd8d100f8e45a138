"""How often the joint test alarms without drift, and what changes of a correlation it finds."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from components.drift.classifier import Table, separate
from components.drift.joint import auc_of_effect, least_auc
from tests.bench.verdicts.false_alarms import upper_bound
from tests.bench.verdicts.table import Demand, Scale, Section

_SEED = 100_000
_EFFECT = 0.05
_LEVEL = 0.01
_NUMBERS, _CATEGORIES = 12, 8


@dataclass(frozen=True)
class Task:
    """Samples of so many rows a side, and the correlation of two columns in the second."""

    rows: int
    correlation: float
    seed: int


def samples(task: Task) -> Table:
    """Both samples; every column by itself has one distribution."""
    draw = np.random.default_rng([_SEED, task.seed, task.rows])
    sides = []
    for correlation in (0.0, task.correlation):
        numbers = draw.normal(size=(task.rows, _NUMBERS))
        own = np.sqrt(1 - correlation**2)
        numbers[:, 1] = correlation * numbers[:, 0] + own * numbers[:, 1]
        numbers = np.exp(numbers)  # the shape of the columns is nothing to the test
        sides.append(np.hstack([numbers, draw.integers(0, 20, (task.rows, _CATEGORIES))]))
    names = [f"c{i}" for i in range(_NUMBERS + _CATEGORIES)]
    coded = [False] * _NUMBERS + [True] * _CATEGORIES
    return Table(names, np.vstack(sides), coded, np.repeat([False, True], task.rows))


def judge_samples(task: Task) -> tuple[float, float]:
    """The AUC and its p-value."""
    found = separate(samples(task))
    return found.auc, found.p_value


def section(scale: Scale) -> Section:
    """Count what the test says."""
    cases = [(5000, 0.0, 200), (1000, 0.0, 200), (5000, 0.4, 50), (5000, 0.2, 50)]
    if scale.quick:
        cases = [(rows, correlation, 3) for rows, correlation, _ in cases]
    tasks = [Task(rows, rho, seed) for rows, rho, count in cases for seed in range(count)]
    with ProcessPoolExecutor(scale.processes, get_context("spawn")) as pool:
        found = list(zip(tasks, pool.map(judge_samples, tasks), strict=True))
    rows, flagged = [], {}
    threshold = auc_of_effect(0.5 * _EFFECT)
    for size, rho, count in cases:
        pairs = [pair for task, pair in found if (task.rows, task.correlation) == (size, rho)]
        by_chance = sum(p < _LEVEL for _, p in pairs)
        drifted = sum(p < _LEVEL and auc >= threshold for auc, p in pairs)
        flagged[size, rho] = drifted / count
        least = least_auc(samples(Task(size, rho, 0)), _LEVEL)
        rows.append(
            [
                *(f"{size:,}", f"{rho:g}", str(count)),
                f"{np.mean([auc for auc, _ in pairs]):.3f}",
                *(f"{by_chance / count:.2f}", f"{drifted / count:.2f}", f"{least or 1:.3f}"),
            ]
        )
    clean = [pair for task, pair in found if not task.correlation]
    alarms = sum(p < _LEVEL and auc >= threshold for auc, p in clean)
    bound = upper_bound(alarms, len(clean))
    return Section(
        "The joint test",
        (
            *("rows a side", "correlation of two of 20 columns", "samples", "mean AUC"),
            *(f"p < {_LEVEL}", f"drift: and AUC >= {threshold:.3f}", "AUC that could be shown"),
        ),
        rows,
        [
            Demand(
                "at most 1 % alarm without drift",
                f"{alarms} of {len(clean)}, bound {bound:.2%}",
                alarms <= 0.01 * len(clean),
            ),
            Demand(
                "a correlation of 0.4 is found always, at 5,000 rows a side",
                f"{flagged[5000, 0.4]:.2f}",
                flagged[5000, 0.4] == 1.0,
            ),
        ],
        (
            f"At checks.drift.effect {_EFFECT}. Where fewer rows could not show the threshold, the "
            "answer is underpowered instead of no drift.",
        ),
    )
