"""Populations without any anomaly, of many kinds of columns, and windows drawn from them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

START = datetime(2024, 3, 1, tzinfo=UTC)
_SPAN = 30 * 86_400_000_000

Random = np.random.Generator
Draw = Callable[[Random, int], pa.Array]


def population(random: Random) -> dict[str, Draw]:
    """The columns of one population by name, `n_` for numbers and `c_` for categories.

    Their parameters are drawn too, so that every population has other distributions.
    """
    uniform = random.uniform
    tail, sigma, rate = uniform(0.9, 2.5), uniform(0.3, 2.5), uniform(0.5, 60)
    freedom, zeros, zipf = uniform(1.0, 4.0), uniform(0.3, 0.98), uniform(1.02, 2.2)
    nulls = [10 ** uniform(-4.5, -0.5) for _ in range(3)]
    rare = [10 ** uniform(-4.5, -1.5) for _ in range(4)]
    place, scale = 10 ** uniform(-4, 6), 10 ** uniform(-3, 3)
    numbers: dict[str, Draw] = {
        "normal": lambda r, n: _doubles(r.normal(place, scale, n)),
        "skewed": lambda r, n: _doubles(r.lognormal(0, sigma, n) * scale),
        "pareto": lambda r, n: _doubles((r.pareto(tail, n) + 1) * scale),
        "student": lambda r, n: _doubles(r.standard_t(freedom, n)),
        "weibull": lambda r, n: _doubles(r.weibull(uniform_of(tail, 0.4), n)),
        "modes": lambda r, n: _doubles(
            np.where(r.random(n) < rare[0], r.normal(900, 5, n), r.normal(0, 1, n))
        ),
        "counts": lambda r, n: pa.array(r.poisson(rate, n)),
        "gaps": lambda r, n: pa.array(r.zipf(1 + zipf / 2, n).clip(0, 10**12)),
        "prices": lambda r, n: _doubles(np.round(r.lognormal(3, sigma / 2, n), 2)),
        "rain": lambda r, n: _doubles(np.where(r.random(n) < zeros, 0, r.gamma(0.5, 9, n))),
        "fractions": lambda r, n: _doubles(
            r.integers(0, 400, n) + np.where(r.random(n) < rare[1], 0.5, 0.0)
        ),
        "gappy": lambda r, n: _doubles(r.normal(5, 2, n), r.random(n) < nulls[0]),
        "empty": lambda r, n: _doubles(r.normal(5, 2, n), r.random(n) < 1 - nulls[1]),
        "flag": lambda r, n: pa.array(r.random(n) < rare[2]),
        "clock": lambda r, n: pa.array(1_700_000_000 + r.integers(0, 10**7, n)),
        "fixed": lambda r, n: _doubles(np.full(n, 3.0)),
    }
    few, many = int(random.integers(2, 12)), int(random.integers(50, 900))
    weights = random.dirichlet(np.ones(few) * uniform(0.05, 2))
    categories: dict[str, Draw] = {
        "few": lambda r, n: _named(r.choice(few, n, p=weights)),
        "even": lambda r, n: _named(r.integers(0, many, n)),
        "zipf": lambda r, n: _named(r.zipf(zipf, n).clip(0, 10**9)),
        "large": lambda r, n: _named(r.integers(0, 30 * many, n)),
        "skewed": lambda r, n: _named(np.floor(r.lognormal(2, sigma, n)).astype(np.int64)),
        "rare": lambda r, n: _named((r.random(n) < rare[3]).astype(np.int64) * r.integers(1, 9, n)),
        "truth": lambda r, n: pa.array(r.random(n) < rare[2]),
        "day": lambda r, n: _days(r.integers(0, 366, n)),
        "birthday": lambda r, n: _days(-r.integers(0, 25_000, n)),
        "unique": lambda r, n: _named(r.integers(0, 2**62, n)),
        "gappy": lambda r, n: _named(r.integers(0, 4, n), r.random(n) < nulls[2]),
    }
    return {f"n_{name}": draw for name, draw in numbers.items()} | {
        f"c_{name}": draw for name, draw in categories.items()
    }


def uniform_of(value: float, least: float) -> float:
    """A shape that is not below the least one that makes sense."""
    return max(value / 3, least)


def window(random: Random, rows: int, columns: dict[str, Draw]) -> pa.Table:
    """A window of that many rows, with ids, times, a binary target, and some labels missing."""
    times = np.sort(random.integers(0, _SPAN, rows))
    start = int(START.timestamp()) * 1_000_000
    label = pa.array(random.random(rows) < 0.2, mask=random.random(rows) < 0.03)
    return pa.table(
        {
            "id": [f"r{row}" for row in range(rows)],
            "at": pa.array(times + start, pa.timestamp("us", "UTC")),
            "y": label.cast(pa.int64()),
            **{name: draw(random, rows) for name, draw in columns.items()},
        }
    )


def _doubles(values: np.ndarray, mask: np.ndarray | None = None) -> pa.Array:
    return pa.array(values.astype(np.float64), mask=mask)


def _named(values: np.ndarray, mask: np.ndarray | None = None) -> pa.Array:
    return pa.array([f"k{value:x}" for value in values.tolist()], mask=mask)


def _days(values: np.ndarray) -> pa.Array:
    first = np.datetime64("2024-01-01")
    return pa.array(np.datetime_as_string(first + values.astype("timedelta64[D]")).tolist())
