"""Measure the model server beside KServe's, MLServer and BentoML.

    python -m tests.bench.serving                      # everything, a quarter of an hour
    python -m tests.bench.serving --quick              # a look, three minutes
    python -m tests.bench.serving --peers mlserver     # fewer peers
    python -m tests.bench.serving --peers ''           # driftline alone
    python -m tests.bench.serving --watched            # what metrics and prediction log cost, alone

Needs wrk (Debian: apt-get install wrk). The peers' environments are made on first use, in --cache.
A full run with all peers writes tests/bench/SERVING.md; any other is printed only. The exit code is
1 where a goal was missed. Measure on a machine that has nothing else to do.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.serving.contenders import PEERS, driftline
from tests.bench.serving.environments import default_cache, python_of
from tests.bench.serving.load import check_tools
from tests.bench.serving.measure import Choice, Plan, Result, measure, say, watch
from tests.bench.serving.report import KEPT, document, goals
from tests.bench.serving.world import KINDS, TITLES, make_world

DOCUMENT = Path(__file__).parents[1] / "SERVING.md"


def main() -> int:
    """Measure what was asked for."""
    given = _parser().parse_args()
    peers = [name for name in given.peers.split(",") if name]
    if unknown := sorted(set(peers) - set(PEERS)):
        raise SystemExit(f"there is no peer {unknown[0]!r}; choose from {', '.join(PEERS)}")
    check_tools()
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("this needs two cores: one for the server, one for the load")
    if given.watched:
        return _watched(given.seconds or 3.0, given.rounds or 5)
    for name in peers:
        python_of(name, given.cache)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="driftline-serving-") as scratch:
        plan = Plan(
            peers,
            given.seconds or (2.0 if given.quick else 5.0),
            given.rounds or (3 if given.quick else 5),
            not given.quick,
            given.cache,
            Path(scratch),
        )
        results = [_one(kind, plan, given.quick) for kind in KINDS]
        command = "python -m tests.bench.serving " + " ".join(sys.argv[1:])
        minutes = (time.monotonic() - begin) / 60
        text = document(results, plan, command.strip(), minutes)
    print(text)
    if not given.quick and set(peers) == set(PEERS):
        DOCUMENT.write_text(text, encoding="utf-8")
    return 0 if all(goal.met for result in results for goal in goals(result)) else 1


def _watched(seconds: float, rounds: int) -> int:
    """Measure what watching costs, and print it."""
    met = True
    for kind in KINDS:
        with tempfile.TemporaryDirectory(prefix="driftline-serving-") as scratch:
            plan = Plan([], seconds, rounds, False, default_cache(), Path(scratch))
            world = make_world(kind, plan.folder / kind, 5_000)
            setting = driftline(world.onnx)
            choice = Choice(setting, setting.formats[0])
            watched = watch(choice, world, plan, plan.folder / kind)
        kept = watched.on.rate / watched.off.rate
        print(f"{TITLES[kind]}: {kept:.1%} of the throughput with both off")
        met = met and kept >= KEPT
    return 0 if met else 1


def _one(kind: str, plan: Plan, quick: bool) -> Result:
    say(f"{TITLES[kind]}: training")
    world = make_world(kind, plan.folder / kind, 5_000 if quick else 20_000)
    return measure(world, plan)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.serving",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="shorter, settings not tried out; only printed")
    add("--peers", default=",".join(PEERS), help="which, with commas between (%(default)s)")
    add("--watched", action="store_true", help="only what metrics and log cost; only printed")
    add("--seconds", type=float, help="how long each run takes (5; quick: 2)")
    add("--rounds", type=int, help="how many runs each server has (5; quick: 3)")
    add("--cache", type=Path, default=default_cache(), help="the environments (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
