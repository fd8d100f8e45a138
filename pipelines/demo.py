"""The demonstration: train on real flights, deploy, then watch month after month."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from components.core.errors import ConflictError, DriftlineError, UsageError
from components.core.journal import Entry, Journal
from components.core.storage import Store
from components.core.verdict import Verdict
from components.core.window import Window, format_time
from components.release.targets import open_target
from components.spec.load import load_spec
from components.spec.model import Spec
from pipelines.console import Console
from pipelines.runs import RunRequest, run_here
from pipelines.traffic import replay_traffic
from pipelines.warm_steps import load, warm_steps

TRAINING = Window.parse("2013-01..2013-04")
MONTHS = [Window.parse(f"2013-{month:02d}") for month in range(4, 13)]


@dataclass(frozen=True)
class Month:
    """One line of the demonstration's table."""

    window: Window
    rows: str
    schema: str
    drift: str
    skew: str
    metric: str
    decision: str
    reason: str
    outcome: str
    serving: str


class Demo:
    """Plays the demonstration in a store; what an earlier start finished is not done again."""

    def __init__(self, spec_path: str, store: str, months: int, console: Console) -> None:
        self.spec: Spec = load_spec(spec_path)
        self.home = store
        self.store = Store(store)
        self.target = open_target(self.spec, self.store)
        self.windows = MONTHS[:months]
        self._console = console

    def play(self) -> Iterator[Month]:
        """Train where nothing is deployed yet, then go through the months."""
        if self.target.current() is None:
            self._run("training", TRAINING, "demo-training")
        for window in self.windows:
            run = _run_of(window)
            if not self._entries(run).keys() & {"decide", "notify"}:
                champion = self.target.require_champion()
                load("evidently.presets")  # the steps of each month would import it anew
                with self._console.task(f"{window.start:%B}: the champion answers") as update:
                    replay_traffic(
                        self.spec,
                        self.store,
                        champion,
                        window,
                        lambda sent, rows: update(f"{sent:,} of {rows:,} flights"),
                    )
            if not self._ended(run):
                self._run("monitoring", window, run)
            yield self._month(window, run)

    @property
    def ended(self) -> bool:
        """Whether nothing is left to be run."""
        runs = [_run_of(window) for window in self.windows]
        return self.target.current() is not None and all(self._ended(run) for run in runs)

    def reports(self) -> list[Path]:
        """The HTML reports, a month each."""
        folder = Path(self.store.path(f"{self.spec.model}/checks"))
        return [folder / window.key / "drift.html" for window in self.windows]

    def _run(self, pipeline: str, window: Window, name: str) -> None:
        request = RunRequest(
            pipeline=pipeline,
            spec=self.spec,
            store=self.home,
            window=window,
            as_of=format_time(window.end),
            name=name,
        )
        with self._console.task(f"{window}: {pipeline}") as update:
            run_here(request, lambda task, state: update(task) if state == "begin" else None)

    def _entries(self, run: str) -> dict[str, Entry]:
        return {entry.step: entry for entry in Journal(self.store, self.spec.model, run).entries()}

    def _ended(self, run: str) -> bool:
        told = self._entries(run).get("notify")
        return told is not None and told.status not in ("running", "failed")

    def _verdict(self, window: Window, name: str) -> Verdict:
        path = f"{self.spec.model}/checks/{window.key}/{name}.json"
        return Verdict.model_validate_json(self.store.read(path))

    def _month(self, window: Window, run: str) -> Month:
        said = self._entries(run)
        drift = self._verdict(window, "drift")
        performance = self._verdict(window, "performance")
        drifted = drift.facts.get("drifted", [])
        decided = said["decide"]
        return Month(
            window=window,
            rows=said["ingest_monitoring"].headline.split(" ")[0],
            schema=self._verdict(window, "schema_monitoring").status,
            drift=f"{len(drifted)} drifted" if drifted else drift.status,
            skew=self._verdict(window, "skew").status,
            metric=_metric(performance),
            decision=decided.status,
            reason=decided.headline,
            outcome=_outcome(said),
            serving=said["deploy"].headline if _deployed(said) else drift.champion,
        )


