"""The schema check: clean windows that it must leave alone, and anomalies that it must name."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

from components.core.verdict import Verdict
from components.core.window import Window
from components.data.ingest import ingest_window
from components.data.report import read_report
from components.drift.profile import Profile
from components.schema.check import check_schema
from components.schema.reading import count_due, read_profile
from components.schema.schema import Schema, learn_schema
from components.spec.load import parse_spec
from components.spec.model import Spec
from tests.bench.verdicts import schema_clean
from tests.bench.verdicts.schema_anomalies import ANOMALIES, Anomaly, base
from tests.bench.verdicts.table import Demand, Scale, Section

WINDOW = Window.parse("2024-03")
LATER = datetime(2025, 1, 1, tzinfo=UTC)
_SEED = 100_000
# Windows that are drawn from each population, after the reference.
_EACH = 25


def measure(scale: Scale) -> list[Section]:
    """Both tables."""
    return [clean(scale), injected(scale)]


def clean(scale: Scale, seed: int = _SEED) -> Section:
    """Fresh windows of populations in which nothing changed: every flag is a false one."""
    populations = 4 if scale.quick else 40
    most = 5_000 if scale.quick else 100_000
    each = 10 if scale.quick else _EACH
    work = partial(one_population, most=most, windows=each)
    seeds = range(seed, seed + populations)
    if scale.processes == 1:
        results = list(map(work, seeds))
    else:
        with ProcessPoolExecutor(scale.processes, get_context("spawn")) as pool:
            results = list(pool.map(work, seeds))
    outcomes = [outcome for result in results for outcome in result]
    sizes: Counter[str] = Counter()
    flagged: Counter[str] = Counter()
    for rows, sentence in outcomes:
        size = f"{10 ** int(np.log10(rows)):,} and more"
        sizes[size] += 1
        flagged[size] += bool(sentence)
    total = sum(flagged.values())
    examples = [sentence for _, sentence in outcomes if sentence][:10]
    return Section(
        "Clean windows",
        ("rows", "windows", "flagged"),
        [(size, str(count), str(flagged[size])) for size, count in sizes.items()],
        [Demand(f"0 of {len(outcomes):,} flagged", str(total), total == 0)],
        [
            f"{populations} populations of 27 columns, each with its own distributions (heavy "
            "tails, rare and Zipf categories, counts, dates, truths, unique texts, rare nulls, "
            f"rare fractions); a reference of 300 to {most:,} rows each, and {each} windows of 200 "
            f"to {most:,} rows; half of the populations come from Parquet and half from CSV. "
            "Flagged is `warn` or worse.",
            *(f"Flagged: {sentence}" for sentence in examples),
        ],
    )


def injected(scale: Scale, seed: int = _SEED) -> Section:
    """Every anomaly through ingest into the check: found, named, and alone."""
    del scale  # all of them, always: they take seconds
    references: dict[tuple[str, str], tuple[Schema, Profile]] = {}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, anomaly in enumerate(ANOMALIES):
            key = (anomaly.task, anomaly.kind)
            if key not in references:
                references[key] = reference_of(Path(folder), *key, seed)
            verdict = inject(Path(folder), anomaly, references[key], seed + 1 + number)
            sentence, found, alone = judged(anomaly, verdict)
            rows.append(
                (anomaly.name, "yes" if found else "no", "yes" if alone else "no", sentence)
            )
    found = sum(row[1] == "yes" for row in rows)
    alone = sum(row[2] == "yes" for row in rows)
    return Section(
        "Injected anomalies",
        ("anomaly", "named", "alone", "what the finding says"),
        rows,
        [
            Demand(
                "each of at least 40 found and named",
                f"{found} of {len(rows)}",
                found == len(rows) >= 40,
            ),
            Demand("nothing else flagged", f"{alone} of {len(rows)}", alone == len(rows)),
        ],
        [
            "Each through a real source (Parquet or CSV) and ingest, 3,000 rows against a "
            "reference of 6,000. Named: a finding with the column, the statistic and the cause; "
            "alone: no other column is flagged.",
        ],
    )


def one_population(seed: int, most: int, windows: int) -> list[tuple[int, str]]:
    """A reference, and what the check says of windows from the same population."""
    random = np.random.default_rng(seed)
    columns = schema_clean.population(random)
    kind = ("parquet", "csv")[seed % 2]
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        spec = clean_spec(place / f"source.{kind}", list(columns))
        size = _size(random, 300, most)
        reference = learn(_ingest(spec, schema_clean.window(random, size, columns), place), spec)
        for _ in range(windows):
            rows = _size(random, 200, most)
            path = _ingest(spec, schema_clean.window(random, rows, columns), place)
            verdict = check_schema(path, spec, WINDOW, reference[0], "v1", reference=reference[1])
            flags = [finding.message for finding in verdict.at_least("warn")]
            outcomes.append((rows, f"{rows:,} rows against {size:,}: {flags[0]}" if flags else ""))
    return outcomes


def clean_spec(source: Path, columns: list[str]) -> Spec:
    """A spec of a population's columns."""
    return _spec(
        source,
        "binary",
        [name for name in columns if name.startswith("n_")],
        [name for name in columns if name.startswith("c_")],
    )


