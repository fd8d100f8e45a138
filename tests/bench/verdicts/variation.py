"""Whether weekdays and seasons alarm, with fixed and with learned effects, and what is still found.

A window of a process that only varies as its reference did is a false alarm. The rule's bound was
chosen on normal columns that moved with normal days; here they are logistic, gamma and categories
that move with Laplace days.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from components.core.window import Window
from components.drift.check import check_drift
from components.drift.columns import CategoryProfile, ColumnProfile, NumericProfile
from components.drift.effects import WANTED_BLOCKS
from components.drift.profile import Profile
from components.drift.variation import ColumnVariation, Variation
from components.spec.load import parse_spec
from components.spec.model import Spec
from tests.bench.verdicts.false_alarms import upper_bound
from tests.bench.verdicts.joint_samples import section
from tests.bench.verdicts.table import Demand, Scale, Section

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

_SEED = 300_000
_START = datetime(2024, 1, 1, tzinfo=UTC)
_ROWS = 1000
_DEVIATION = np.pi / np.sqrt(3)  # of the standard logistic distribution
_TAIL = [0.0001, 0.001, 0.01, 0.025]
_SHARES = np.array([*_TAIL, *(i / 20 for i in range(1, 20)), *(1 - s for s in reversed(_TAIL))])
_CATEGORIES = [f"k{i:02d}" for i in range(12)]
_SHIFTS = (4.0, 8.0)
_LEAST_SHIFT = 0.35

SHIFTED = [f"s{i}" for i in range(6)]
SCALED = [f"g{i}" for i in range(2)]
MIXED = [f"c{i}" for i in range(2)]
SPEC = f"""
model: moving
task: regression
source: {{kind: files, path: nowhere.parquet}}
columns:
  {{id: id, time: time, target: y, numeric: [{", ".join(SHIFTED + SCALED)}],
   categorical: [{", ".join(MIXED)}]}}
estimator: {{class: sklearn.linear_model.LinearRegression}}
metric: rmse
"""


@dataclass(frozen=True)
class Series:
    """What moves a column from day to day, in standard deviations of its rows.

    `weekday` and `day` are standard deviations, `follows` is the days' correlation with the day
    before, `season` the amplitude over a year.
    """

    name: str
    weekday: float = 0.0
    day: float = 0.0
    follows: float = 0.0
    season: float = 0.0

    def days(self, draw: np.random.Generator, count: int) -> Floats:
        """The column's place on each of so many days in a row, (count,)."""
        noise = draw.laplace(scale=np.sqrt(0.5), size=count + 100)
        place = np.zeros_like(noise)
        for i in range(1, len(noise)):
            place[i] = self.follows * place[i - 1] + np.sqrt(1 - self.follows**2) * noise[i]
        day = np.arange(count) + draw.integers(364)
        week = draw.normal(scale=self.weekday, size=7)
        year = self.season * np.sin(2 * np.pi * day / 364)
        return np.asarray(self.day * place[100:] + week[day % 7] + year)


@dataclass(frozen=True)
class Case:
    """A reference and windows of so many days."""

    series: Series
    reference: int
    window: int


@dataclass(frozen=True)
class Task:
    """A case's batches with these seeds."""

    case: Case
    seeds: range


@dataclass(frozen=True)
class Found:
    """How many of the batches alarm, by fixed and learned effects, and how many drifts are found.

    A drift is a shift of one column by so many standard deviations of its own blocks.
    """

    batches: int
    fixed: int
    learned: int
    unsure: int
    power: tuple[int, ...]

    def __add__(self, other: Found) -> Found:
        """Both together."""
        power = tuple(a + b for a, b in zip(self.power, other.power, strict=True))
        return Found(
            self.batches + other.batches,
            self.fixed + other.fixed,
            self.learned + other.learned,
            self.unsure + other.unsure,
            power,
        )


WEEKS = Series("weekdays", weekday=0.4, day=0.1)
DAYS = Series("days on their own", day=0.25)
FOLLOWING = Series("days that follow one another", day=0.25, follows=0.7)
ALL = Series("weekdays, following days and a season", 0.2, 0.15, 0.5, season=0.4)
CASES = [
    *(Case(s, 91, w) for s in (DAYS, WEEKS, FOLLOWING) for w in (1, 7, 28)),
    *(Case(s, 364, w) for s in (FOLLOWING, ALL) for w in (7, 28)),
]
UNSEEN = [Case(ALL, 91, w) for w in (7, 28)]


