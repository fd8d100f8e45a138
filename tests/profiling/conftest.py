"""A window in many files, profiled part by part and as one."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.storage import Store
from components.core.window import Window, parse_time
from components.data.ingest import ingest_window
from components.drift.check import check_drift, profile_window
from components.drift.profile import Profile, profile_arrays
from components.profiling.merging import WindowProfile, merge_parts
from components.profiling.part import count_shard
from components.profiling.plan import make_plan
from components.profiling.repeats import find_repeats
from components.profiling.work import Work
from components.schema.check import judge_schema
from components.schema.reading import read_profile
from components.spec.load import parse_spec

JANUARY = Window.parse("2024-01")
AS_OF = parse_time("2024-01-25")
CHAMPION = ("v1", "0" * 64)


@pytest.fixture(scope="session")
def reference():
    draw = np.random.default_rng(0)
    return profile_arrays(
        {
            "x": pa.array(draw.normal(0, 1, 3000)),
            "n": pa.array(draw.integers(0, 20, 3000).astype(float)),
            "c": pa.array(draw.choice(["a", "b", "7"], 3000)),
            "label": pa.array(draw.choice(["0", "1"], 3000)),
        }
    )


@dataclass(frozen=True)
class Bench:
    """A source of files, and both ways of profiling January of it."""

    folder: Path
    reference: Profile
    delay: str = "5d"

    @property
    def spec(self):
        return parse_spec(
            json.dumps(
                {
                    "model": "toy",
                    "task": "binary",
                    "metric": "roc_auc",
                    "source": {"kind": "files", "path": str(self.folder / "source")},
                    "columns": {
                        "id": "id",
                        "time": "at",
                        "target": "y",
                        "numeric": ["x", "n"],
                        "categorical": ["c"],
                    },
                    "label": {"delay": self.delay},
                    "estimator": {"class": "sklearn.linear_model.LogisticRegression"},
                }
            )
        )

    def write(self, name, rows, group=None):
        """One file: Parquet in row groups of so many rows, or CSV by its name."""
        path = self.folder / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        table = rows if isinstance(rows, pa.Table) else pa.table(rows)
        if path.suffix == ".csv":
            path.write_text(_csv(table))
        else:
            pq.write_table(table, path, row_group_size=group)

    def as_one(self):
        """The profile, and the verdicts, as monitoring comes to them."""
        data = self.folder / "window.parquet"
        report = ingest_window(self.spec, JANUARY, AS_OF, data)
        profile = profile_window(data, None, self.spec, self.reference)
        whole = WindowProfile(
            model="toy",
            champion=CHAMPION[0],
            manifest_sha256=CHAMPION[1],
            report=report,
            profile=profile,
        )
        seen = read_profile(data, report, self.spec, self.reference)
        return whole, self.verdicts(report, seen, profile)

    def in_parts(self, shards, order=1):
        """The same part by part; `order` -1 counts the shards from the last to the first."""
        plan = make_plan(self.spec, JANUARY, AS_OF, CHAMPION, self.reference, shards)
        work = Work(Store(self.folder / "store"), "toy", JANUARY, plan.key)
        numbers = range(len(plan.shards))
        for shard in numbers[::order]:
            work.keep_part(count_shard(self.spec, plan, shard, self.reference))
        work.keep_repeats(find_repeats(work.indexes(len(numbers)), work.ids, held=2))
        for shard in work.repeating():
            known = work.repeats(shard)
            work.keep_again(count_shard(self.spec, plan, shard, self.reference, known).part)
        again = work.repeating()
        parts = [work.part(shard, again=shard in again) for shard in numbers]
        whole, record = merge_parts(self.spec, plan, parts)
        assert [each.shard for each in record.shards] == list(numbers)
        work.finish(whole, record)
        whole = work.profile
        return whole, self.verdicts(whole.report, whole.for_schema(self.spec), whole.profile)

    def verdicts(self, report, seen, profile):
        schema = judge_schema(report, seen, None, self.spec, JANUARY, "v1")
        drift = check_drift(profile, self.reference, self.spec, JANUARY, "v1")
        return [verdict.model_dump_json() for verdict in (schema, drift)]


@pytest.fixture
def bench(tmp_path, reference):
    return Bench(tmp_path, reference)


def _csv(table):
    rows = [table.column_names, *(row.values() for row in table.to_pylist())]
    lines = [",".join("" if value is None else str(value) for value in row) for row in rows]
    return "\n".join(lines) + "\n"
