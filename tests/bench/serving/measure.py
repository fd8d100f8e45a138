"""What is measured of one model: answers, speed in turns, what watching costs, and cold starts."""

from __future__ import annotations

import os
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.bench.serving import load
from tests.bench.serving.contenders import Setting, driftline, peer
from tests.bench.serving.floor import floor
from tests.bench.serving.formats import Format
from tests.bench.serving.load import Load
from tests.bench.serving.process import Server
from tests.bench.serving.world import World

TOLERANCE = 1e-6
MANY = 100
_WARM_S = 1.0
_TRY_S = 2.0
OURS = "driftline"


@dataclass(frozen=True)
class Plan:
    """How much is measured: peers, seconds a run, rounds, and whether settings are tried out."""

    peers: Sequence[str]
    seconds: float
    rounds: int
    tune: bool
    cache: Path
    folder: Path


@dataclass(frozen=True)
class Choice:
    """A server's setting and format that were quickest, and what all that were tried reached."""

    setting: Setting
    format: Format
    tried: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The setting and format in words."""
        return f"{self.setting.name}; {self.format.name} to {self.format.path}"


@dataclass(frozen=True)
class Speed:
    """One server under load: the runs in turn, and its CPU seconds in them."""

    loads: Sequence[Load]
    cpu_s: float

    @property
    def rate(self) -> float:
        """Requests a second, the median."""
        return statistics.median(each.rate for each in self.loads)

    @property
    def p50_ms(self) -> float:
        """The median of the runs' medians."""
        return statistics.median(each.p50_ms for each in self.loads)

    @property
    def p99_ms(self) -> float:
        """The median of the runs' 99th percentiles."""
        return statistics.median(each.p99_ms for each in self.loads)

    @property
    def errors(self) -> int:
        """Failed requests of all runs."""
        return sum(each.errors for each in self.loads)

    @property
    def per_cpu_s(self) -> float:
        """Requests for each second of the server's CPU time."""
        return sum(each.requests for each in self.loads) / max(self.cpu_s, 0.01)


@dataclass(frozen=True)
class Watched:
    """Our server with prediction log and metrics, and with neither."""

    on: Speed
    off: Speed
    logged: int
    dropped: int
    answered: int


@dataclass(frozen=True)
class Result:
    """All that was measured of one model; `others` is the share of the machine others took."""

    kind: str
    choices: Mapping[str, Choice]
    one: Mapping[str, Speed]
    many: Mapping[str, Speed]
    watched: Watched
    floor_one: Mapping[str, float]
    floor_many: Mapping[str, float]
    cold: Mapping[str, Sequence[float]]
    others: float


def measure(world: World, plan: Plan) -> Result:
    """Measure one model with every server.

    Raises:
        SystemExit: when a server does not start, or answers otherwise than scikit-learn.
    """
    folder = plan.folder / world.kind
    settings = {OURS: [driftline(world.onnx)]}
    settings |= {name: peer(name, world.joblib, plan.cache, folder) for name in plan.peers}
    choices = {name: choose(given, world, plan, folder) for name, given in settings.items()}
    floor_one = floor(world, plan.seconds, 1)
    with quietness() as others, ExitStack() as stack:
        servers = {
            name: stack.enter_context(start(choice.setting, folder))
            for name, choice in choices.items()
        }
        for name, choice in choices.items():
            check(servers[name], choice.setting, choice.format, world)
        one = in_turns(servers, choices, world, plan, 1, plan.rounds)
        rounds = 2 if plan.tune else 1
        many = in_turns(servers, choices, world, plan, MANY, rounds)
    return Result(
        world.kind,
        choices,
        one,
        many,
        watch(choices[OURS], world, plan, folder),
        floor_one,
        floor(world, min(plan.seconds, 2.0), MANY),
        cold_starts(choices, world, plan, folder),
        others[0],
    )


def start(setting: Setting, folder: Path) -> Server:
    """The server of a setting, not started yet."""
    place = setting.folder or folder / setting.server
    return Server(setting.command, setting.ready, place, setting.environment)


def choose(settings: Sequence[Setting], world: World, plan: Plan, folder: Path) -> Choice:
    """The quickest of a server's settings and formats; the first of each where none are tried."""
    if not plan.tune:
        return Choice(settings[0], settings[0].formats[0])
    found: dict[float, tuple[Setting, Format]] = {}
    tried: dict[str, float] = {}
    for setting in settings:
        with start(setting, folder) as server:
            for each in setting.formats:
                check(server, setting, each, world)
                run(server, each, world, 1, _WARM_S, folder)
                rate = run(server, each, world, 1, _TRY_S, folder).rate
                found[rate] = setting, each
                tried[Choice(setting, each).name] = rate
                say(f"{world.kind} {setting.server}: {setting.name}, {each.name} {rate:,.0f}/s")
    setting, best = found[max(found)]
    return Choice(setting, best, tried)


def check(server: Server, setting: Setting, given: Format, world: World) -> None:
    """See that a server answers as scikit-learn does.

    Raises:
        SystemExit: when it does not.
    """
    for rows, expected in ((world.rows[:1], world.expected[:1]), (world.rows, world.expected)):
        body = given.body(rows)
        headers = {"content-type": "application/json", **given.headers(body)}
        status, answer = server.request("POST", given.path, body, headers)
        if status != 200:
            raise SystemExit(f"{setting.server} answers {status} to {given.name}: {answer[:500]!r}")
        difference = float(np.abs(given.read(answer) - expected).max())
        if not difference <= TOLERANCE:
            raise SystemExit(
                f"{setting.server}, {setting.name}, answers otherwise than scikit-learn: "
                f"a probability differs by {difference:.2g}"
            )


