"""How often a window alarms although nothing drifted, beside Evidently and plain tests."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import stats

from components.core.window import Window
from components.drift.check import check_drift
from components.drift.profile import Profile
from components.spec.load import parse_spec
from components.spec.model import Spec
from tests.bench.verdicts.table import Demand, Scale, Section
from tests.bench.verdicts.worlds import NAME, Column, Numbers, clean_columns, profiles

_SEED = 100_000
_WINDOW = Window.parse("2024-01")
_SPEC = """
model: clean
task: regression
source: {{kind: files, path: nowhere.parquet}}
columns: {{id: id, time: time, target: y, numeric: {numeric}, categorical: {categorical}}}
estimator: {{class: sklearn.linear_model.LinearRegression}}
metric: rmse
"""


@dataclass(frozen=True)
class Case:
    """A number of columns and of rows, and how often to draw them.

    `others` is how often Evidently and the plain tests are asked, which takes them longer; they
    have rows of their own. Where `drawn` the profiles' counts are drawn instead of rows.
    """

    columns: int
    reference: int
    current: int
    resamples: int
    others: int = 0
    drawn: bool = False


@dataclass(frozen=True)
class Task:
    """A part of a case, with a seed of its own."""

    case: Case
    part: int
    resamples: int
    others: int

    @property
    def draw(self) -> np.random.Generator:
        """The source of its chance."""
        case = self.case
        return np.random.default_rng([_SEED, case.columns, case.reference, case.current, self.part])


@dataclass(frozen=True)
class Alarms:
    """The windows with an alarm: ours, Evidently's, and of the plain tests."""

    ours: int
    evidently: int
    plain: int


# With more than some 5,000 rows the effect alone keeps chance out; there fewer windows will do.
FULL = (
    Case(20, 1_000, 1_000, 3000, 100),
    Case(20, 5_000, 1_000, 2000, 100),
    Case(20, 5_000, 5_000, 1000, 100),
    Case(20, 10_000, 10_000, 1000, 50),
    Case(20, 100_000, 1_000, 3000, 10, drawn=True),
    Case(20, 2_500, 100_000, 2000, 10, drawn=True),
    Case(20, 100_000, 100_000, 1000, 10, drawn=True),
    Case(20, 1_000_000, 1_000_000, 1000, 2, drawn=True),
    Case(10, 1_000, 1_000, 2000),
    Case(10, 100_000, 100_000, 1000, drawn=True),
    Case(1_000, 5_000, 5_000, 1000, drawn=True),
)
QUICK = (
    Case(20, 1_000, 1_000, 40, 2),
    Case(20, 100_000, 100_000, 40, drawn=True),
    Case(1_000, 2_000, 1_000, 2, drawn=True),
)


def measure(scale: Scale) -> list[Section]:
    """Draw both samples of every column from the same distribution, and count the alarms."""
    cases = QUICK if scale.quick else FULL
    tasks = [task for case in cases for task in _parts(case, 2 * scale.processes)]
    # The longest ones first, so that no process waits for another at the end.
    tasks.sort(key=lambda task: -task.case.columns * task.case.reference * (1 + task.others))
    with ProcessPoolExecutor(scale.processes, get_context("spawn")) as pool:
        found = list(zip(tasks, pool.map(count_alarms, tasks), strict=True))
    rows, worst, highest = [], 0.0, 0.0
    for case in cases:
        alarms = [found_alarms for task, found_alarms in found if task.case == case]
        ours = sum(part.ours for part in alarms)
        worst = max(worst, ours / case.resamples)
        highest = max(highest, upper_bound(ours, case.resamples))
        rows.append(_row(case, ours, alarms))
    demands = [
        Demand("at most 1 % of the windows alarm", f"{worst:.2%} at most", worst <= 0.01),
        Demand(
            "the upper 95 % bound of that at most 1.5 %",
            f"{highest:.2%} at most",
            highest <= 0.015,
        ),
    ]
    return [
        Section("Windows with an alarm, though nothing drifted", _HEADER, rows, demands, _NOTES)
    ]


def count_alarms(task: Task) -> Alarms:
    """Draw the windows of a part of a case, and judge each."""
    draw, case = task.draw, task.case
    columns = _columns(case.columns)
    ours = sum(_alarms(columns, case, draw) for _ in range(task.resamples))
    evidently = plain = 0
    for _ in range(task.others):
        before, after = ([c.rows(draw, n) for c in columns] for n in (case.reference, case.current))
        evidently += _evidently(before, after, columns)
        plain += any(_plain(x, y) for x, y in zip(before, after, strict=True))
    return Alarms(ours, evidently, plain)