def _run_of(month: Window) -> str:
    return f"demo-{month.start:%Y-%m}"


def _outcome(said: dict[str, Entry]) -> str:
    if _deployed(said):
        return f"deployed: {said['evaluate'].headline}"
    if "deploy" in said:
        return f"challenger rejected: {said['deploy'].headline}"
    return f"challenger rejected: {said['evaluate'].headline}" if "evaluate" in said else ""


def _deployed(said: dict[str, Entry]) -> bool:
    return "deploy" in said and said["deploy"].status == "ok"


def _metric(verdict: Verdict) -> str:
    score, interval = verdict.facts.get("score"), verdict.facts.get("interval")
    if score is None or interval is None:
        return "too few labels"
    return f"{score:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"


def play(spec_path: str, store: str, months: int, *, fresh: bool, console: Console) -> None:
    """Play the demonstration and print its table.

    Raises:
        UsageError: for a store that is not on this disk, or that somebody else uses.
        ConflictError: when another demonstration plays in the same store.
        DriftlineError: when a step fails; starting again carries on there.
    """
    home = _home(store)
    try:
        with FileLock(home / ".demo.lock", timeout=0):
            demo = Demo(spec_path, str(store), months, console)
            _claim(home / demo.spec.model, fresh=fresh)
            with contextlib.nullcontext() if demo.ended else warm_steps():
                _show(demo, console)
    except Timeout:
        raise ConflictError(
            f"another demonstration plays in {store}; wait for it, or choose another --store"
        ) from None


def _home(store: str) -> Path:
    place = Store(store)
    if not place.is_local:
        raise UsageError(f"the demonstration plays on this disk, not in {store}; pass a folder")
    home = Path(place.path(""))
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{home} cannot be used: {error}; choose another --store") from None
    return home


def _claim(folder: Path, *, fresh: bool) -> None:
    """Make sure that the model's folder is the demonstration's own before anything is changed."""
    marker = folder / ".demo"
    if folder.exists() and not marker.exists():
        raise UsageError(
            f"{folder} holds what the demonstration did not make; choose another --store"
        )
    if fresh and folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(exist_ok=True)
    marker.touch()


def _show(demo: Demo, console: Console) -> None:
    metric = demo.spec.metric
    console.say(f"{demo.spec.model}: training on {TRAINING}, then month by month")
    header = _row("month", "rows", "schema", "drift", "skew", metric, "decision", "serving")
    console.say(header)
    for month in demo.play():
        console.say(
            _row(
                f"{month.window.start:%Y-%m}",
                month.rows,
                month.schema,
                month.drift,
                month.skew,
                month.metric,
                month.decision,
                month.serving,
            )
        )
        console.say(f"         {month.reason}")
        if month.outcome:
            console.say(f"         {month.outcome}")
    _farewell(demo, console)


def _row(*cells: str) -> str:
    widths = (7, 7, 7, 11, 6, 21, 8, 19)
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def _farewell(demo: Demo, console: Console) -> None:
    console.say("\nReports:")
    for path in demo.reports():
        console.say(f"  {path.resolve().as_uri()}")
    current = demo.target.current()
    if current is None:  # the farewell follows a deployment
        raise DriftlineError("nothing is deployed; run the demonstration again with --fresh")
    card = Path(demo.store.path(f"{demo.spec.model}/releases/{current.version}/card.html"))
    console.say(f"Model card of the champion:\n  {card.resolve().as_uri()}")
    console.say("\nTry next:")
    flags = f"--store {demo.home}"
    for command in (
        f"driftline releases list {flags}",
        f"driftline run monitoring --window 2013-10 {flags}",
        f"driftline serve {flags} --port 8080",
        f"driftline releases rollback {flags}",
    ):
        console.say(f"  .venv/bin/{command}")
