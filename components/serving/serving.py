"""What one server process serves at this moment, shared by all that it consists of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from components.core.errors import ServingError
from components.serving.ids import Ids
from components.serving.metrics import Metrics
from components.serving.served import ServedModel

if TYPE_CHECKING:
    from components.serving.log import PredictionLog

MAX_BODY_BYTES = 16 * 2**20
# Bodies that are being received or answered may take that many times the largest one.
_BODIES = 4


@dataclass
class Serving:
    """The state of a server; it is `app.state`.

    A request takes the model from `served` once, so that a switch falls between two requests and no
    answer mixes two releases. `previous` stays loaded, for an instant return. A loading thread may
    switch while the server answers, and another reads large bodies with `ids`; all the rest belongs
    to the event loop.

    Attributes:
        served: what answers.
        log: where answered rows are logged, or None.
        max_body_bytes: larger bodies are refused.
        token: what clients have to bring as `Authorization: Bearer`, or None.
        access_log: whether each request is logged.
        counting: whether there are metrics.
        draining: whether the end has begun: not ready, and each answer ends its connection.
        previous: what answered before the last switch.
        in_flight: how many requests have begun and are not answered.
        body_bytes: how many bytes of their bodies are held.
        ids: makes the ids of requests and rows.
        metrics: what was counted.
    """

    served: ServedModel
    log: PredictionLog | None = None
    max_body_bytes: int = MAX_BODY_BYTES
    token: bytes | None = None
    access_log: bool = False
    counting: bool = True
    draining: bool = False
    previous: ServedModel | None = None
    in_flight: int = 0
    body_bytes: int = 0
    ids: Ids = field(default_factory=Ids)
    metrics: Metrics = field(init=False)

    def __post_init__(self) -> None:
        self.metrics = Metrics(self)

    @property
    def is_full(self) -> bool:
        """Whether a further request has to be sent away."""
        return self.in_flight >= self.served.spec.serving.concurrency

    def has_room(self, size: int) -> bool:
        """Whether so many more bytes of bodies can be held."""
        return self.body_bytes + size <= _BODIES * self.max_body_bytes

    def switch(self, model: ServedModel) -> None:
        """Let a loaded and proven model answer from the next request on."""
        self.previous = self.served
        self.served = model

    def back(self) -> ServedModel:
        """Let the model before the last switch answer again; returns it.

        Raises:
            ServingError: when there was none.
        """
        if self.previous is None:
            raise ServingError(f"{self.served.release} replaced nothing; there is no way back")
        self.switch(self.previous)
        return self.served
