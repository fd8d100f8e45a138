"""Whatever is done in whatever order, there is one valid champion, and it was deployed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.errors import ConflictError, ReleaseError
from components.core.storage import Store
from components.release.local import LocalTarget
from components.release.package import seal
from components.release.switch import Pace

VERSIONS = ("v1", "v2", "v3", "v4")
# Nobody waits for a process that was killed.
PACE = Pace(poll=0.001, lease=0.0, confirm=1.0, back=1.0)


class KilledError(BaseException):
    """The process is gone: nothing is caught, and nothing is cleaned up."""


class DyingStore(Store):
    """A store whose process is killed right before or after one of its writes.

    Args:
        address: where it is.
        writes: how many writes succeed.
        after: whether the next one reaches the store as well.
    """

    def __init__(self, address: Path, writes: int, after: bool) -> None:
        super().__init__(address)
        self._left = writes
        self._after = after
        self._dead = False

    def write(self, name: str, data: bytes) -> None:
        self._once(super().write, name, data)

    def create(self, name: str, data: bytes) -> bool:
        return bool(self._once(super().create, name, data))

    def replace(self, name: str, data: bytes, expected: bytes | None) -> None:
        self._once(super().replace, name, data, expected)

    def delete(self, name: str) -> None:
        self._once(super().delete, name)

    def read(self, name: str) -> bytes:
        self._live()
        return super().read(name)

    def _once(self, action: Callable[..., Any], *arguments: Any) -> Any:
        self._live()
        self._left -= 1
        if self._left >= 0:
            return action(*arguments)
        self._dead = True
        if self._after:
            action(*arguments)
        raise KilledError

    def _live(self) -> None:
        if self._dead:
            raise KilledError


class Rollouts:
    """Deployments and rollbacks, refused, killed and done, of releases sound and tampered with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tampered: set[str] = set()
        self.tried: set[str] = set()
        self.known: list[str] = []
        target = self.target()
        for version in VERSIONS:
            packaged = self.folder / f"packaged-{version}"
            packaged.mkdir()
            (packaged / "card.md").write_text(version)
            seal(packaged, "flights", version, {})
            target.releases.publish(packaged)

    def target(self, store: Store | None = None) -> LocalTarget:
        return LocalTarget(store or Store(self.folder / "store"), "flights", pace=PACE)

    def repaired(self) -> str | None:
        """The champion once what was killed is ended: a rollback is done, a deployment undone."""
        self.target().repair()
        return self.champion

    @property
    def champion(self) -> str | None:
        current = self.target().current()
        return current.version if current else None

    def deploy(self, version: str, against: str) -> None:
        before = self.repaired()
        expected = before if against == "champion" else against
        self.tried.add(version)
        try:
            self.target().deploy(version, expected=expected, run="r", reason="because")
        except ConflictError:
            assert expected != before
        except ReleaseError:
            assert version in self.tampered
        else:
            assert self.champion == version
            assert version == before or (expected == before and version not in self.tampered)
            return
        assert self.champion == before

    def roll_back(self, to: str | None) -> None:
        before = self.repaired()
        try:
            entry = self.target().rollback(to, run="r", reason="because")
        except ReleaseError:
            assert self.champion == before
        else:
            assert self.champion == entry.version == (to or entry.version)
            assert entry.version not in self.tampered
            assert entry.version in self.known

    def kill(self, version: str, back: bool, writes: int, after: bool) -> None:
        before = self.repaired()
        target = self.target(DyingStore(self.folder / "store", writes, after))
        try:
            if back:
                target.rollback(version, run="killed", reason="because")
            else:
                self.tried.add(version)
                target.deploy(version, expected=before, run="killed", reason="because")
        except (KilledError, ReleaseError):
            pass
        assert self.champion in (before, version)

    def tamper(self, version: str) -> None:
        if version != self.repaired():
            self.card(version).write_text("forged")
            self.tampered.add(version)

    def restore(self, version: str) -> None:
        self.card(version).write_text(version)
        self.tampered.discard(version)

    def check(self) -> None:
        """One valid champion, and a deployment put it there."""
        history = self.target().history()
        versions = [entry.version for entry in history]
        assert versions[: len(self.known)] == self.known, "the history only grows"
        assert {entry.version for entry in history if entry.action == "deploy"} <= self.tried
        for place, entry in enumerate(history):
            assert entry.action == "deploy" or entry.version in versions[:place]
        self.known = versions
        if history:
            champion = self.target().champion()
            assert champion is not None
            assert champion.version == versions[-1]

    def card(self, version: str) -> Path:
        return self.folder / "store" / "flights" / "releases" / version / "card.md"


RELEASE = st.sampled_from(VERSIONS)
STEPS = st.one_of(
    st.tuples(st.just("deploy"), RELEASE, st.sampled_from([*["champion"] * 6, *VERSIONS])),
    st.tuples(st.just("deploy"), RELEASE, st.just("champion")),
    st.tuples(st.just("roll_back"), st.sampled_from([None, None, *VERSIONS])),
    st.tuples(st.just("kill"), RELEASE, st.booleans(), st.integers(0, 7), st.booleans()),
    st.tuples(st.just("tamper"), RELEASE),
    st.tuples(st.just("restore"), RELEASE),
)


@settings(max_examples=20, deadline=None)
@given(st.lists(STEPS, min_size=6, max_size=20))
def test_one_valid_champion_whatever_is_done(steps: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory(prefix="driftline-sequences-") as folder:
        rollouts = Rollouts(Path(folder))
        for name, *arguments in steps:
            getattr(rollouts, name)(*arguments)
            rollouts.check()
