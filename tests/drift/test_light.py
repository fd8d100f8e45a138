"""The drift path stays light: what a scan imports, and that its scoring runs."""

import subprocess
import sys

from tests.bench.verdicts._speed_data import write_file, write_reference, write_wide
from tests.bench.verdicts._speed_worker import parse, scan
from tests.bench.verdicts.speed import _run

HEAVY = {"evidently", "pandas", "scipy.stats", "sklearn"}
PROGRAM = """
import sys
import components.drift.check
from tests.bench.verdicts._speed_worker import scan
scan(*sys.argv[1:])()
print(*sorted(sys.modules))
"""


def test_neither_the_import_nor_a_scan_takes_a_heavy_library(tmp_path):
    before = write_file(tmp_path / "before.parquet", 2_000, 1)
    window = write_file(tmp_path / "window.parquet", 40_000, 2)
    profile = write_reference(tmp_path / "profile.json", before)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(window), str(profile)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert not HEAVY & set(done.stdout.split())


def test_many_columns_are_scored_by_the_same_scan(tmp_path):
    wide = write_wide(tmp_path / "wide.parquet", 45, 500, 3)
    profile = write_reference(tmp_path / "profile.json", wide)
    scan(str(wide), str(profile))()
    assert len(parse(str(profile))().columns) == 45


def test_memory_is_that_of_the_work_and_not_of_its_imports(tmp_path):
    before = write_file(tmp_path / "before.parquet", 2_000, 1)
    profile = write_reference(tmp_path / "profile.json", before)
    cost = _run("scan", before, profile)
    assert 0 <= cost.above < cost.megabytes / 2
