"""Distances computed from profiles, against the same from all rows.

The exact Kolmogorov-Smirnov and Wasserstein distances are scipy's, from the rows. The exact index
and the exact Jensen-Shannon distance are the rule's own, from a profile with an edge at every
value of both samples: so they know every row, and what differs is what the cells leave out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import stats

from components.drift.columns import NumericProfile
from components.drift.findings import other_distances
from components.drift.profile import profile_arrays
from components.drift.rule import Threshold, judge
from tests.bench.verdicts.table import Demand, Scale, Section

Floats = NDArray[np.float64]
Draw = np.random.Generator

STATISTICS = {
    "kolmogorov_smirnov": "KS",
    "psi": "PSI",
    "wasserstein": "Wasserstein / sd",
    "jensen_shannon": "Jensen-Shannon",
}
LARGEST_ERROR = 1e-3
_SEED = 100_000
_THRESHOLD = Threshold(effect=0.1, level=0.001)


def _zero_inflated(draw: Draw, rows: int) -> Floats:
    return np.where(draw.random(rows) < 0.4, 0.0, draw.gamma(2.0, 30.0, rows))


def _bimodal(draw: Draw, rows: int) -> Floats:
    return np.where(draw.random(rows) < 0.3, draw.normal(-4, 0.5, rows), draw.normal(3, 1, rows))


DISTRIBUTIONS: dict[str, tuple[Callable[[Draw, int], Floats], float]] = {
    # how rows are drawn, and the smallest step between values, 0 where there is none
    "normal": (lambda draw, rows: draw.normal(12, 5, rows), 0.0),
    "lognormal": (lambda draw, rows: draw.lognormal(2, 0.9, rows), 0.0),
    "Student's t, 3": (lambda draw, rows: draw.standard_t(3, rows), 0.0),
    "uniform": (lambda draw, rows: draw.uniform(-7, 2, rows), 0.0),
    "exponential": (lambda draw, rows: draw.exponential(400, rows), 0.0),
    "bimodal": (_bimodal, 0.0),
    "zero-inflated": (_zero_inflated, 0.0),
    "Poisson counts": (lambda draw, rows: draw.poisson(6, rows).astype(np.float64), 1.0),
    "prices in cents": (lambda draw, rows: np.round(draw.lognormal(3, 0.6, rows), 2), 0.01),
    "a million, give or take one": (lambda draw, rows: 1e6 + draw.uniform(-1, 1, rows), 0.0),
}
CHANGES: dict[str, Callable[[Floats, float], Floats]] = {
    "none": lambda values, spread: values,
    "shift 0.1 sd": lambda values, spread: values + 0.1 * spread,
    "shift 1 sd": lambda values, spread: values - spread,
    "scale 1.4": lambda values, spread: values.mean() + 1.4 * (values - values.mean()),
    "outside of the range": lambda values, spread: values + 15 * spread,
}


@dataclass(frozen=True)
class Case:
    """One pair of samples: the distribution, the window's change, and rows on either side."""

    name: str
    change: str
    rows: int


def errors(case: Case) -> dict[str, float]:
    """By how much each statistic from profiles differs from the exact one."""
    before, after = samples(case)
    exact, found = from_rows(before, after), from_profiles(before, after)
    return {name: abs(found[name] - exact[name]) for name in STATISTICS}


def samples(case: Case) -> tuple[Floats, Floats]:
    """Reference and window; what has steps keeps them when it is changed."""
    place = list(DISTRIBUTIONS).index(case.name), list(CHANGES).index(case.change)
    draw = np.random.default_rng([_SEED, *place, case.rows])
    make, step = DISTRIBUTIONS[case.name]
    before, after = make(draw, case.rows), make(draw, case.rows)
    after = CHANGES[case.change](after, float(before.std()))
    return before, np.round(np.rint(after / step) * step, 2) if step else after


def from_profiles(before: Floats, after: Floats) -> dict[str, float]:
    """The statistics as the drift check computes them."""
    reference = profile_arrays({"x": pa.array(before)})
    window = profile_arrays({"x": pa.array(after)}, reference)
    return _distances(reference.columns["x"], window.columns["x"])


def from_rows(before: Floats, after: Floats) -> dict[str, float]:
    """The same with every row known."""
    edges = np.unique(np.concatenate([before, after]))
    span = float(before.min()), float(before.max())
    profiles = [
        NumericProfile.model_construct(
            rows=values.size,
            discrete=True,
            span=span,
            edges=edges.tolist(),
            counts=np.bincount(np.searchsorted(edges, values), minlength=edges.size + 1).tolist(),
            minimum=float(values.min()),
            maximum=float(values.max()),
        )
        for values in (before, after)
    ]
    found = _distances(*profiles)
    found["kolmogorov_smirnov"] = float(stats.ks_2samp(before, after, method="asymp").statistic)
    found["wasserstein"] = float(stats.wasserstein_distance(before, after) / before.std())
    return found


def cases(sizes: tuple[int, ...]) -> Iterator[Case]:
    """Every distribution with every change in every size."""
    for rows in sizes:
        for name in DISTRIBUTIONS:
            for change in CHANGES:
                yield Case(name, change, rows)


def measure(scale: Scale) -> list[Section]:
    """The largest errors, by distribution."""
    sizes = (1_000, 10_000) if scale.quick else (1_000, 10_000, 100_000, 1_000_000)
    wanted = list(cases(sizes))
    with ProcessPoolExecutor(scale.processes) as pool:
        found = dict(zip(wanted, pool.map(errors, wanted, chunksize=5), strict=True))
    rows = [
        [name, *(f"{_worst(found, key, name=name):.1e}" for key in STATISTICS)]
        for name in DISTRIBUTIONS
    ]
    rows += [
        [f"all, {size:,} rows", *(f"{_worst(found, key, rows=size):.1e}" for key in STATISTICS)]
        for size in sizes
    ]
    demands = [
        Demand(
            f"{title} within {LARGEST_ERROR:g} of the exact value",
            f"{_worst(found, key):.1e}",
            _worst(found, key) <= LARGEST_ERROR,
        )
        for key, title in STATISTICS.items()
    ]
    note = (
        f"The largest absolute error among the windows {', '.join(CHANGES)}, of "
        f"{', '.join(f'{size:,}' for size in sizes)} rows against as many. Exact: KS and "
        "Wasserstein are scipy's from the rows; PSI and Jensen-Shannon are the rule's in a cell "
        "for every value of both samples."
    )
    return [
        Section("Statistics from profiles", ["rows", *STATISTICS.values()], rows, demands, [note])
    ]


def _distances(reference: NumericProfile, window: NumericProfile) -> dict[str, float]:
    evidence = judge(reference, window, _THRESHOLD)
    return other_distances(reference, window, evidence)


def _worst(found: dict[Case, dict[str, float]], key: str, **wanted: object) -> float:
    return max(
        error[key]
        for case, error in found.items()
        if all(getattr(case, name) == value for name, value in wanted.items())
    )