def measure(scale: Scale) -> list[Section]:
    """Draw references and the window after each, without and with a drift on top."""
    batches, size = (10, 5) if scale.quick else (60, 30)
    cases = CASES[1::4] + UNSEEN[:1] if scale.quick else CASES + UNSEEN
    starts = range(_SEED, _SEED + batches, size)
    tasks = [Task(case, range(i, i + size)) for case in cases for i in starts]
    with ProcessPoolExecutor(scale.processes, get_context("spawn")) as pool:
        parts = list(zip(tasks, pool.map(score, tasks), strict=True))
    found = {case: _sum([part for task, part in parts if task.case == case]) for case in cases}
    seen = {case: part for case, part in found.items() if case not in UNSEEN}
    header = (
        *("what moves the columns", "reference, days", "window, days", "batches"),
        *("effect 0.05", "learned", "learned: too few blocks to tell"),
        *(f"finds a shift of {shift:g} sd" for shift in _SHIFTS),
    )
    notes = (
        f"Batches of {len(SHIFTED + SCALED + MIXED)} columns with {_ROWS:,} rows a day: numbers "
        "that shift, numbers that stretch, and categories whose mix moves. The window follows its "
        "reference. A shift is of one column, in standard deviations of its own blocks, as long as "
        f"the window and at most a twelfth of the reference, at least {_LEAST_SHIFT} of its rows'. "
        f"Of {_SHIFTS[0]:g} standard deviations there is a demand only where whole weeks leave "
        "little to learn; elsewhere few blocks let expect as much, and it is a figure. "
        "The rows are drawn as counts; "
        "`tests/drift/test_variation_scored.py` shows that rows give the same.",
    )
    return [
        Section(
            "What moves in time anyway",
            header,
            [_row(case, part) for case, part in seen.items()],
            _demands(seen),
            notes,
        ),
        Section(
            "A season that the reference has not seen",
            header,
            [_row(case, found[case]) for case in cases if case in UNSEEN],
            (),
            (
                "A quarter says little about the next one; there is no demand on these. What is "
                "beyond the reference may be drift.",
            ),
        ),
        section(scale),
    ]


def score(task: Task) -> Found:
    """Judge the batches of a task."""
    case = task.case
    plain, learning = (_spec(learn) for learn in (False, True))
    window = window_of(case)
    fixed = learned = unsure = 0
    power = [0] * len(_SHIFTS)
    for seed in task.seeds:
        draw = np.random.default_rng([seed, case.reference, case.window])
        columns = [Moving(name, case, draw) for name in SHIFTED + SCALED + MIXED]
        reference = Profile(columns={c.name: c.profile(c.before) for c in columns})
        current = Profile(columns={c.name: c.profile(c.after) for c in columns})
        variation = Variation(
            start=_START, seconds=86400, columns={c.name: c.variation() for c in columns}
        )
        fixed += check_drift(current, reference, plain, window, "v").answer == "drift"
        verdict = check_drift(current, reference, learning, window, "v", variation=variation)
        learned += verdict.answer == "drift"
        unsure += verdict.answer == "underpowered"
        for i, shift in enumerate(_SHIFTS):
            moved = columns[0]
            drifted = {**current.columns, moved.name: moved.profile(moved.shifted(shift))}
            verdict = check_drift(
                Profile(columns=drifted), reference, learning, window, "v", variation=variation
            )
            power[i] += moved.name in verdict.facts["drifted"]
    return Found(len(task.seeds), fixed, learned, unsure, tuple(power))


def window_of(case: Case) -> Window:
    """A window as long as the case's."""
    return Window(_START, _START + timedelta(days=case.window))


