"""Wrong values among millions: found, named and explained; and what that costs.

Windows of a million rows by twelve columns are written twice, as training reads them and, in
another order, as they were served; a few hundred values of the second are made wrong on purpose.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from components.core.verdict import Verdict
from components.core.window import Window
from components.drift.skew import check_skew
from components.spec.load import parse_spec
from tests.bench.verdicts.skew_windows import FEATURES, SPEC, WINDOWS, WRONG, Wrong, write_window
from tests.bench.verdicts.table import Demand, Scale, Section

SEED = 100_000


def measure(scale: Scale) -> list[Section]:
    """Find, name and explain what was made wrong; then the time and the memory."""
    rows = 100_000 if scale.quick else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        table, costs, kinds = [], [], set()
        counts = {"wrong": 0, "found": 0, "explained": 0, "false": 0, "shown": 0, "strange": 0}
        for number, (title, wrongs) in enumerate(WINDOWS.items()):
            truth = write_window(Path(folder), rows, wrongs, SEED + number)
            verdict, cost = run_apart(Path(folder))
            costs.append((title, rows, cost))
            lines = score(title, wrongs, truth, verdict)
            table += [line.cells for line in lines]
            for line in lines:
                kinds |= line.kinds
                counts["shown"] += line.shown
                counts["strange"] += line.strange
                counts["wrong"] += line.wrong
                counts["found"] += line.found
                counts["explained"] += line.wrong if line.explained else 0
                counts["false"] += line.false
        if not scale.quick:
            for many in (10_000_000,):
                write_window(Path(folder), many, WINDOWS["units and formats"], SEED + 50)
                costs.append(("units and formats", many, run_apart(Path(folder))[1]))
    slowest = max(cost["seconds"] for _, size, cost in costs if size == rows)
    demands = [
        Demand(f"every wrong value found, among {len(FEATURES) * rows:,} a window",
               f"{counts['found']:,} of {counts['wrong']:,}", counts["found"] == counts["wrong"]),
        Demand("every example shown is of a row made wrong",
               f"{counts['shown'] - counts['strange']} of {counts['shown']}",
               counts["shown"] > 0 and not counts["strange"]),
        Demand("causes of at least 12 kinds named rightly",
               f"{len(kinds)}: {', '.join(sorted(kinds))}", len(kinds) >= 12),
        Demand("named and explained",
               f"{counts['explained']:,} of {counts['wrong']:,}",
               counts["explained"] == counts["wrong"]),
        Demand("no finding on a clean column, no cause beyond those there are",
               f"{counts['false']} false", counts["false"] == 0),
        Demand("in seconds", f"{slowest:.1f} s", slowest < 30),
    ]  # fmt: skip
    return [
        Section(
            f"Training-serving skew, {rows:,} rows by 12 columns, about {WRONG} wrong values",
            ["window", "column", "made wrong", "values", "found", "explained as"],
            table,
            demands,
            ["The log has all rows in another order, and every hundredth is another release's."],
        ),
        Section(
            "What the skew check costs",
            ["window", "rows", "seconds", "CPU seconds", "peak MB", "MB above start"],
            [
                [title, f"{size:,}", f"{cost['seconds']:.1f}", f"{cost['cpu']:.1f}",
                 f"{cost['peak']:.0f}", f"{cost['peak'] - cost['start']:.0f}"]
                for title, size, cost in costs
            ],
        ),
    ]  # fmt: skip


@dataclass(frozen=True)
class Line:
    """What became of one column.

    `found` counts wrong values, and none where an example shown is of a row not made wrong; `false`
    counts findings, values and causes that should not be there; `kinds` are those of the causes
    named where they explain what was made wrong, and `shown` counts the examples, `strange`
    those of rows that were not made wrong.
    """

    cells: list[str]
    wrong: int
    found: int
    explained: bool
    false: int
    kinds: frozenset[str] = frozenset()
    shown: int = 0
    strange: int = 0


def score(
    title: str, wrongs: list[Wrong], truth: dict[str, set[str]], verdict: Verdict
) -> list[Line]:
    """Hold a verdict against what was made wrong.

    Args:
        title: the window's.
        wrongs: what was done to its columns.
        truth: the ids of the rows that are wrong, by column.
        verdict: the check's.
    """
    lines = []
    values = {f.column: f for f in verdict.findings if f.statistic == "different values"}
    for wrong in wrongs:
        finding, ids = values[wrong.column], truth[wrong.column]
        named = verdict.facts["causes"].get(wrong.column, [])
        explained = bool(re.search(wrong.words, finding.message)) if wrong.words else not named
        causes = "; ".join(cause["text"] for cause in named) or "no pattern"
        wanted, got = len(ids), finding.count or 0
        cells = [title, wrong.column, wrong.name, f"{wanted}", f"{got}", causes.replace("|", "/")]
        shown = [example.split(": ", 1)[0] for example in finding.examples]
        strange = sum(name not in ids for name in shown)
        these = bool(shown) and not strange and len(set(shown)) == len(shown)
        expected = wrong.causes if wrong.words else 0
        lines.append(
            Line(
                cells,
                wanted,
                min(got, wanted) if these else 0,
                explained,
                max(len(named) - expected, 0) + max(got - wanted, 0) + strange,
                frozenset(cause["kind"] for cause in named if wrong.words and explained),
                len(shown),
                strange,
            )
        )
    clean = {*FEATURES, "id"} - {wrong.column for wrong in wrongs}
    loud = [f for f in verdict.at_least("warn") if f.column in clean]
    blamed = sum(len(verdict.facts["causes"].get(name, [])) for name in clean)
    cells = [title, f"{len(clean) - 1} clean ones", "nothing", "0", f"{len(loud)}", ""]
    return [*lines, Line(cells, 0, 0, True, len(loud) + blamed)]


def run_apart(folder: Path) -> tuple[Verdict, dict[str, float]]:
    """Check a window in a process of its own, and measure that."""
    command = [sys.executable, "-m", "tests.bench.verdicts.skew", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    text, cost = done.stdout.strip().split("\n")
    return Verdict.model_validate_json(text), json.loads(cost)


def _peak() -> float:
    """This process's largest resident size so far, in MB; getrusage counts its parent's as well."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def _main() -> None:
    folder = Path(sys.argv[1])
    start = _peak()
    begin, cpu = time.perf_counter(), time.process_time()
    verdict = check_skew(
        folder / "data.parquet",
        folder / "log.parquet",
        parse_spec(SPEC),
        Window.parse("2024-01"),
        "v1",
    )
    cost = {
        "seconds": time.perf_counter() - begin,
        "cpu": time.process_time() - cpu,
        "peak": _peak(),
        "start": start,
    }
    print(verdict.model_dump_json())
    print(json.dumps(cost))


if __name__ == "__main__":
    _main()