def upper_bound(alarms: int, resamples: int) -> float:
    """The one-sided upper 95 % bound of a share (Clopper and Pearson, 1934)."""
    if alarms == resamples:
        return 1.0
    return float(stats.beta.ppf(0.95, alarms + 1, resamples - alarms))


def _alarms(columns: Sequence[Column], case: Case, draw: np.random.Generator) -> bool:
    pairs = [
        profiles((c, c), case.reference, case.current, draw, drawn=case.drawn) for c in columns
    ]
    names = [f"{NAME}{index}" for index in range(len(columns))]
    before, after = (
        Profile.model_construct(columns=dict(zip(names, side, strict=True)))
        for side in zip(*pairs, strict=True)
    )
    return check_drift(after, before, _spec(case.columns), _WINDOW, "v1").answer == "drift"


@cache
def _columns(count: int) -> tuple[Column, ...]:
    clean = clean_columns()
    if count < len(clean):  # every second one: six numbers, four categories
        return tuple(clean[::2][:count])
    return tuple(clean * (count // len(clean)))


@cache
def _spec(count: int) -> Spec:
    columns = _columns(count)
    numeric = [f"{NAME}{i}" for i, c in enumerate(columns) if _is_number(c)]
    categorical = [f"{NAME}{i}" for i, c in enumerate(columns) if not _is_number(c)]
    return parse_spec(_SPEC.format(numeric=numeric, categorical=categorical))


def _is_number(column: Column) -> bool:
    return isinstance(column, Numbers) or column.values.dtype.kind == "f"


def _parts(case: Case, parts: int) -> Iterable[Task]:
    for part in range(parts):
        yield Task(
            case, part, _share(case.resamples, part, parts), _share(case.others, part, parts)
        )


def _share(total: int, part: int, parts: int) -> int:
    return total // parts + (part < total % parts)


def _evidently(before: list[pa.Array], after: list[pa.Array], columns: Sequence[Column]) -> bool:
    """Whether any column drifted by the test and the threshold that Evidently chooses itself."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    names = [f"{NAME}{index}" for index in range(len(columns))]
    numbers = [name for name, c in zip(names, columns, strict=True) if _is_number(c)]
    definition = DataDefinition(
        numerical_columns=numbers, categorical_columns=[n for n in names if n not in numbers]
    )
    sides = [
        Dataset.from_pandas(
            pd.DataFrame({n: a.to_pandas() for n, a in zip(names, side, strict=True)}), definition
        )
        for side in (before, after)
    ]
    report = Report([ValueDrift(column=name) for name in names], include_tests=True)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        tests: list[dict[str, Any]] = report.run(sides[1], sides[0]).dict()["tests"]
    assert len(tests) == len(names)
    return any(test["status"].value != "SUCCESS" for test in tests)


def _plain(before: pa.Array, after: pa.Array) -> bool:
    """Kolmogorov-Smirnov or chi-square at 5 %, the rows without a value left out."""
    x, y = (side.drop_null().to_numpy(zero_copy_only=False) for side in (before, after))
    if x.dtype.kind == "f":
        return bool(stats.ks_2samp(x, y, method="asymp").pvalue < 0.05)
    _, codes = np.unique(np.concatenate([x, y]), return_inverse=True)
    table = [np.bincount(c, minlength=codes.max() + 1) for c in (codes[: x.size], codes[x.size :])]
    return bool(stats.chi2_contingency(np.array(table)).pvalue < 0.05)


def _row(case: Case, ours: int, alarms: Sequence[Alarms]) -> list[str]:
    others = [
        f"{sum(counts):,} of {case.others} ({sum(counts) / case.others:.0%})"
        if case.others
        else "-"
        for counts in ([a.evidently for a in alarms], [a.plain for a in alarms])
    ]
    return [
        str(case.columns),
        f"{case.reference:,} / {case.current:,}",
        "counts" if case.drawn else "rows",
        f"{ours} of {case.resamples:,} ({ours / case.resamples:.2%})",
        f"{upper_bound(ours, case.resamples):.2%}",
        *others,
    ]


_HEADER = (
    "columns",
    "rows: reference / window",
    "drawn as",
    "driftline",
    "upper 95 % bound",
    "Evidently's defaults",
    "KS and chi-square at 5 %",
)
_NOTES = (
    "A window counts where any of its columns is said to have drifted. driftline is `check_drift` "
    "with the spec's defaults. Twenty columns are twelve of numbers and eight of categories, 2 to "
    "200 of them, of many shapes, eight with missing values; ten are every second of these, and a "
    "thousand are fifty times these.",
    "Where counts are drawn, they are those of a real profile's cells: that this is the same as "
    "profiling rows is tested in `tests/drift/test_scoring.py`. Evidently and the plain tests "
    "always have rows, and fewer windows. Evidently's own verdict on a whole data set needs half "
    "of the columns; here, as for the others, one is enough.",
)
