"""Roll out under traffic, and count what clients saw.

    python -m tests.bench.rollout                     # everything; writes tests/bench/ROLLOUT.md
    python -m tests.bench.rollout one_server          # a scene alone, printed only
    python -m tests.bench.rollout --quick             # shorter, printed only

The exit code is 1 where a request failed that should not have, or an answer was not that of the
release which it names. nginx has to be on the path: on Debian, `apt-get install nginx-light`.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.rollout.balancer import find_nginx
from tests.bench.rollout.scenes import (
    OWN_FAULT,
    Played,
    killed_deployments,
    one_server,
    three_servers,
)
from tests.bench.verdicts.table import Demand, Section
from tests.traffic import Tally

DOCUMENT = Path(__file__).parents[1] / "ROLLOUT.md"
_HEADER = (
    *("while", "requests", "failed", "not the named release's answer", "never deployed"),
    *("p50", "p99", "slowest"),
)


def scenes(quick: bool) -> dict[str, Callable[[], Played]]:
    """The scenes by name."""
    before_s, rounds, kills = (5.0, 1, 5) if quick else (20.0, 3, 60)
    return {
        "one_server": lambda: one_server(before_s),
        "three_servers": lambda: three_servers(before_s, rounds),
        "killed_deployments": lambda: killed_deployments(kills, seed=1),
    }


def section(played: Played) -> Section:
    """A scene as a table."""
    tallies = {name: tally for name, tally in played.tallies.items() if tally.requests}
    owed = [tally for name, tally in tallies.items() if name != OWN_FAULT]
    failed = sum(tally.failed.total() for tally in owed)
    wrong = sum(tally.mixed + tally.foreign for tally in tallies.values())
    requests = sum(tally.requests for tally in tallies.values())
    events = [f"- {event.name}: {event.outcome} ({event.seconds:.1f} s)" for event in played.events]
    own = tallies.get(OWN_FAULT)
    notes = [*played.notes]
    if own:
        notes.append(
            f"A release that fails every tenth request was served until the guard took it back: "
            f"the {own.failed.total()} failures are its own."
        )
    return Section(
        played.title,
        _HEADER,
        [_row(name, tally) for name, tally in tallies.items()],
        [
            Demand("no failed request", f"{failed} of {requests:,}", not failed),
            Demand("no mixed or foreign answer", f"{wrong} of {requests:,}", not wrong),
            Demand(
                "every bad release goes back",
                "no" if _stayed(played) else "yes",
                not _stayed(played),
            ),
            Demand(
                "always a valid champion",
                "no" if any("no valid" in note for note in notes) else "yes",
                not any("no valid" in note for note in notes),
            ),
        ],
        [*notes, "\n".join(events), *played.wrong],
    )


def _stayed(played: Played) -> bool:
    return any(event.name.startswith("undo a bad one") for event in played.events)


def _row(name: str, tally: Tally) -> list[str]:
    failures = ", ".join(f"{count} {what}" for what, count in tally.failed.items()) or "0"
    times = [tally.quantile(share) for share in (0.5, 0.99, 1.0)]
    return [
        name,
        f"{tally.requests:,}",
        failures,
        str(tally.mixed),
        str(tally.foreign),
        *[f"{1000 * each:.1f} ms" for each in times],
    ]


def main() -> int:
    """Play the scenes asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=", ".join(scenes(quick=True)))
    parser.add_argument("--quick", action="store_true", help="shorter; only printed")
    given = parser.parse_args()
    known = scenes(given.quick)
    for name in given.scenes:
        if name not in known:
            parser.error(f"there is no scene {name!r}; choose from {', '.join(known)}")
    chosen = [name for name in known if name in given.scenes or not given.scenes]
    if "three_servers" in chosen and find_nginx() is None:
        parser.error("there is no nginx on the path; on Debian, 'apt-get install nginx-light'")
    begin = time.monotonic()
    sections = [section(known[name]()) for name in chosen]
    took = time.monotonic() - begin
    text = "\n".join(
        [
            "# Rollouts under traffic\n\nWritten by `python -m tests.bench.rollout`.\n",
            f"Measured on {datetime.now(UTC):%Y-%m-%d} in {took / 60:.0f} min, with "
            f"Python {platform.python_version()}. Clients keep their connections and never try "
            "again; each answer is compared with what the release that it names answers in "
            "scikit-learn.\n",
            *[each.markdown() for each in sections],
        ]
    )
    print(text)
    if not given.quick and not given.scenes:
        DOCUMENT.write_text(text, encoding="utf-8")
    return 0 if all(demand.met for each in sections for demand in each.demands) else 1


if __name__ == "__main__":
    sys.exit(main())
