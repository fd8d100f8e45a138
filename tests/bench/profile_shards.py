"""What it takes to profile a window as one, and in shards: CPU seconds, peak memory, equal bytes.

    python -m tests.bench.profile_shards --rows 20 --shards 4 --folder /some/large/disk

Writes so many million rows to Parquet files, then reads them in processes of their own: once as
monitoring does (ingest, then a profile of the window's file), and shard by shard as the profiling
pipeline does. One id in a million is in two files, so that some shards are counted again. The
profile documents are compared byte by byte.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.core.storage import Store
from components.core.window import Window, parse_time
from components.data.ingest import ingest_window
from components.drift.check import profile_window
from components.drift.profile import Profile, profile_arrays
from components.profiling.merging import WindowProfile, merge_parts
from components.profiling.part import count_shard
from components.profiling.plan import make_plan
from components.profiling.repeats import find_repeats
from components.profiling.work import Work
from components.spec.load import parse_spec

WINDOW, AS_OF = Window.parse("2024"), parse_time("2026")
CHAMPION = ("v1", "0" * 64)
NUMBERS, CATEGORIES = 8, 2
MILLION = 1_000_000


def spec_of(folder):
    return parse_spec(
        json.dumps(
            {
                "model": "bench",
                "task": "binary",
                "metric": "roc_auc",
                "source": {"kind": "files", "path": str(folder / "source")},
                "columns": {
                    "id": "id",
                    "time": "at",
                    "target": "y",
                    "numeric": [f"x{i}" for i in range(NUMBERS)],
                    "categorical": [f"c{i}" for i in range(CATEGORIES)],
                },
                "estimator": {"class": "sklearn.linear_model.LogisticRegression"},
            }
        )
    )


def table(number, rows):
    """One file's rows; the first is of the same id as the last file's last."""
    draw = np.random.default_rng(number)
    start = np.datetime64("2024-01-01", "us").astype(np.int64)
    times = start + draw.integers(0, 300 * 86_400_000_000, rows)
    names = np.array([f"category {i}" for i in range(200)])
    ids = number * rows + np.arange(rows) - (np.arange(rows) % MILLION == 0) * (number > 0)
    columns = {"id": pa.array(ids).cast(pa.string()), "at": pa.array(times, pa.timestamp("us"))}
    columns |= {f"x{i}": draw.normal(0, 1 + i, rows) for i in range(NUMBERS)}
    columns |= {f"c{i}": names[draw.integers(0, 200, rows)] for i in range(CATEGORIES)}
    return pa.table({**columns, "y": draw.integers(0, 2, rows)})


def write(folder, millions, files):
    (folder / "source").mkdir(parents=True, exist_ok=True)
    rows = millions * MILLION // files
    for number in range(files):
        path = folder / "source" / f"{number:04d}.parquet"
        if not path.exists():
            pq.write_table(table(number, rows), path, row_group_size=250_000)
    some = table(9999, 200_000)
    arrays = {name: some[name].combine_chunks() for name in some.column_names[2:-1]}
    labels = some["y"].combine_chunks().cast(pa.string())
    reference = profile_arrays({**arrays, "label": labels})
    (folder / "reference.json").write_text(reference.model_dump_json())


def reference_of(folder):
    return Profile.model_validate_json((folder / "reference.json").read_bytes())


def work_of(folder):
    plan = plan_of(folder)
    return plan, Work(Store(folder / "store"), "bench", WINDOW, plan.key)


def plan_of(folder):
    shards = int((folder / "shards").read_text())
    return make_plan(spec_of(folder), WINDOW, AS_OF, CHAMPION, reference_of(folder), shards)


def one(folder):
    data, spec, reference = folder / "window.parquet", spec_of(folder), reference_of(folder)
    report = ingest_window(spec, WINDOW, AS_OF, data)
    profile = profile_window(data, None, spec, reference)
    whole = WindowProfile(
        model="bench",
        champion=CHAMPION[0],
        manifest_sha256=CHAMPION[1],
        report=report,
        profile=profile,
    )
    (folder / "one.json").write_text(whole.model_dump_json())


def shard(folder, number):
    plan, work = work_of(folder)
    work.keep_part(count_shard(spec_of(folder), plan, number, reference_of(folder)))


def repeats(folder):
    plan, work = work_of(folder)
    work.keep_repeats(find_repeats(work.indexes(len(plan.shards)), work.ids))


def again(folder, number):
    plan, work = work_of(folder)
    known = work.repeats(number)
    work.keep_again(count_shard(spec_of(folder), plan, number, reference_of(folder), known).part)


def merge(folder):
    plan, work = work_of(folder)
    some = set(work.repeating())
    parts = (work.part(i, again=i in some) for i in range(len(plan.shards)))
    work.finish(*merge_parts(spec_of(folder), plan, parts))
    (folder / "shards.json").write_text(work.profile.model_dump_json())


STEPS = {"one": one, "shard": shard, "repeats": repeats, "again": again, "merge": merge}


def measure(folder, step, *arguments):
    """A step in a process of its own: CPU seconds, seconds, and peak megabytes."""
    command = [sys.executable, "-m", "tests.bench.profile_shards", "--folder", str(folder)]
    began = time.perf_counter()
    done = subprocess.run(
        [*command, "--step", step, *map(str, arguments)], check=True, capture_output=True, text=True
    )
    cpu, peak = json.loads(done.stdout)
    name = " ".join([step, *map(str, arguments)])
    print(f"{name:<10} {cpu:8.1f} CPU s {time.perf_counter() - began:8.1f} s {peak:8.0f} MB")
    return cpu, peak


def compare(folder, millions, files, shards):
    write(folder, millions, files)
    size = sum(path.stat().st_size for path in (folder / "source").iterdir()) / 1e6
    print(f"{millions} million rows, {files} files, {size:,.0f} MB, {shards} shards")
    (folder / "shards").write_text(str(shards))
    cpu, peak = measure(folder, "one")
    plan, work = work_of(folder)
    numbers = range(len(plan.shards))
    found = [measure(folder, "shard", number) for number in numbers]
    found.append(measure(folder, "repeats"))
    found += [measure(folder, "again", number) for number in work.repeating()]
    found.append(measure(folder, "merge"))
    print(f"one process: {cpu:.1f} CPU s, {peak:.0f} MB")
    most = max(peak for _, peak in found)
    print(f"in shards:   {sum(cpu for cpu, _ in found):.1f} CPU s, {most:.0f} MB at most")
    same = (folder / "one.json").read_bytes() == (folder / "shards.json").read_bytes()
    print(f"equal bytes: {same}")
    return 0 if same else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=20, help="millions of rows")
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--step", nargs="+")
    asked = parser.parse_args()
    if asked.step:
        name, *numbers = asked.step
        STEPS[name](asked.folder, *map(int, numbers))
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.folder or Path(scratch)
        return compare(folder, asked.rows, asked.files, asked.shards)


if __name__ == "__main__":
    sys.exit(main())
