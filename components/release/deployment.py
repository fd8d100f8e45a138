"""What is deployed on the local target: one document, changed by compare-and-swap alone.

A rollout that is under way stands beside the history until it is proven. So the champion is always
a release that was, and a rollout whose process was killed can be told from one that goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pydantic import Field

from components.core.errors import ConflictError, ReleaseError
from components.core.process import ProcessId
from components.core.storage import Store
from components.core.verdict import Document
from components.core.window import parse_time
from components.release.target import Deployment, Failure

OFF = timedelta(minutes=2)
"""How far the clocks of two machines may be apart."""

_ATTEMPTS = 20
_REMEMBERED = 20


class Underway(Document):
    """A rollout that is not proven yet, and who is at it.

    Who is at it says so again before `until`. He is given up once his process was seen to be gone;
    on another machine, some time past that, since its clock may be a little off.
    """

    entry: Deployment
    owner: ProcessId
    until: str

    @property
    def is_stale(self) -> bool:
        """Whether whoever began it is gone."""
        late = parse_time(self.until) + (timedelta() if self.owner.is_here else OFF)
        return self.owner.is_gone or late <= datetime.now(UTC)


class DeploymentState(Document):
    """What `deployment.json` holds: the history, whose last entry is the champion, and what failed.

    Servers follow the `pointer`: what is under way, or else the champion.
    """

    model: str
    history: list[Deployment]
    underway: Underway | None = None
    failed: list[Failure] = Field(default_factory=list)

    @property
    def champion(self) -> Deployment | None:
        """What is deployed and proven."""
        return self.history[-1] if self.history else None

    @property
    def pointer(self) -> Deployment | None:
        """What servers are to answer with."""
        return self.underway.entry if self.underway else self.champion

    def begun(self, underway: Underway) -> DeploymentState:
        """With a rollout under way; one that was under way before is given up."""
        given_up = f"given up for the {underway.entry.action} by run {underway.entry.run}"
        state = self.undone(given_up) if self.underway else self
        return state.model_copy(update={"underway": underway})

    def proven(self) -> DeploymentState:
        """With what is under way as the champion."""
        if self.underway is None:
            return self
        history = [*self.history, self.underway.entry]
        return self.model_copy(update={"history": history, "underway": None})

    def undone(self, problem: str) -> DeploymentState:
        """Without what is under way, which failed for that reason."""
        if self.underway is None:
            return self
        ended = datetime.now(UTC).isoformat(timespec="milliseconds")
        failed = Failure(entry=self.underway.entry, ended=ended, problem=problem)
        kept = [*self.failed, failed][-_REMEMBERED:]
        return self.model_copy(update={"failed": kept, "underway": None})


class DeploymentRecord:
    """`<store>/<model>/deployment.json`."""

    def __init__(self, store: Store, model: str) -> None:
        self._store = store
        self._model = model
        self.name = f"{model}/deployment.json"

    @property
    def url(self) -> str:
        """Its address."""
        return self._store.url(self.name)

    def content(self) -> bytes | None:
        """The document as it stands, or None before the first deployment."""
        return self._store.read(self.name) if self._store.exists(self.name) else None

    def read(self) -> DeploymentState:
        """What is deployed.

        Raises:
            ReleaseError: when the document is damaged.
        """
        return self.parse(self.content())

    def parse(self, content: bytes | None) -> DeploymentState:
        """What a content says.

        Raises:
            ReleaseError: when it is damaged.
        """
        if content is None:
            return DeploymentState(model=self._model, history=[])
        try:
            return DeploymentState.model_validate_json(content)
        except ValueError:
            raise ReleaseError(
                f"{self.url} is damaged; restore it from a backup, or move it away and deploy again"
            ) from None

    def change(self, step: Callable[[DeploymentState], DeploymentState]) -> DeploymentState:
        """Take one step from what is there, whatever others do at the same time.

        Args:
            step: from the state to the next one, which may be the same; it is asked again when
                somebody else wrote in between, and may raise.

        Returns:
            The state after it.

        Raises:
            ConflictError: when others write all the time.
        """
        for _ in range(_ATTEMPTS):
            content = self.content()
            before = self.parse(content)
            after = step(before)
            if after == before:
                return after
            try:
                self._store.replace(self.name, after.model_dump_json(indent=2).encode(), content)
            except ConflictError:
                continue
            return after
        raise ConflictError(f"{self.url} is written by others all the time; try again")
