"""What was measured, in tables: printed, and written into tests/bench/SERVING.md."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from tests.bench.serving.environments import python_of, versions
from tests.bench.serving.load import CONNECTIONS
from tests.bench.serving.measure import MANY, OURS, Plan, Result, Speed
from tests.bench.serving.world import ASKED, TITLES
from tests.bench.verdicts.table import Demand, Section

TIMES = {"gradient": 10, "logistic": 5}
KEPT = 0.85
_QUARTER = 0.25
_OURS = ("scikit-learn", "onnxruntime", "numpy", "uvicorn", "uvloop", "httptools", "msgspec")
_THEIRS = ("scikit-learn", "uvicorn", "uvloop", "httptools")


def document(results: Sequence[Result], plan: Plan, command: str, minutes: float) -> str:
    """The whole report as Markdown."""
    demands = [demand for result in results for demand in goals(result)]
    parts = [_head(plan, command, minutes), goal_table(demands)]
    for result in results:
        parts += [f"## {TITLES[result.kind]}\n"]
        parts += [section.markdown() for section in sections(result)]
    return "\n".join([*parts, _versions(plan)])


def goal_table(demands: Sequence[Demand]) -> str:
    """The goals, what was measured, and whether each was met."""
    lines = ["## Goals", "", "| asked for | measured | |", "|---|---|---|"]
    lines += [
        f"| {each.text} | {each.measured} | {'met' if each.met else '**missed**'} |"
        for each in demands
    ]
    return "\n".join([*lines, ""])


def goals(result: Result) -> list[Demand]:
    """What was asked for, against what was measured of one model."""
    title, ours = TITLES[result.kind], result.one[OURS]
    peers = {name: speed for name, speed in result.one.items() if name != OURS}
    found = []
    if peers:
        found += _against(title, ours, peers, TIMES[result.kind])
    kept = result.watched.on.rate / result.watched.off.rate
    found.append(
        Demand(
            f"{title}: with metrics and prediction log at least {KEPT:.0%} of the throughput "
            "with both off",
            f"{kept:.1%}",
            kept >= KEPT,
        )
    )
    lost = result.watched.answered - result.watched.logged - result.watched.dropped
    found.append(
        Demand(
            f"{title}: every answered row is logged or counted as dropped",
            f"{result.watched.answered:,} = {result.watched.logged:,} + {result.watched.dropped:,}",
            lost == 0,
        )
    )
    quick, slow = (_median(result.cold[f"{OURS}, {name}"]) for name in ("ONNX", "scikit-learn"))
    found.append(
        Demand(
            f"{title}: ready from a cold start in at most a quarter of scikit-learn's time",
            f"{quick:.2f} s / {slow:.2f} s = {quick / slow:.2f}",
            quick <= _QUARTER * slow,
        )
    )
    failed = sum(speed.errors for speed in (ours, result.watched.on, result.watched.off))
    found.append(Demand(f"{title}: no failed request", f"{failed}", failed == 0))
    return found


def _against(title: str, ours: Speed, peers: Mapping[str, Speed], times: int) -> list[Demand]:
    best = max(peers, key=lambda name: peers[name].rate)
    ratio = ours.rate / peers[best].rate
    least = min(peers, key=lambda name: peers[name].p99_ms)
    return [
        Demand(
            f"{title}: one row at {CONNECTIONS} connections, at least {times} times the best peer",
            f"{ratio:.1f} times {best}",
            ratio >= times,
        ),
        Demand(
            f"{title}: p99 no higher than any peer's",
            f"{ours.p99_ms:.2f} ms, {least} {peers[least].p99_ms:.2f} ms",
            ours.p99_ms <= peers[least].p99_ms,
        ),
    ]


def sections(result: Result) -> list[Section]:
    """The tables of one model."""
    return [
        _speeds("One row a request", result.one, result, result.floor_one),
        _speeds(f"{MANY} rows a request", result.many, result, result.floor_many),
        _watched(result),
        _cold(result),
        _tried(result),
    ]


def _speeds(
    title: str, speeds: Mapping[str, Speed], result: Result, floor: Mapping[str, float]
) -> Section:
    ours = speeds[OURS].rate
    rows = [
        [
            name,
            f"{speed.rate:,.0f}",
            f"{ours / speed.rate:.1f}",
            f"{speed.p50_ms:.2f}",
            f"{speed.p99_ms:.2f}",
            f"{speed.errors}",
            f"{speed.per_cpu_s:,.0f}",
            " ".join(f"{each.rate:,.0f}" for each in speed.loads),
        ]
        for name, speed in speeds.items()
    ]
    rows += [
        [f"the model call itself, {name}", f"{rate:,.0f}", f"{ours / rate:.2f}", *[""] * 5]
        for name, rate in floor.items()
    ]
    header = ("server", "requests/s", "ours is times", "p50 ms", "p99 ms", "errors")
    header += ("requests a CPU second", "rounds")
    note = f"Other programs took {result.others:.0%} of the machine meanwhile."
    return Section(title, header, rows, notes=[note])


def _watched(result: Result) -> Section:
    watched = result.watched
    rows = [
        [
            name,
            f"{speed.rate:,.0f}",
            f"{speed.p50_ms:.2f}",
            f"{speed.p99_ms:.2f}",
            " ".join(f"{load.rate:,.0f}" for load in speed.loads),
        ]
        for name, speed in (("metrics and prediction log", watched.on), ("neither", watched.off))
    ]
    note = (
        f"The log took {watched.logged:,} rows and dropped {watched.dropped:,} of the "
        f"{watched.answered:,} answered. Each round has new processes."
    )
    header = ("driftline", "requests/s", "p50 ms", "p99 ms", "rounds")
    return Section("Metrics and prediction log", header, rows, notes=[note])


def _cold(result: Result) -> Section:
    quick = _median(result.cold[f"{OURS}, ONNX"])
    rows = [
        [name, f"{_median(each):.2f}", f"{quick / _median(each):.2f}"]
        for name, each in result.cold.items()
    ]
    header = ("server", "seconds to ready", "ONNX takes of it")
    note = "From the start of the process to the first 200 for readiness; files in the page cache."
    return Section("Cold start", header, rows, notes=[note])


def _tried(result: Result) -> Section:
    rows = [
        [name, what, f"{rate:,.0f}" if rate else "not tried", "taken" * (what == choice.name)]
        for name, choice in result.choices.items()
        for what, rate in choice.tried.items()
    ]
    note = "Tried for two seconds each; the quickest of a server is the one measured above."
    header = ("server", "setting and format", "requests/s", "")
    return Section("Settings", header, rows, notes=[note])


def _head(plan: Plan, command: str, minutes: float) -> str:
    return f"""# The model server beside its peers

