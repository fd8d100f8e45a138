"""Distributions with a known divergence, as rows or as counts drawn in the cells of a profile.

None of them is one that the rule was tuned on: that was done on normal and exponential columns,
Student's t, and categories with shares of 1/i.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import optimize, stats

from components.drift.columns import CategoryProfile, ColumnProfile, NumericProfile
from components.drift.learn import learn_numeric
from components.drift.profile import Profile, profile_arrays

Floats = NDArray[np.float64]
NAME = "x"


@dataclass(frozen=True)
class Numbers:
    """A continuous column: a distribution of scipy's, and the share of rows without a value."""

    distribution: Any
    missing: float = 0.0

    def rows(self, draw: np.random.Generator, n: int) -> pa.Array:
        """n rows."""
        values = np.asarray(self.distribution.rvs(n, random_state=draw))
        return pa.array(values, mask=draw.random(n) < self.missing)

    def reference(self, draw: np.random.Generator, n: int) -> Profile:
        """The profile of n rows, drawn as that: the edges are order statistics of the rows.

        Between two edges lie as many rows as their ranks say, and shares that are gamma
        variables; so only the values at the edges need be drawn, not the rows between them.
        """
        empty = int(draw.binomial(n, self.missing))
        ranks = _ranks(n - empty)
        steps = np.diff(ranks, prepend=-1)
        gaps = draw.gamma(np.append(steps, n - empty - ranks[-1]).astype(float))
        below = np.cumsum(gaps)[:-1] / gaps.sum()
        values = np.asarray(self.distribution.ppf(below), dtype=np.float64)
        edges = np.append(np.nextafter(values[0], -np.inf), values)
        return _with(
            _learned((0.5, 1.5)),
            rows=n,
            missing=empty,
            discrete=False,
            span=(values[0], values[-1]),
            edges=edges.tolist(),
            counts=[0, *steps.tolist(), 0],
            minimum=values[0],
            maximum=values[-1],
        )

    def current(self, draw: np.random.Generator, m: int, reference: Profile) -> Profile:
        """The profile of m rows in the cells of a reference."""
        column = numeric(reference)
        empty = int(draw.binomial(m, self.missing))
        below = np.concatenate([[0], self.distribution.cdf(np.array(column.edges)), [1]])
        shares = np.diff(np.maximum.accumulate(below))  # rounding alone could make it fall
        counts = draw.multinomial(m - empty, shares)
        return _with(reference, rows=m, missing=empty, counts=counts.tolist())

    def divergence(self, after: Numbers) -> float:
        """Jeffreys' divergence of two such columns, by integration over the densities."""
        p, q = 1 - self.missing, 1 - after.missing
        f, g = self.distribution, after.distribution

        ends = np.geomspace(1e-14, 0.5, 40)
        ends = np.concatenate([ends, 1 - ends])
        at = np.unique(np.concatenate([f.ppf(ends), g.ppf(ends)]))
        nodes, weights = np.polynomial.legendre.leggauss(20)
        half = np.diff(at)[:, None] / 2
        x = at[:-1, None] + half * (1 + nodes)
        logs = g.logpdf(x) - f.logpdf(x) + np.log(q / p)
        total = float(np.sum(half * weights * (q * g.pdf(x) - p * f.pdf(x)) * logs))
        return total + _terms(1 - p, 1 - q)