def inject(folder: Path, anomaly: Anomaly, reference: tuple[Schema, Profile], seed: int) -> Verdict:
    """Put one anomaly into a fresh window's source, ingest it, and check it."""
    spec = anomaly_spec(folder, anomaly.task, anomaly.kind)
    table = base(np.random.default_rng(seed), 3_000, anomaly.task)
    _write(anomaly.change(table, np.random.default_rng([seed, 1])), Path(spec.source.path))
    if anomaly.text is not None:
        source = Path(spec.source.path)
        source.write_text(anomaly.text(source.read_text(encoding="utf-8")), encoding="utf-8")
    path = folder / "window.parquet"
    ingest_window(spec, WINDOW, LATER, path)
    if anomaly.no_rows:
        table = pq.read_table(path).slice(0, 0)
        report = read_report(path).model_copy(update={"rows": 0, "rows_read": 0, "labels": 0})
        pq.write_table(
            table.replace_schema_metadata({b"driftline": report.model_dump_json()}), path
        )
    return check_schema(path, spec, WINDOW, reference[0], "v1", reference=reference[1])


def judged(anomaly: Anomaly, verdict: Verdict) -> tuple[str, bool, bool]:
    """What was said, whether it names the anomaly, and whether nothing else is flagged."""
    named = [
        finding
        for finding in verdict.findings
        if (finding.column, finding.statistic) == (anomaly.column, anomaly.statistic)
        and anomaly.words in finding.message
        and (finding.severity != "info" or anomaly.harmless)
    ]
    others = {f.column for f in verdict.at_least("warn")} - {anomaly.column, *anomaly.with_it}
    sentence = named[0].message if named else verdict.headline
    return sentence.replace("|", "/"), bool(named), not others


def anomaly_spec(folder: Path, task: str, kind: str) -> Spec:
    """The spec of the rows that the anomalies are put into."""
    table = base(np.random.default_rng(0), 10, task)
    texts = {"shop", "code", "member", "born", "city"}
    features = [name for name in table.column_names if name not in ("id", "at", "y", "extra")]
    return _spec(
        folder / f"anomalies.{kind}",
        task,
        [name for name in features if name not in texts],
        [name for name in features if name in texts],
    )


def learn(path: Path, spec: Spec) -> tuple[Schema, Profile]:
    """The schema and the profile that a release would hold."""
    report = read_report(path)
    profile = read_profile(path, report, spec, None)
    return learn_schema(report, profile, spec, count_due(path, spec, report)), profile


def reference_of(folder: Path, task: str, kind: str, seed: int) -> tuple[Schema, Profile]:
    """The schema and the profile that the anomalies are held against."""
    spec = anomaly_spec(folder, task, kind)
    return learn(_ingest(spec, base(np.random.default_rng(seed), 6_000, task), folder), spec)


def _ingest(spec: Spec, table: pa.Table, folder: Path) -> Path:
    _write(table, Path(spec.source.path))
    ingest_window(spec, WINDOW, LATER, folder / "window.parquet")
    return folder / "window.parquet"


def _write(table: pa.Table, path: Path) -> None:
    if path.suffix == ".csv":
        pc_csv.write_csv(table, path)
    else:
        pq.write_table(table, path)


def _size(random: np.random.Generator, least: int, most: int) -> int:
    return int(np.exp(random.uniform(np.log(least), np.log(most))))


def _spec(source: Path, task: str, numeric: list[str], categorical: list[str]) -> Spec:
    return parse_spec(
        json.dumps(
            {
                "model": "orders",
                "task": task,
                "metric": "mae" if task == "regression" else "log_loss",
                "source": {"kind": "files", "path": str(source)},
                "columns": {
                    "id": "id",
                    "time": "at",
                    "target": "y",
                    "numeric": numeric,
                    "categorical": categorical,
                },
                "estimator": {"class": "sklearn.linear_model.LogisticRegression"},
            }
        )
    )