Written by `{command}` on {datetime.now(UTC):%Y-%m-%d}, in {minutes:.0f} minutes, on a machine of
{os.cpu_count()} cores with Python {platform.python_version()}.

All servers serve the same fitted estimator, and answer {ASKED} rows as scikit-learn does before
anything is measured. Each runs on one core with one thread for the model; wrk loads it from the
other over {CONNECTIONS} connections that are kept alive, each waiting for its answer. The servers
take turns, {plan.rounds} times {plan.seconds:g} s; the figures are the medians of the rounds. The
peers run from environments of their own, without lines of access, tracing or metrics where they can
be switched off, and get arrays; which of their settings and formats is the quickest is tried first.
They have less to do than driftline's pipeline: they get the bare estimator, with the scaling before
a linear model folded into its coefficients. driftline runs as it does by default, with metrics.
"""


def _versions(plan: Plan) -> str:
    lines = ["## Versions", "", "| server | versions |", "|---|---|"]
    own = ", ".join(f"{name} {version(name)}" for name in _OURS)
    lines.append(f"| driftline | {own} |")
    for name in plan.peers:
        found = versions(python_of(name, plan.cache))
        listed = [each for each in (name, *_THEIRS) if each in found]
        lines.append(f"| {name} | {', '.join(f'{each} {found[each]}' for each in listed)} |")
    return "\n".join([*lines, ""])


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)
