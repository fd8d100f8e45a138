"""What one server process serves at this moment, shared by all that it consists of."""

from __future__ import annotations

from dataclasses import dataclass

from components.core.errors import ServingError
from components.serving.loader import ServedModel
from components.serving.log import PredictionLog


@dataclass
class Serving:
    """The state of a server; it is `app.state`.

    A request takes the model from `served` once, so that a switch falls between two requests and no
    answer mixes two releases. `previous` stays loaded, for an instant return. A loading thread may
    switch while the server answers.

    Attributes:
        served: what answers.
        log: where answered rows are logged, or None.
        max_body_bytes: larger bodies are refused.
        draining: whether the end has begun: not ready, and each answer ends its connection.
        previous: what answered before the last switch.
    """

    served: ServedModel
    log: PredictionLog | None
    max_body_bytes: int
    draining: bool = False
    previous: ServedModel | None = None

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
