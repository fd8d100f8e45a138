"""One rollout on the local target: servers switch, are waited for and watched, or go back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from components.core.errors import ConflictError, DriftlineError, RolloutError
from components.core.process import ProcessId
from components.core.window import parse_duration
from components.core.words import count_of
from components.release.counts import Counts, Scrape
from components.release.deployment import DeploymentRecord, DeploymentState, Underway
from components.release.guard import watch
from components.release.recent import lately
from components.release.scrape import fetch_metrics, server_scrape
from components.release.servers import ServerNote, Servers, answering
from components.release.target import Deployment, Progress
from components.spec.model import Guard


@dataclass(frozen=True)
class Pace:
    """How long things may take, in seconds.

    `poll` is between two looks, `lease` how long a rollout is believed to go on without a sign of
    life, `confirm` how long servers may take to answer with the release, and `back` how long the
    way back is waited for.
    """

    poll: float = 0.1
    lease: float = 60.0
    confirm: float = 60.0
    back: float = 15.0


class SupersededError(DriftlineError):
    """Somebody else took over; `state` is what is deployed now."""

    def __init__(self, state: DeploymentState) -> None:
        super().__init__("somebody else deployed in between")
        self.state = state


class Switch:
    """Carries out one rollout; what goes wrong is undone before it is raised.

    Args:
        record: what is deployed.
        servers: those that follow it.
        entry: what becomes the champion.
        guard: the limits under which it is watched; None for no guard.
        pace: how long things may take.
        say: told what happens.
    """

    def __init__(
        self,
        record: DeploymentRecord,
        servers: Servers,
        entry: Deployment,
        guard: Guard | None,
        pace: Pace,
        say: Progress,
    ) -> None:
        self._record = record
        self._servers = servers
        self._entry = entry
        self._guard = guard if guard and parse_duration(guard.period) else None
        self._pace = pace
        self._say = say
        self._before: Deployment | None = None
        self._until = datetime.now(UTC)

    def make(self, admit: Callable[[DeploymentState], None]) -> Deployment:
        """Switch, wait for every server, watch, and make it the champion.

        Args:
            admit: raises where the rollout must not begin from a state.

        Returns:
            The champion's entry.

        Raises:
            RolloutError: when it failed, or did worse; what served before serves again.
            ConflictError: when somebody else deployed in between; that stays as it is.
        """
        scrape = server_scrape(self._urls)
        counted = self._count(scrape) if self._guard else {}
        self._begin(admit)
        try:
            served = self._wait()
            if served and self._guard and self._before:
                self._watch(scrape, counted)
                self._wait()
            self._record.change(lambda state: self._own(state).proven())
        except SupersededError as error:
            raise self._conflict(error.state) from None
        except DriftlineError as error:
            raise self._undone(error) from error
        except BaseException:  # Ctrl-C, or the end of the process: there may be only moments
            self._undo_at_once()
            raise
        if served:
            self._say(f"{count_of(served, 'server')} answer{'s' if served == 1 else ''} with it")
        else:
            self._say("no server is running, so nobody answers with it yet")
        return self._entry

    def _urls(self) -> list[str]:
        return [note.url for note in self._servers.live()]

    def _count(self, scrape: Scrape) -> Mapping[str, Counts]:
        """What the servers counted before the switch; of the champion what they counted lately."""
        assert self._guard is not None  # noqa: S101 # only then is it called
        if not self._servers.live():
            return {}
        try:
            counted = scrape()
            champion = self._record.read().champion
            if champion is None:
                return counted
            recent = lately(
                lambda path: fetch_metrics(self._urls(), path), champion.version, self._guard
            )
            return counted if recent is None else {**counted, champion.version: recent}
        except DriftlineError as error:
            self._say(f"the champion's figures are not known, it is not compared with: {error}")
            return {}

    def _begin(self, admit: Callable[[DeploymentState], None]) -> None:
        def begin(state: DeploymentState) -> DeploymentState:
            admit(state)
            self._before = state.champion
            return state.begun(self._mark())

        self._record.change(begin)
        self._say(f"the servers are told to answer with {self._entry.version}")

    def _mark(self) -> Underway:
        self._until = datetime.now(UTC) + timedelta(seconds=self._pace.lease)
        until = self._until.isoformat(timespec="milliseconds")
        return Underway(entry=self._entry, owner=ProcessId.own(), until=until)

    def _own(self, state: DeploymentState) -> DeploymentState:
        """The state, if this rollout still is what is under way."""
        if state.underway is None or state.underway.entry != self._entry:
            raise SupersededError(state)
        return state

    def _keep(self) -> None:
        """Go on only while this is under way, and say in time that somebody is at it."""
        self._own(self._record.read())
        if self._until - datetime.now(UTC) < timedelta(seconds=self._pace.lease / 2):
            mark = self._mark()
            self._record.change(
                lambda state: self._own(state).model_copy(update={"underway": mark})
            )

    def _pause(self, seconds: float) -> None:
        time.sleep(seconds)
        self._keep()

    def _wait(self) -> int:
        """Wait until every server answers with the release; returns how many do.

        Raises:
            RolloutError: when one refuses it, or takes too long, or loading it ended the servers.
        """
        seen: dict[str, ServerNote] = {}
        told = ""
        end = time.monotonic() + self._pace.confirm
        while True:
            self._keep()
            live = self._servers.live()
            seen |= {note.id: note for note in live}
            self._refuse_refused(live)
            found = answering([note.url for note in live])
            slow = [note.url for note in live if found[note.url].release != self._entry.version]
            if not slow:
                self._refuse_ended(seen, live)
                return len(live)
            if time.monotonic() > end:
                raise RolloutError(
                    f"the server at {slow[0]} did not answer with it within "
                    f"{self._pace.confirm:g} s: {found[slow[0]].note}"
                )
            now = f"waiting for {count_of(len(slow), 'server')} of {len(live)}: {', '.join(slow)}"
            if now != told:
                self._say(now)
                told = now
            time.sleep(self._pace.poll)

    def _refuse_refused(self, live: list[ServerNote]) -> None:
        for note in live:
            if note.refuses(self._entry):
                assert note.refused is not None  # noqa: S101 # it refuses
                raise RolloutError(f"the server at {note.url} refuses it: {note.refused.problem}")

    def _refuse_ended(self, seen: dict[str, ServerNote], live: list[ServerNote]) -> None:
        """Servers that ended are no reason to go back, unless it was all of them."""
        for server in sorted(seen.keys() - {note.id for note in live}):
            what = f"the server at {seen[server].url} ended while it was waited for"
            if not live:
                raise RolloutError(what)
            self._say(what)

    def _watch(self, scrape: Scrape, counted: Mapping[str, Counts]) -> None:
        assert self._guard is not None and self._before is not None  # noqa: S101, PT018
        judgement = watch(
            scrape,
            champion=counted.get(self._before.version),
            challenger=self._entry.version,
            guard=self._guard,
            since=counted.get(self._entry.version, Counts()),
            progress=self._say,
            pause=self._pause,
        )
        said = "; ".join(judgement.reasons)
        if judgement.verdict == "breached":
            raise RolloutError(f"it did worse under guard: {said}")
        passed = judgement.verdict == "passed"
        self._say(f"{self._entry.version} {'passed the guard' if passed else 'stays'}: {said}")

    def _undone(self, error: DriftlineError) -> DriftlineError:
        """The error to raise, once what served before serves again."""
        entry = self._entry
        why = f"{entry.action} of {entry.version} failed: {error}"
        self._say(why)
        try:
            self._record.change(lambda state: self._own(state).undone(str(error)))
        except SupersededError as superseded:
            return self._conflict(superseded.state)
        except DriftlineError as second:
            return RolloutError(
                f"{why}; and that could not be undone: {second}; the servers do it themselves in "
                "a few minutes, if they reach the store"
            )
        return RolloutError(f"{why}; {self._returned()}")

    def _returned(self) -> str:
        """Wait for the servers to go back; returns what serves now, as a sentence."""
        if self._before is None:
            return "nothing was deployed before, so nothing is now"
        version = self._before.version
        end = time.monotonic() + self._pace.back
        while True:
            found = answering([note.url for note in self._servers.live()])
            late = [url for url, answer in found.items() if answer.release != version]
            if not late:
                return f"{version} serves again" if found else f"{version} is the champion still"
            if time.monotonic() > end:
                return (
                    f"{version} is the champion again, but the server at {late[0]} has not gone "
                    f"back to it yet: {found[late[0]].note}"
                )
            time.sleep(self._pace.poll)

    def _undo_at_once(self) -> None:
        """Only say that it is undone: the servers go back by themselves."""
        with suppress(DriftlineError):
            self._record.change(lambda state: self._own(state).undone("it was interrupted"))
        self._say(f"{self._entry.version} was interrupted, and is being undone")

    def _conflict(self, state: DeploymentState) -> ConflictError:
        entry = self._entry
        return ConflictError(f"{entry.action} of {entry.version} was given up: {taken_by(state)}")


def taken_by(state: DeploymentState) -> str:
    """Who deployed what, and what follows."""
    if state.underway is not None:
        entry = state.underway.entry
        return (
            f"{entry.version} is being rolled out by run {entry.run}; wait for it, then look again"
        )
    if state.champion is None:
        return "nothing is deployed now; deploy it again"
    entry = state.champion
    return (
        f"{entry.version} is deployed now, by run {entry.run}; run the training again to compare "
        "with that"
    )