class Moving:
    """A column that moves from day to day: its counts in the reference and in the window."""

    def __init__(self, name: str, case: Case, draw: np.random.Generator) -> None:
        self.name, self.case, self.draw = name, case, draw
        self.places = case.series.days(draw, case.reference + case.window)
        self.mix = draw.dirichlet(np.full(len(_CATEGORIES), 4.0))
        self.slopes = draw.normal(size=len(_CATEGORIES))
        self.before = self._counts(self.places[: case.reference])
        self.after = self._counts(self.places[case.reference :])

    @property
    def edges(self) -> Floats:
        """The cells: the shares of the column at rest, and the ends of what it is likely to be."""
        shares = np.array([1e-7, *_SHARES, 1 - 1e-7])
        if self.name in SCALED:
            return np.asarray(stats.gamma.ppf(shares, 2.0))
        return np.asarray(special.logit(shares))

    def shares(self, places: Floats) -> Floats:
        """The share of each cell on each day, (days, cells)."""
        if self.name in MIXED:
            weights = self.mix * np.exp(places[:, None] * self.slopes)
            return np.asarray(weights / weights.sum(axis=1, keepdims=True))
        if self.name in SCALED:
            below = stats.gamma.cdf(self.edges * np.exp(-places[:, None] / 2), 2.0)
        else:
            below = special.expit(self.edges - _DEVIATION * places[:, None])
        return np.diff(below, axis=1, prepend=0.0, append=1.0)

    def shifted(self, shift: float) -> Counts:
        """The window with a shift, in standard deviations of the reference's blocks."""
        length = min(self.case.window, self.case.reference // WANTED_BLOCKS)
        whole = self.case.reference // length * length
        blocks = self.places[:whole].reshape(-1, length).mean(axis=1)
        moved = max(shift * float(blocks.std(ddof=1)), _LEAST_SHIFT)
        return self._counts(self.places[self.case.reference :] + moved)

    def variation(self) -> ColumnVariation:
        """The reference's days."""
        empty = np.zeros((len(self.before), 1), dtype=np.int64)
        if self.name in MIXED:
            counts = np.hstack([self.before, empty, empty])
            return ColumnVariation(known=_CATEGORIES, counts=counts.tolist())
        counts = np.hstack([self.before, empty])
        return ColumnVariation(edges=self.edges.tolist(), counts=counts.tolist())

    def profile(self, counts: Counts) -> ColumnProfile:
        """Some days together."""
        total = counts.sum(axis=0).tolist()
        if self.name in MIXED:
            return CategoryProfile(rows=sum(total), known=_CATEGORIES, counts=total)
        edges = self.edges.tolist()
        ends = edges[0], edges[-1]
        return NumericProfile(
            rows=sum(total),
            span=ends,
            edges=edges,
            counts=total,
            minimum=ends[0],
            maximum=ends[1],
        )

    def _counts(self, places: Floats) -> Counts:
        return np.asarray(self.draw.multinomial(_ROWS, self.shares(places)), dtype=np.int64)


def _spec(learn: bool) -> Spec:
    return parse_spec(f"{SPEC}checks: {{drift: {{learn: {str(learn).lower()}}}}}\n")


def _sum(parts: Sequence[Found]) -> Found:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _demands(found: dict[Case, Found]) -> list[Demand]:
    every = _sum(list(found.values()))
    worst = max(part.learned / part.batches for part in found.values())
    bound = upper_bound(every.learned, every.batches)
    share = every.learned / every.batches
    power = every.power[-1] / every.batches
    weeks = [p for case, p in found.items() if case.series == WEEKS and case.window >= 7]
    demands = [
        Demand(
            "learned effects: at most 1 % of the batches alarm, upper 95 % bound at most 1.5 %",
            f"{share:.2%} of {every.batches:,}, bound {bound:.2%}; {worst:.2%} in the worst row",
            share <= 0.01 and bound <= 0.015 and worst <= 0.02,
        ),
        Demand(
            f"a shift of {_SHIFTS[-1]:g} standard deviations is found in 0.90 of the batches",
            f"{power:.3f}",
            power >= 0.9,
        ),
    ]
    if weeks:
        least = min(part.power[0] / part.batches for part in weeks)
        demands.append(
            Demand(
                f"one of {_SHIFTS[0]:g}, at least {_LEAST_SHIFT} of the rows', where weekdays move "
                "and the window has whole weeks: in 0.90 of each row's batches",
                f"{least:.3f} in the worst row",
                least >= 0.9,
            )
        )
    return demands


def _row(case: Case, found: Found) -> list[str]:
    shares = [found.fixed, found.learned, found.unsure]
    return [
        *(case.series.name, str(case.reference), str(case.window), f"{found.batches:,}"),
        *(f"{count / found.batches:.2%}" for count in shares),
        *(f"{count / found.batches:.2f}" for count in found.power),
    ]
