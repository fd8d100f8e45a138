"""One measured piece of work in a process of its own: prints CPU seconds and memory.

Memory is the largest resident size, and how far it lies above that at the start. Before the start
the same work is done on a small file, so that nothing is imported after it.

python -m tests.bench.verdicts._speed_worker scan window.parquet profile.json
"""

from __future__ import annotations

import contextlib
import gc
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Work = Callable[[], Any]


def decode(path: str) -> Work:
    """Read every row group of the file, as pyarrow does if nobody says otherwise."""
    import pyarrow.parquet as pq

    def work() -> None:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                file.read_row_group(group)

    return work


def scan(path: str, reference: str) -> Work:
    """Read the saved profile and count the window in its cells, as the drift check does."""
    from components.drift.profile import Profile, profile_file

    def work() -> None:
        known = Profile.model_validate_json(Path(reference).read_text(encoding="utf-8"))
        kinds = {name: column.kind for name, column in known.columns.items()}
        numeric = [name for name, kind in kinds.items() if kind == "numeric"]
        categorical = [name for name, kind in kinds.items() if kind == "category"]
        profile_file(path, numeric, categorical, known)

    return work


def evidently(path: str, reference: str) -> Work:
    """Evidently's preset on data frames that are already in memory."""
    import warnings

    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    from tests.bench.verdicts._speed_data import CATEGORICAL, NUMERIC

    warnings.simplefilter("ignore")
    definition = DataDefinition(numerical_columns=NUMERIC, categorical_columns=CATEGORICAL)
    frames = [pd.read_parquet(name) for name in (path, reference)]
    current, before = (Dataset.from_pandas(frame, definition) for frame in frames)

    def work() -> None:
        Report([DataDriftPreset()], include_tests=True).run(current, before).dict()

    return work


def imports() -> Work:
    """What the check_drift step imports before Evidently."""

    def work() -> None:
        import components.drift.check
        import components.drift.profile  # noqa: F401  # the import is what is measured

    return work


def parse(reference: str) -> Work:
    """Read a saved profile."""
    from components.drift.profile import Profile

    text = Path(reference).read_text(encoding="utf-8")
    return lambda: Profile.model_validate_json(text)


def main() -> None:
    """Do the work named on the command line."""
    kinds: dict[str, Callable[..., Work]] = {
        "decode": decode,
        "scan": scan,
        "evidently": evidently,
        "imports": imports,
        "parse": parse,
    }
    kind, *paths = sys.argv[1:]
    if kind != "imports":
        _warm_up(kinds[kind], len(paths))
    start = _restart_peak()
    work = kinds[kind](*paths)
    begin = time.process_time()
    work()
    cpu, peak = time.process_time() - begin, _megabytes("VmHWM")
    print(json.dumps({"cpu": cpu, "megabytes": peak, "above": max(peak - start, 0.0)}))


def _warm_up(kind: Callable[..., Work], arguments: int) -> None:
    """Do the work once on a small file, for its imports."""
    from tests.bench.verdicts._speed_data import write_file, write_reference

    with tempfile.TemporaryDirectory(prefix="driftline-warm-") as name:
        window = write_file(Path(name) / "window.parquet", 1_000, 1)
        profile = write_reference(Path(name) / "profile.json", window)
        first = profile if kind is parse else window
        second = window if kind is evidently else profile
        kind(*[str(first), str(second)][:arguments])()


def _restart_peak() -> float:
    """The resident size now; the largest one is counted anew from here, where the system can."""
    gc.collect()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    return _megabytes("VmRSS")


def _megabytes(what: str) -> float:
    """A size of this process; `ru_maxrss`, where there is no other, may be of before exec."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{what}:"):
                return int(line.split()[1]) / 1000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    main()