def run(
    server: Server, given: Format, world: World, rows: int, seconds: float, folder: Path
) -> Load:
    """Load one server with requests of so many rows."""
    bodies = [
        given.body(np.roll(world.rows, -position, axis=0)[:rows])
        for position in range(64 if rows == 1 else 8)
    ]
    script = folder / f"load-{server.port}.lua"
    load.write_script(script, given.path, [(body, given.headers(body)) for body in bodies])
    return load.run(script, server.port, seconds)


def in_turns(
    servers: Mapping[str, Server],
    choices: Mapping[str, Choice],
    world: World,
    plan: Plan,
    rows: int,
    rounds: int,
) -> dict[str, Speed]:
    """Load the servers one after the other, several times over."""
    loads: dict[str, list[Load]] = {name: [] for name in servers}
    spent = dict.fromkeys(servers, 0.0)
    folder = plan.folder / world.kind
    for turn in range(rounds):
        for name, server in servers.items():
            given = choices[name].format
            if turn == 0:
                run(server, given, world, rows, _WARM_S, folder)
            before = server.cpu_seconds()
            loads[name].append(run(server, given, world, rows, plan.seconds, folder))
            spent[name] += server.cpu_seconds() - before
        latest = ", ".join(f"{name} {each[-1].rate:,.0f}" for name, each in loads.items())
        say(f"{world.kind}, {rows} rows, round {turn + 1} of {rounds}: {latest} requests/s")
    return {name: Speed(loads[name], spent[name]) for name in servers}


def watch(choice: Choice, world: World, plan: Plan, folder: Path) -> Watched:
    """Our server with prediction log and metrics against the same server with neither.

    New processes each round: of two that are the same, one may be a tenth slower all its life.
    """
    store = folder / "log-store"
    settings = {
        "on": driftline(world.onnx, "--log-store", str(store), name="log and metrics"),
        "off": driftline(world.onnx, "--no-metrics", name="neither"),
    }
    choices = {name: Choice(setting, choice.format) for name, setting in settings.items()}
    loads: dict[str, list[Load]] = {name: [] for name in settings}
    spent = dict.fromkeys(settings, 0.0)
    counters = Counter[str]()
    for turn in range(plan.rounds):
        with ExitStack() as stack:
            names = list(settings)[:: 1 if turn % 2 else -1]
            servers = {name: stack.enter_context(start(settings[name], folder)) for name in names}
            # Until Arrow, which the log loads beside the first requests, is there.
            run(servers["on"], choice.format, world, 1, _TRY_S, folder)
            for name, speed in in_turns(servers, choices, world, plan, 1, 1).items():
                loads[name] += speed.loads
                spent[name] += speed.cpu_s
            counters.update(read_counters(servers["on"]))
    return Watched(
        Speed(loads["on"], spent["on"]),
        Speed(loads["off"], spent["off"]),
        counters["driftline_prediction_log_logged_rows_total"],
        counters["driftline_prediction_log_dropped_rows_total"],
        counters["driftline_rows_total"],
    )


def read_counters(server: Server) -> dict[str, int]:
    """The server's counters, summed over their labels."""
    found: dict[str, int] = {}
    for line in server.request("GET", "/metrics")[1].decode().splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            name = name.partition("{")[0]
            found[name] = found.get(name, 0) + int(float(value))
    return found


def cold_starts(
    choices: Mapping[str, Choice], world: World, plan: Plan, folder: Path
) -> dict[str, list[float]]:
    """Seconds from the start of the process to its first 200 for readiness, in turns."""
    settings = {
        "driftline, ONNX": driftline(world.onnx),
        "driftline, scikit-learn": driftline(world.skops),
        **{name: choices[name].setting for name in plan.peers},
    }
    seconds: dict[str, list[float]] = {name: [] for name in settings}
    for _ in range(3 if plan.tune else 1):
        for name, setting in settings.items():
            with start(setting, folder) as server:
                seconds[name].append(server.seconds_to_ready)
    said = ", ".join(f"{name} {statistics.median(each):.2f}" for name, each in seconds.items())
    say(f"{world.kind}, seconds to ready: {said}")
    return seconds


@contextmanager
def quietness() -> Iterator[list[float]]:
    """Puts the share of the machine that other programs took meanwhile into a list.

    Ours are this process and its children, which have all ended when the block does.
    """
    share: list[float] = []
    before, own = _machine(), os.times()
    yield share
    busy, total = (now - then for now, then in zip(_machine(), before, strict=True))
    ended = os.times()
    ours = sum(ended[:4]) - sum(own[:4])
    share.append(max(0.0, busy - ours) / total)


def _machine() -> tuple[float, float]:
    """CPU seconds that all cores were busy, and all that there were."""
    line = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
    ticks = [int(value) for value in line.split()[1:9]]
    total = sum(ticks) / os.sysconf("SC_CLK_TCK")
    return total - (ticks[3] + ticks[4]) / os.sysconf("SC_CLK_TCK"), total


def say(text: str) -> None:
    """Progress."""
    print(f"  {time.strftime('%H:%M:%S')}  {text}", flush=True)
