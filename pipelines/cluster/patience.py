"""Going on after a server that did not answer."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pipelines.cluster.refusals import UnreachedError

_Result = TypeVar("_Result")
_LONGEST_PAUSE_S = 15.0


@dataclass(frozen=True)
class Patience:
    """How long a server may be away that has answered before, and how time passes.

    `longest_s` is how long it is asked again; `pause` takes seconds, `clock` tells seconds that
    never go back: tests let time pass without waiting.
    """

    longest_s: float = 120.0
    pause: Callable[[float], object] = time.sleep
    clock: Callable[[], float] = time.monotonic
    told: Callable[[str], object] = lambda _problem: None

    def call(self, once: Callable[[], _Result]) -> _Result:
        """Do something that may be done twice, until it is done.

        Raises:
            UnreachedError: when the server was away for too long.
        """
        began = self.clock()
        attempt = 0
        while True:
            try:
                return once()
            except UnreachedError as problem:
                attempt += 1
                pause = min(_LONGEST_PAUSE_S, 2.0 ** (attempt - 1)) * random.uniform(0.75, 1.25)  # noqa: S311
                if self.clock() - began + pause > self.longest_s:
                    raise
                self.told(str(problem))
                self.pause(pause)
