"""What a scan against a saved profile costs, in CPU time and in memory.

Every figure is of a process of its own that has done the same work on a small file before: its
imports do not count. What is demanded are ratios to what pyarrow and Evidently need for the same
file in the same run.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.bench.verdicts import _speed_data as data
from tests.bench.verdicts.table import Demand, Scale, Section

_SEED = 100_000
_RUNS = 5
_HEADER = ("work", "CPU seconds", "peak MB", "MB above its start")


@dataclass(frozen=True)
class Cost:
    """CPU seconds, the largest resident size in megabytes, and how far above that at the start."""

    cpu: float
    megabytes: float
    above: float

    def row(self, name: str) -> list[str]:
        """A line of a table."""
        return [name, f"{self.cpu:.2f}", f"{self.megabytes:.0f}", f"{self.above:.0f}"]


def measure(scale: Scale) -> list[Section]:
    """Everything, on files in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="driftline-speed-") as name:
        folder = Path(name)
        rows = data.GROUP // 5 if scale.quick else data.GROUP
        before = data.write_file(folder / "reference.parquet", rows, _SEED)
        profile = data.write_reference(folder / "profile.json", before)
        return [
            _against_pyarrow(folder, profile, scale),
            _against_evidently(folder, scale),
            _large(folder, profile, scale),
            _wide(folder, scale),
            _imports(scale),
        ]


def _against_pyarrow(folder: Path, profile: Path, scale: Scale) -> Section:
    rows = data.GROUP // 5 if scale.quick else 5 * data.GROUP
    window = data.write_file(folder / "window.parquet", rows, _SEED + 1)
    runs = [(_run("decode", window), _run("scan", window, profile)) for _ in range(_runs(scale))]
    decode, scan = (_median([pair[side] for pair in runs]) for side in (0, 1))
    window.unlink()
    ratio = scan.cpu / decode.cpu
    return Section(
        f"A scan of {rows:,} rows against a saved profile",
        _HEADER,
        [decode.row("pyarrow reads the file"), scan.row("driftline profiles it")],
        [Demand("CPU time at most 1.5 times pyarrow's own decode", f"{ratio:.2f}", ratio <= 1.5)],
        [
            f"20 columns: 12 of numbers, 8 of up to 200 categories; row groups of {data.GROUP:,} "
            f"rows; medians of {len(runs)} runs of each in turn. Reading the profile "
            f"({profile.stat().st_size / 1000:.0f} kB of JSON) is part of the scan."
        ],
    )


def _against_evidently(folder: Path, scale: Scale) -> Section:
    rows = 5_000 if scale.quick else 1_000_000
    before = data.write_file(folder / "before.parquet", rows, _SEED + 2)
    after = data.write_file(folder / "after.parquet", rows, _SEED + 3)
    profile = data.write_reference(folder / "before.json", before)
    theirs = _run("evidently", after, before)
    ours = _median([_run("scan", after, profile) for _ in range(_runs(scale))])
    cpu, memory = theirs.cpu / ours.cpu, theirs.above / ours.above
    demands = [
        Demand("at least 50 times less CPU time than Evidently", f"{cpu:.0f}", cpu >= 50),
        Demand(
            "at least 5 times less memory than Evidently, above the start of each",
            f"{memory:.1f}",
            memory >= 5,
        ),
    ]
    return Section(
        f"Evidently's preset, {rows:,} rows against as many",
        _HEADER,
        [theirs.row("Evidently's DataDriftPreset"), ours.row("driftline's scan")],
        [] if scale.quick else demands,
        [
            "Evidently has both data frames in memory before its time is taken; driftline's time "
            "includes reading the file. Memory is what each process takes after its imports, which "
            "Evidently has most of: for Evidently the data frames, which it must have, and the "
            "work; for driftline the saved profile, the parts of the file, and the work."
        ],
    )


def _large(folder: Path, profile: Path, scale: Scale) -> Section:
    rows = data.GROUP if scale.quick else 100 * data.GROUP
    window = data.write_file(folder / "large.parquet", rows, _SEED + 4)
    size = window.stat().st_size
    scan = _run("scan", window, profile)
    window.unlink()
    return Section(
        f"{rows:,} rows",
        _HEADER,
        [scan.row("driftline profiles the file")],
        [
            Demand(
                f"{rows:,} rows of 20 columns in at most 300 MB",
                f"{scan.megabytes:.0f} MB",
                scan.megabytes <= 300,
            )
        ],
        [f"The file has {size / 1e9:.2f} GB; its row groups repeat four different ones."],
    )


def _wide(folder: Path, scale: Scale) -> Section:
    columns, rows = 1_000, 1_000 if scale.quick else 100_000
    before = data.write_wide(folder / "wide-before.parquet", columns, rows, _SEED + 5)
    profile = data.write_reference(folder / "wide.json", before)
    before.unlink()
    window = data.write_wide(folder / "wide.parquet", columns, rows, _SEED + 6)
    runs = _runs(scale)
    decode = _median([_run("decode", window) for _ in range(runs)])
    scan = _median([_run("scan", window, profile) for _ in range(runs)])
    parse = _median([_run("parse", profile) for _ in range(runs)])
    window.unlink()
    ratio = scan.cpu / decode.cpu
    demand = Demand(
        "1,000 columns as well: at most 1.5 times pyarrow's own decode",
        f"{ratio:.2f}",
        ratio <= 1.5,
    )
    return Section(
        f"{columns:,} columns of {rows:,} rows",
        _HEADER,
        [
            decode.row("pyarrow reads the file"),
            scan.row("driftline profiles it"),
            parse.row("reading the saved profile alone"),
        ],
        [] if scale.quick else [demand],
        [f"The profile has {profile.stat().st_size / 1e6:.1f} MB of JSON."],
    )


def _imports(scale: Scale) -> Section:
    _run("imports")  # compiles the bytecode where there is none
    runs = _runs(scale)
    cost = min((_run("imports") for _ in range(runs)), key=lambda cost: cost.cpu)
    return Section(
        "Imports",
        _HEADER,
        [cost.row("importing the drift check, up to Evidently")],
        [Demand("at most one second", f"{cost.cpu:.2f} s", cost.cpu <= 1)],
        [f"The best of {runs} fresh processes, with compiled bytecode."],
    )


def _runs(scale: Scale) -> int:
    return 1 if scale.quick else _RUNS


def _run(*command: str | Path) -> Cost:
    """Do one piece of work in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.verdicts._speed_worker", *map(str, command)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "DO_NOT_TRACK": "1"},
    )
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def _median(costs: list[Cost]) -> Cost:
    return Cost(
        statistics.median(cost.cpu for cost in costs),
        statistics.median(cost.megabytes for cost in costs),
        statistics.median(cost.above for cost in costs),
    )