@dataclass(frozen=True)
class Values:
    """A column of few values, numbers or names: their shares, and that of rows without one."""

    values: NDArray[Any]
    shares: Floats
    missing: float = 0.0

    def rows(self, draw: np.random.Generator, n: int) -> pa.Array:
        """n rows."""
        found = self.values[draw.choice(len(self.values), n, p=self.shares)]
        return pa.array(found, mask=draw.random(n) < self.missing)

    def reference(self, draw: np.random.Generator, n: int) -> Profile:
        """The profile of n rows, drawn as counts."""
        counts = draw.multinomial(n, [self.missing, *(self.shares * (1 - self.missing))])
        seen = np.flatnonzero(counts[1:])
        return self._counted(_learned(tuple(self.values[seen].tolist())), counts)

    def current(self, draw: np.random.Generator, m: int, reference: Profile) -> Profile:
        """The profile of m rows in the cells of a reference."""
        counts = draw.multinomial(m, [self.missing, *(self.shares * (1 - self.missing))])
        return self._counted(reference, counts)

    def divergence(self, after: Values) -> float:
        """Jeffreys' divergence of two such columns."""
        p = np.append(self.shares * (1 - self.missing), self.missing)
        q = np.append(after.shares * (1 - after.missing), after.missing)
        return float(sum(_terms(a, b) for a, b in zip(p, q, strict=True)))

    def _counted(self, reference: Profile, counts: NDArray[np.int64]) -> Profile:
        column = reference.columns[NAME]
        base = {"rows": int(counts.sum()), "missing": int(counts[0])}
        if isinstance(column, CategoryProfile):
            named = dict(zip(self.values.tolist(), counts[1:].tolist(), strict=True))
            known = [named.pop(name) for name in column.known]
            others = {name: count for name, count in sorted(named.items()) if count}
            return _with(reference, counts=known, others=others, **base)
        cells = np.searchsorted(column.edges, self.values)
        found = np.bincount(cells, weights=counts[1:], minlength=len(column.counts))
        return _with(reference, counts=found.astype(int).tolist(), **base)


Column = Numbers | Values
Pair = tuple[Any, Any]


def profiles(
    pair: Pair, n: int, m: int, draw: np.random.Generator, *, drawn: bool
) -> tuple[ColumnProfile, ColumnProfile]:
    """The profiles of n rows of the first and m rows of the second column of a pair.

    Args:
        pair: the columns before and after.
        n: rows of the reference.
        m: rows of the window.
        draw: the source of chance.
        drawn: draw the counts, which a million rows need; else make the rows and profile them.
    """
    before, after = pair
    if drawn:
        reference = before.reference(draw, n)
        current = after.current(draw, m, reference)
    else:
        reference = profile_arrays({NAME: before.rows(draw, n)})
        current = profile_arrays({NAME: after.rows(draw, m)}, reference)
    return reference.columns[NAME], current.columns[NAME]


def numeric(profile: Profile) -> NumericProfile:
    """The numeric column of a profile of one column."""
    column = profile.columns[NAME]
    assert isinstance(column, NumericProfile)
    return column


def names(shares: Floats, missing: float = 0.0) -> Values:
    """Categories with these shares."""
    return Values(
        np.array([f"c{i:03}" for i in range(len(shares))]), shares / shares.sum(), missing
    )


def clean_columns() -> list[Column]:
    """Twelve numeric and eight categorical columns of many shapes, some with missing values."""
    whole = np.arange(12.0)
    wet = np.concatenate([[0.0], np.geomspace(0.1, 80, 300)])
    return [
        Numbers(stats.gumbel_r(20, 5)),
        Numbers(stats.hypsecant(), missing=0.02),
        Numbers(stats.laplace_asymmetric(2.0)),
        Numbers(stats.lognorm(1.1), missing=0.1),
        Numbers(stats.arcsine()),
        Numbers(stats.cauchy()),
        Numbers(stats.weibull_min(0.8)),
        Numbers(stats.pareto(1.5), missing=0.5),
        Values(whole, stats.poisson(3).pmf(whole) / stats.poisson(3).cdf(11)),
        Values(wet, np.array([0.8, *np.full(300, 0.2 / 300)])),
        Values(np.arange(1.0, 8.0), np.array([4, 2, 6, 9, 15, 22, 9]) / 67, missing=0.01),
        Values(np.round(np.arange(-3, 3.01, 0.1), 1), _bell(61), missing=0.002),
        names(np.array([0.93, 0.07])),
        names(np.array([5.0, 3.0, 2.0]), missing=0.03),
        *(names(0.8 ** np.arange(k)) for k in (7, 12)),
        names(np.arange(1, 26) ** -0.7, missing=0.004),
        *(names(np.arange(1, k + 1) ** -1.2) for k in (60, 120, 200)),
    ]


