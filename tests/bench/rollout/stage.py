"""What the rollouts are made of: a store, releases good and bad, and clients that keep asking."""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.core.errors import DriftlineError
from components.core.storage import Store
from components.release.package import seal
from components.release.target import Target
from components.release.targets import open_target
from tests.bench.rollout.fleet import Server
from tests.rollouts import Built, asked_requests, asked_rows, build
from tests.traffic import Traffic
from tests.worlds import World, make_world

_ROWS = 200
_PREFIXES = ["sklearn.", "tests."]
_DUMMY: dict[str, object] = {"class": "sklearn.dummy.DummyClassifier"}
SETTLE_S = 3.0


@dataclass(frozen=True)
class Event:
    """Something that was done under traffic, and how it ended."""

    name: str
    outcome: str
    seconds: float


@dataclass
class Stage:
    """A world with releases in its store.

    `good` may become champions; `bad` are by what is wrong with them. `events` is what was done.
    """

    world: World
    good: list[Built]
    bad: dict[str, Built]
    events: list[Event] = field(default_factory=list)

    @property
    def target(self) -> Target:
        """The target, opened anew as a deployment would."""
        return open_target(self.world.spec, Store(self.world.store))

    def traffic(self, port: int, **options: object) -> Traffic:
        """Clients that know what every release that may ever be asked answers.

        One that is damaged or answers its recorded rows wrongly may never be asked.
        """
        rows = asked_rows(_ROWS)
        never = ("tampered", "wrong recorded answers")
        known = [*self.good, *[each for name, each in self.bad.items() if name not in never]]
        expected = {each.version: each.answers for each in known}
        return Traffic(port, asked_requests(rows, self.world.spec), expected, **options)  # type: ignore[arg-type]

    def deploy(self, release: Built) -> str:
        """Deploy a release against whatever is the champion; returns how that ended."""
        target = self.target
        current = target.current()
        try:
            target.deploy(
                release.version,
                expected=current.version if current else None,
                run="rollout",
                reason="the long proof",
            )
        except DriftlineError as error:
            return f"{type(error).__name__}: {error}"
        return "served"

    def act(self, traffic: Traffic, name: str, action: Callable[[], str]) -> str:
        """Do something under traffic, with some time before it is said to be over."""
        traffic.during(name)
        begin = time.monotonic()
        outcome = action()
        took = time.monotonic() - begin
        rest(SETTLE_S)
        traffic.during("in between")
        self.events.append(Event(name, outcome, took))
        sys.stderr.write(f"{name}: {outcome} ({took:.1f} s)\n")
        return outcome


@contextmanager
def staged(guard: str) -> Iterator[Stage]:
    """A stage with two good releases and bad ones of every kind, the first good one deployed.

    Args:
        guard: the guard period, as the spec writes it.
    """
    with tempfile.TemporaryDirectory(prefix="driftline-rollout-") as folder:
        serving = {"proof_rows": 50, "guard": {"period": guard, "min_requests": 50}}
        estimator = {
            "class": "sklearn.linear_model.LogisticRegression",
            "allowed_prefixes": _PREFIXES,
        }
        world = make_world(Path(folder), serving=serving, estimator=estimator)
        rows = asked_rows(_ROWS)
        good = [build(world, f"2024-0{month}..2024-0{month + 2}", rows) for month in (1, 2)]
        stage = Stage(world, good, _bad(world, rows))
        assert stage.deploy(good[0]) == "served"
        yield stage


def server(stage: Stage, name: str, *, command: list[str] | None = None) -> Server:
    """A server that follows the stage's store."""
    store, model = stage.world.store, stage.world.spec.model
    default = ["-m", "components.serving.server", "--store", store, "--model", model]
    default += ["--allow-prefix", "tests."]
    return Server(command or default, stage.world.folder / f"{name}.log")


def rest(seconds: float) -> None:
    """Let the clients ask for a while."""
    threading.Event().wait(seconds)


def _bad(world: World, rows: Sequence[Mapping[str, Any]]) -> dict[str, Built]:
    window = "2024-01..2024-03"
    bad = {
        "tampered": build(world, window, rows, **_regression(C=0.3)),
        "wrong recorded answers": build(world, window, rows, **_regression(C=0.2)),
        "slow": build(world, window, rows, **_moody(slow_s=0.03)),
        "one answer for all": build(world, window, rows, **_DUMMY),
        "fails for a tenth of the rows": build(world, window, rows, **_moody(fails_every=10)),
    }
    _tamper(_folder(world, bad["tampered"]))
    _misremember(_folder(world, bad["wrong recorded answers"]))
    return bad


def _regression(**parameters: float) -> dict[str, object]:
    return {"class": "sklearn.linear_model.LogisticRegression", "parameters": parameters}


def _moody(**parameters: float) -> dict[str, object]:
    return {"class": "tests.moody.Moody", "allowed_prefixes": _PREFIXES, "parameters": parameters}


def _folder(world: World, release: Built) -> Path:
    return Path(world.store) / world.spec.model / "releases" / release.version


def _tamper(folder: Path) -> None:
    for name in ("model.onnx", "model.skops"):
        path = folder / name
        if path.exists():
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)


def _misremember(folder: Path) -> None:
    path = folder / "recorded.json"
    document = json.loads(path.read_text())
    document["probability"] = [list(reversed(row)) for row in document["probability"]]
    path.write_text(json.dumps(document))
    manifest = json.loads((folder / "manifest.json").read_text())
    seal(folder, manifest["model"], manifest["version"], {})
