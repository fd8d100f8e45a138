"""How long ingest takes, and how much memory, for a large folder of Parquet files.

    python -m tests.bench.ingest_files --rows 5000000

Makes the folder on first use (hive-partitioned by day), then reads all of it, and a tenth of it,
each in a process of its own, and prints seconds and the largest memory of each.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.core.window import Window
from components.data.ingest import ingest_window
from components.spec.load import parse_spec
from components.spec.model import Spec

DAYS = 50
NUMERIC = 14
CATEGORICAL = 4
START = datetime(2024, 1, 1, tzinfo=UTC)


def make_folder(folder: Path, rows: int) -> None:
    """Write `rows` rows over fifty days: ids as 16 hexadecimal digits, half a percent doubled."""
    random = np.random.default_rng(0)
    daily = rows // DAYS
    for day in range(DAYS):
        begin = START + timedelta(days=day)
        ids = np.arange(day * daily, (day + 1) * daily)
        ids[::200] = 7
        columns: dict[str, pa.Array] = {
            "id": pa.array([f"{number * 2654435761 % (1 << 64):016x}" for number in ids.tolist()]),
            "time": pa.array(
                np.sort(random.integers(0, 86_400_000_000, daily))
                + int(begin.timestamp()) * 1_000_000,
                pa.timestamp("us", "UTC"),
            ),
            "label": pa.array(random.integers(0, 2, daily)),
        }
        for number in range(NUMERIC):
            columns[f"n{number}"] = pa.array(random.normal(size=daily))
        for number in range(CATEGORICAL):
            codes = random.integers(0, 50, daily)
            columns[f"c{number}"] = pa.array(codes.astype(str).astype(object), pa.string())
        part = folder / f"date={begin.date()}"
        part.mkdir(parents=True)
        pq.write_table(pa.table(columns), part / "part-0.parquet")


def spec_for(folder: Path) -> Spec:
    """A spec for that folder."""
    return parse_spec(f"""
model: bench
task: binary
source: {{kind: files, path: "{folder}"}}
columns:
  id: id
  time: time
  target: label
  numeric: [{", ".join(f"n{number}" for number in range(NUMERIC))}]
  categorical: [{", ".join(f"c{number}" for number in range(CATEGORICAL))}]
estimator: {{class: sklearn.linear_model.LogisticRegression}}
metric: roc_auc
""")


def measure(folder: Path, days: int, destination: Path) -> None:
    """Read the first days in this process and print what it took."""
    window = Window(START, START + timedelta(days=days))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began, worked = time.perf_counter(), time.process_time()
    report = ingest_window(spec_for(folder), window, datetime.now(UTC), destination)
    seconds, work = time.perf_counter() - began, time.process_time() - worked
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{days:>3} days: {report.rows:>9,} of {report.rows_read:,} rows "
        f"({report.duplicates:,} duplicates) in {seconds:.1f} s, {work:.1f} s of processor time, "
        f"largest memory {after:.0f} MiB ({before:.0f} MiB before it began)"
    )


def main() -> int:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--folder", type=Path, help="where to keep the data; temporary by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary) / "data"
        spawn = multiprocessing.get_context("spawn")
        if not folder.exists():
            maker = spawn.Process(target=make_folder, args=(folder, arguments.rows))
            maker.start()
            maker.join()
        for days in (DAYS, DAYS // 10):
            target = Path(temporary) / f"{days}.parquet"
            process = spawn.Process(target=measure, args=(folder, days, target))
            process.start()
            process.join()
            if process.exitcode:
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
