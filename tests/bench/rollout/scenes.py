"""What is done under traffic: to one server, to three behind a load balancer, and by a killer."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.core.errors import DriftlineError
from tests.bench.rollout.balancer import balanced
from tests.bench.rollout.fleet import ROOT, Server, wait_until
from tests.bench.rollout.stage import Event, Stage, rest, server, staged
from tests.rollouts import Built
from tests.traffic import Tally, Traffic

# Answering with failures is the very fault of this release: until it is taken back, clients see it.
OWN_FAULT = "a bad one: fails every tenth time"


@dataclass(frozen=True)
class Played:
    """What a scene came to: the clients' tallies by what was done meanwhile, and the events."""

    title: str
    tallies: dict[str, Tally]
    events: list[Event]
    wrong: list[str]
    notes: Sequence[str] = ()


def one_server(before_s: float) -> Played:
    """`driftline serve` alone: deployments good and bad, and back again."""
    with staged(guard="30s") as stage:
        spec = stage.world.folder / "spec.yaml"
        spec.write_text(stage.world.text, encoding="utf-8")
        command = ["-m", "pipelines", "serve", "--spec", str(spec), "--store", stage.world.store]
        served = server(stage, "serve", command=command)
        try:
            served.start()
            with stage.traffic(served.port, connections=8, pause_s=0.01) as traffic:
                _rollouts(stage, traffic, [served], before_s)
        finally:
            served.discard()
        return Played("One `driftline serve`", traffic.tallies, stage.events, traffic.wrong)


def three_servers(before_s: float, rounds: int) -> Played:
    """Three servers behind nginx: the same, and servers that are killed and drained."""
    with staged(guard="30s") as stage:
        fleet = [server(stage, f"server-{place}") for place in range(3)]
        try:
            for each in fleet:
                each.start()
            with (
                balanced([each.port for each in fleet]) as port,
                stage.traffic(port, connections=8, pause_s=0.01) as traffic,
            ):
                _rollouts(stage, traffic, fleet, before_s)
                for _ in range(rounds):
                    for each in fleet:
                        stage.act(
                            traffic,
                            "drain a server (SIGTERM)",
                            lambda s=each: _again(s, signal.SIGTERM),
                        )
                        stage.act(
                            traffic,
                            "kill a server (SIGKILL)",
                            lambda s=each: _again(s, signal.SIGKILL),
                        )
                stage.act(traffic, "drain a server while deploying", lambda: _both(stage, fleet))
        finally:
            for each in fleet:
                each.discard()
        return Played("Three servers behind nginx", traffic.tallies, stage.events, traffic.wrong)


def killed_deployments(times: int, seed: int) -> Played:
    """`kill -9` of the deploying process at random moments, one `driftline serve` answering."""
    chance = np.random.default_rng(seed)
    with staged(guard="1s") as stage:
        spec = stage.world.folder / "spec.yaml"
        spec.write_text(stage.world.text, encoding="utf-8")
        served = server(stage, "server")
        outcomes: list[str] = []
        try:
            served.start()
            with stage.traffic(served.port, connections=4, pause_s=0.02) as traffic:
                traffic.during("no deployment")
                whole = _timed(stage, spec)
                traffic.during("a deployment is killed")
                moments = chance.uniform(0, 1.1 * whole, times).tolist()
                outcomes += [_killed(stage, spec, moment) for moment in moments]
                traffic.during("the next one")
                outcomes.append(stage.deploy(_other(stage)))
                _serves(stage, [served])
        finally:
            served.discard()
        return Played(
            f"`kill -9` of the deploying process, {times} times",
            traffic.tallies,
            stage.events,
            traffic.wrong,
            [_counted(outcomes)],
        )


def _rollouts(stage: Stage, traffic: Traffic, fleet: Sequence[Server], before_s: float) -> None:
    first, second = stage.good
    traffic.during("before")
    rest(before_s)
    stage.act(traffic, "deploy a good release", lambda: stage.deploy(second))
    _serves(stage, fleet, second)
    for name, release in stage.bad.items():
        outcome = stage.act(traffic, f"a bad one: {name}", lambda r=release: stage.deploy(r))
        if outcome == "served":  # told as what it is, and undone, so that the rest can be played
            stage.act(traffic, "undo a bad one that stayed", lambda: _rolled_back(stage))
        _serves(stage, fleet, second)
    stage.act(traffic, "roll back", lambda: _rolled_back(stage))
    _serves(stage, fleet, first)
    traffic.during("after")
    rest(before_s)


def _rolled_back(stage: Stage) -> str:
    return stage.target.rollback(run="rollout", reason="the long proof").version


def _serves(stage: Stage, fleet: Sequence[Server], release: Built | None = None) -> None:
    """The champion is a valid release, and every server answers with it.

    Raises:
        RuntimeError: when a server does not.
    """
    champion = stage.target.champion()
    assert champion is not None
    assert release is None or champion.version == release.version
    for each in fleet:
        wait_until(
            lambda s=each: s.release() == champion.version, "a server does not have the champion"
        )


def _again(each: Server, by: signal.Signals) -> str:
    took = each.end(by)
    rest(1.0)
    each.start()
    return f"ended in {took:.1f} s, ready again"


def _both(stage: Stage, fleet: Sequence[Server]) -> str:
    """A server ends and comes back while a release is rolled out."""
    spec = stage.world.folder / "spec.yaml"
    spec.write_text(stage.world.text, encoding="utf-8")
    process = _start(stage, spec, _other(stage))
    rest(1.0)
    fleet[0].end(signal.SIGTERM)
    fleet[0].start()
    said = process.communicate(timeout=120)[0].decode().strip().splitlines()[-1]
    _serves(stage, fleet)
    return said


def _other(stage: Stage) -> Built:
    current = stage.target.current()
    return next(each for each in stage.good if current is None or each.version != current.version)


def _start(stage: Stage, spec: Path, release: Built) -> subprocess.Popen[bytes]:
    current = stage.target.current()
    module = ["-m", "tests.bench.rollout.deploy", str(spec), stage.world.store]
    return subprocess.Popen(
        [sys.executable, *module, release.version, current.version if current else ""],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _timed(stage: Stage, spec: Path) -> float:
    """How long a whole deployment takes, in seconds."""
    begin = time.monotonic()
    process = _start(stage, spec, _other(stage))
    said = process.communicate(timeout=120)[0].decode()
    assert process.returncode == 0, said
    return time.monotonic() - begin


def _killed(stage: Stage, spec: Path, after_s: float) -> str:
    """Kill a deployment after so many seconds; says how far it had come."""
    before = len(stage.target.history())
    process = _start(stage, spec, _other(stage))
    try:
        process.wait(after_s)
        return "ended before it was killed"
    except subprocess.TimeoutExpired:
        process.kill()
    finally:
        process.communicate()
    target = stage.target
    try:
        champion = target.champion()
    except DriftlineError as error:
        return f"left no valid champion: {error}"
    known = {each.version for each in stage.good}
    if champion is None or champion.version not in known:
        return "left no valid champion"
    return "left the new champion" if len(target.history()) > before else "left the old champion"


def _counted(outcomes: Sequence[str]) -> str:
    counts = {outcome: outcomes.count(outcome) for outcome in dict.fromkeys(outcomes)}
    return "; ".join(f"{count} times: {outcome}" for outcome, count in counts.items())
