"""Score the guard: how often a sound release goes back, and how soon a bad one does.

    python -m tests.bench.guard_score            # writes tests/bench/GUARD.md
    python -m tests.bench.guard_score --quick    # a look, printed only

Each guard period is drawn second by second, and judged by what judges real ones. The exit code is
1 where a demand was missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv

from components.release.watched import Watched
from components.spec.model import Guard
from tests.bench.guard_worlds import Traffic, history, seconds_of
from tests.bench.verdicts.table import Demand, Section

DOCUMENT = Path(__file__).with_name("GUARD.md")
_SEED = 4_000_000
_PERIOD_S = 60
_PART = 250
# What is asked of bad releases: their name, the share that goes back, and within how many requests
# nineteen of twenty of these do, at up to 50 requests a second.
_ASKED = (
    ("a release that fails everything is caught at the first look", "all fail", 1.0, 75),
    ("one that fails 10 % within a few hundred requests", "10 % fail", 0.999, 400),
    ("one that is 5 times slower, within the period", "5 times slower", 0.9, 3000),
    ("one that is 10 times slower, within a few hundred requests", "10 times slower", 0.99, 600),
    ("answers moved by twice the effect, within a few hundred", "answers moved by 0.5", 0.99, 600),
    ("one that answers everything alike", "one answer for all", 0.99, 400),
    ("one that refuses everything", "all refused", 1.0, 75),
    ("one that refuses a third, within a few hundred", "a third refused", 0.999, 400),
)


@dataclass(frozen=True)
class World:
    """A champion with so many requests behind it, and a challenger."""

    name: str
    champion: Traffic
    challenger: Traffic
    before: int = 10_000


class Found(NamedTuple):
    """How one guard period ended: whether the release goes back, after how much, and why."""

    breached: bool
    requests: int
    seconds: int
    reason: str


def sound_worlds() -> list[World]:
    """Releases that answer as the champion does, or differ less than the guard allows."""
    plain = Traffic()
    same = {
        "0.2 % of both fail": replace(plain, errors=0.002),
        "1 % of both fail": replace(plain, errors=0.01),
        "5 % of both fail": replace(plain, errors=0.05),
        "long tail of latency": replace(plain, spread=1.2),
        "a second in 50 all stands still": replace(plain, hiccups=0.02),
        "120 cells": replace(plain, cells=(1 / 120,) * 120),
        "60 cells, most of them rare": replace(plain, cells=_zipf(60)),
        "2 classes, 99 to 1": replace(plain, cells=(0.99, 0.01)),
        "100 rows a request, all alike": replace(plain, batch=100),
        "a tenth of both refused": replace(plain, refused=0.1),
    }
    unlike = {
        "up to twice as slow": plain.slower(2),
        "a second in 50 all stands still, not with the champion": replace(plain, hiccups=0.02),
        "0.5 % fail, none of the champion's": replace(plain, errors=0.005),
        "answers moved by 0.05": plain.moved(0.05),
        "answers moved by 0.1": plain.moved(0.1),
        "5 % refused, none by the champion": replace(plain, refused=0.05),
    }
    rates = {f"{rate} requests a second": replace(plain, rate=rate) for rate in (2, 50, 500)}
    return [
        *_alike(rates, (100, 1_000, 100_000)),
        *_alike(same, (300, 10_000)),
        *[World(name, plain, traffic) for name, traffic in unlike.items()],
    ]


def bad_worlds() -> list[World]:
    """Releases that must go back."""
    plain = Traffic()
    bad = {
        "all fail": replace(plain, errors=1.0),
        "10 % fail": replace(plain, errors=0.1),
        "3 % fail": replace(plain, errors=0.03),
        "5 times slower": plain.slower(5),
        "10 times slower": plain.slower(10),
        "answers moved by 0.5": plain.moved(0.5),
        "answers moved by 1": plain.moved(1.0),
        "one answer for all": replace(plain, cells=(1.0,) + (0.0,) * 19),
        "all refused": replace(plain, refused=1.0),
        "a third refused": replace(plain, refused=0.33),
    }
    return [
        World(
            f"{name}; {rate:g} a second, champion {before:,}",
            replace(plain, rate=rate),
            replace(traffic, rate=rate),
            before,
        )
        for name, traffic in bad.items()
        for rate, before in ((10, 1_000), (50, 10_000), (500, 100_000))
    ]


def _alike(traffics: dict[str, Traffic], befores: Sequence[int]) -> list[World]:
    return [
        World(f"{name}, champion {before:,}", traffic, traffic, before)
        for name, traffic in traffics.items()
        for before in befores
    ]


def _zipf(cells: int) -> tuple[float, ...]:
    shares = np.arange(1, cells + 1) ** -2.0
    return tuple((shares / shares.sum()).tolist())


def run(task: tuple[World, int, int]) -> list[Found]:
    """Draw and judge so many guard periods of a world."""
    world, seed, times = task
    rng = np.random.default_rng([_SEED, seed])
    return [period(world, rng) for _ in range(times)]


def period(world: World, rng: np.random.Generator) -> Found:
    """One guard period."""
    watched = Watched(history(world.champion, rng, world.before), Guard())
    for second, counts in enumerate(seconds_of(world.challenger, rng, _PERIOD_S), 1):
        if reasons := watched.look(counts):
            return Found(True, counts.requests, second, reasons[0])
    return Found(False, watched.counts.requests, _PERIOD_S, "")


def measure(times: tuple[int, int], processes: int) -> list[Section]:
    """Draw so many guard periods of every sound world, and so many of every bad one."""
    sound, bad = sound_worlds(), bad_worlds()
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        found = _drawn(pool, [*sound, *bad], [times[0]] * len(sound) + [times[1]] * len(bad))
    return [_false_alarms(sound, found), _power(bad, found)]


def _drawn(
    pool: ProcessPoolExecutor, worlds: Sequence[World], times: Sequence[int]
) -> dict[str, list[Found]]:
    tasks = [
        (world, 1000 * place + part, min(_PART, count - part * _PART))
        for place, (world, count) in enumerate(zip(worlds, times, strict=True))
        for part in range(-(-count // _PART))
    ]
    found: dict[str, list[Found]] = {world.name: [] for world in worlds}
    for task, drawn in zip(tasks, pool.map(run, tasks), strict=True):
        found[task[0].name] += drawn
    return found


def _false_alarms(worlds: Sequence[World], found: dict[str, list[Found]]) -> Section:
    rows, bounds = [], []
    for world in worlds:
        periods = found[world.name]
        hits = [each for each in periods if each.breached]
        bounds.append(_upper(len(hits), len(periods)))
        why = hits[0].reason if hits else ""
        counted = f"{len(hits)} of {len(periods):,}"
        rows.append([world.name, counted, f"{100 * bounds[-1]:.3f} %", why])
    together = [each.breached for world in worlds for each in found[world.name]]
    worst = f"{100 * max(bounds):.3f} % at most"
    return Section(
        "Sound releases that went back",
        ["the release and its champion", "went back", "upper 95 % bound", "why"],
        rows,
        [
            Demand(
                "at most 1 guard period in 1,000, by the upper 95 % bound, in every world",
                worst,
                max(bounds) <= 0.001,
            ),
        ],
        [
            "A guard period is 60 s with a look each second, with the spec's defaults. Where "
            "nothing else is said both sides have 50 requests a second, 10,000 of the champion's "
            f"before, and answer alike. In all worlds together: {sum(together)} of "
            f"{len(together):,}, upper 95 % bound "
            f"{100 * _upper(sum(together), len(together)):.4f} %."
        ],
    )


def _power(worlds: Sequence[World], found: dict[str, list[Found]]) -> Section:
    rows = []
    for world in worlds:
        periods = found[world.name]
        hits = [each for each in periods if each.breached]
        requests = sorted(each.requests for each in hits) or [0]
        late = [requests[len(requests) // 2], requests[int(0.95 * (len(requests) - 1))]]
        share = f"{100 * len(hits) / len(periods):.1f} %"
        median_s = f"{np.median([each.seconds for each in hits]):.0f} s" if hits else "-"
        rows.append([world.name, share, *[f"{each:,}" for each in late], median_s])
    return Section(
        "Bad releases that went back",
        ["the release", "went back", "requests, median", "requests, 95 %", "after, median"],
        rows,
        [_demand(text, worlds, found, *asked) for text, *asked in _ASKED],
        [
            "A look comes each second, so that at 500 requests a second nothing is found in fewer "
            "than 500. Latency needs five seconds at least, so that a machine that stands still "
            "for a moment does not send a release back."
        ],
    )


def _demand(
    text: str,
    worlds: Sequence[World],
    found: dict[str, list[Found]],
    name: str,
    least: float,
    most: int,
) -> Demand:
    periods = [
        each for world in worlds if world.name.startswith(name) for each in found[world.name]
    ]
    share = sum(each.breached for each in periods) / len(periods)
    slow = [w for w in worlds if w.name.startswith(name) and w.challenger.rate <= 50]
    requests = [each.requests for world in slow for each in found[world.name] if each.breached]
    late = int(np.quantile(requests, 0.95)) if requests else sys.maxsize
    measured = f"{100 * share:.1f} %, 95 % of them within {late:,} requests"
    return Demand(text, measured, share >= least and late <= most)


def _upper(hits: int, times: int) -> float:
    return float(betaincinv(hits + 1, times - hits, 0.95))


def main() -> int:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer periods; only printed")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    begin = time.monotonic()
    sections = measure((100, 20) if given.quick else (5000, 500), given.processes)
    took = time.monotonic() - begin
    text = "\n".join(
        [
            "# The guard, scored\n\nWritten by `python -m tests.bench.guard_score`.\n",
            f"Measured on {datetime.now(UTC):%Y-%m-%d} in {took / 60:.0f} min.\n",
            *[section.markdown() for section in sections],
        ]
    )
    print(text)
    if not given.quick:
        DOCUMENT.write_text(text, encoding="utf-8")
    return 0 if all(demand.met for each in sections for demand in each.demands) else 1


if __name__ == "__main__":
    sys.exit(main())
