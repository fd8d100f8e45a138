"""Score the checks, and write the table.

    python -m tests.bench.verdicts                  # everything
    python -m tests.bench.verdicts power concept    # these parts alone
    python -m tests.bench.verdicts --quick          # a look, in a few minutes

The parts are written into tests/bench/VERDICTS.md one by one; those not measured stay as they are.
A quick run is printed only. The exit code is 1 where a demand was missed.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.verdicts.table import Scale, put

PARTS = (
    "false_alarms",
    "power",
    "accuracy",
    "concept",
    "schema",
    "skew",
    "speed",
    "variation",
    "flights",
)
DOCUMENT = Path(__file__).parents[1] / "VERDICTS.md"


def main() -> int:
    """Measure the parts asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="fewer resamples; only printed")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    unknown = sorted(set(given.parts) - set(PARTS))
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; choose from {', '.join(PARTS)}")
    missed = 0
    for name in [part for part in PARTS if part in given.parts or not given.parts]:
        begin = time.monotonic()
        part = importlib.import_module(f"tests.bench.verdicts.{name}")
        sections = part.measure(Scale(given.quick, given.processes))
        took = time.monotonic() - begin
        when = f"Measured on {datetime.now(UTC):%Y-%m-%d} in {took / 60:.0f} min."
        texts = [section.markdown() for section in sections]
        print("\n".join(texts), flush=True)
        if not given.quick:
            title = f"## {name.replace('_', ' ').capitalize()}"
            put(DOCUMENT, name, "\n\n".join([title, when, *texts]), PARTS)
        missed += sum(not demand.met for section in sections for demand in section.demands)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