def drifts(divergence: float, n: int) -> dict[str, Pair]:
    """Each kind of drift, as a pair (before, after) of exactly this divergence.

    Args:
        divergence: of Jeffreys, the true PSI.
        n: the rows of the reference: a new category is one that it would hold 0.128 rows of, so
            that 88 of 100 references do not have it; those are the ones that are drawn.
    """
    pairs: dict[str, Pair] = {
        "mean": _solved(
            Numbers(stats.gumbel_r()), lambda s: Numbers(stats.gumbel_r(s)), divergence
        ),
        "scale": _solved(
            Numbers(stats.t(8)), lambda s: Numbers(stats.t(8, scale=1 + s)), divergence
        ),
        "tail": _solved(
            Numbers(_same_quartiles(1.0)),
            lambda s: Numbers(_same_quartiles(1 / (1 + s))),
            divergence,
        ),
        "missing values": _solved(
            Numbers(stats.lognorm(0.7), missing=0.04),
            lambda s: Numbers(stats.lognorm(0.7), missing=0.04 + s),
            divergence,
            0.5,
        ),
    }
    for k in (5, 20, 50, 200):
        before = names(np.arange(1, k + 1) ** -0.6)
        tilt = np.random.default_rng(100_000 + k).normal(size=k)
        pairs[f"category mix, {k}"] = _solved(
            before, lambda s, b=before, t=tilt: names(b.shares * np.exp(s * t)), divergence
        )
    pairs["new category"] = new_category(divergence, 0.128 / n)
    pairs["label"] = _solved(
        names(np.array([0.88, 0.12])),
        lambda s: names(np.array([0.88 - s, 0.12 + s])),
        divergence,
        0.5,
    )
    return pairs


def new_category(divergence: float, share: float) -> Pair:
    """A category of this small share, that the reference happens not to have, becomes frequent."""
    base = 0.85 ** np.arange(15)

    def world(s: float) -> Values:
        return names(np.append(base / base.sum() * (1 - s), s))

    _, after = _solved(world(share), lambda s: world(share + s), divergence, 0.5)
    # Given that the reference does not have it, its rows are draws of the others alone.
    return world(0.0), after


def normal_to_student(divergence: float) -> Pair:
    """The hardest of tails: what differs lies where the normal distribution has no rows."""
    return _solved(
        Numbers(stats.norm()), lambda s: Numbers(stats.t(1 / s)), divergence, 0.9, low=0.01
    )


def _solved(
    before: Any, after: Callable[[float], Any], divergence: float, high: float = 1.5, low: float = 0
) -> Pair:
    """The pair whose divergence is the one wanted."""

    def excess(s: float) -> float:
        return float(before.divergence(after(s))) - divergence if s else -divergence

    return before, after(float(optimize.brentq(excess, low, high, xtol=1e-9)))


def _same_quartiles(power: float) -> Any:
    """The exponential-power distribution whose middle half is [-1, 1]: tails alone differ."""
    return stats.gennorm(power, scale=1 / stats.gennorm(power).ppf(0.75))


def _terms(p: float, q: float) -> float:
    return float((q - p) * np.log(q / p)) if p > 0 and q > 0 else 0.0


def _bell(size: int) -> Floats:
    weights = np.asarray(stats.norm.pdf(np.linspace(-3, 3, size)))
    return weights / weights.sum()


def _with(profile: Profile, **changed: object) -> Profile:
    column: ColumnProfile = profile.columns[NAME].model_copy(update=changed)
    return profile.model_copy(update={"columns": {NAME: column}})


@lru_cache(maxsize=4096)
def _learned(values: tuple[Any, ...]) -> Profile:
    """The profile of these values, each once: its cells are those of any rows with the same."""
    return profile_arrays({NAME: pa.array(values)})


def _ranks(rows: int) -> NDArray[np.int64]:
    """The ranks at which a reference of so many rows has its edges: the last row is always one."""
    step = max(
        2 ** (rows.bit_length() - 9), 1
    )  # of nearly as many rows, so that few are ever asked for
    return np.append(_chosen(rows // step * step)[:-1], rows - 1)


@lru_cache(maxsize=256)
def _chosen(rows: int) -> NDArray[np.int64]:
    """The ranks that the profile chooses for so many rows."""
    edges = np.array(learn_numeric(pa.array(np.arange(float(rows)))).edges)
    return np.unique(edges[(edges >= 0) & (edges <= rows - 1)].astype(np.int64))
