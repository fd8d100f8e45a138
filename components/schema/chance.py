"""Whether something became more frequent by more than the chance of two samples explains."""

from __future__ import annotations

import math
from dataclasses import dataclass

from components.core.verdict import Answer, Finding

# Half a likelihood-ratio statistic, in nats: clean windows exceed it about once in ten million.
_NATS = 14.0
_NORMAL = 1.96


@dataclass(frozen=True)
class Chance:
    """Hits among the rows of a window, held against those of the reference.

    A likelihood-ratio test of two binomial samples (Wilks, 1938), one-sided, exact enough for few
    hits, and at a level so small that thousands of clean columns raise no alarm.

    >>> Chance(10, 1000, 0, 1000).answer, Chance(40, 1000, 0, 1000).answer
    ('no drift', 'drift')
    >>> Chance(1, 1, 0, 1000).answer
    'underpowered'
    """

    hits: int
    rows: int
    hits_before: int
    rows_before: int

    @property
    def share(self) -> float:
        """The hits' share of the window's rows."""
        return self.hits / self.rows if self.rows else 0.0

    @property
    def share_before(self) -> float:
        """The hits' share of the reference's rows."""
        return self.hits_before / self.rows_before if self.rows_before else 0.0

    @property
    def beyond(self) -> bool:
        """Whether the share grew beyond chance."""
        return self._nats(self.hits) > _NATS

    @property
    def p_value(self) -> float:
        """The chance of such an increase, or a larger one, where nothing changed."""
        nats = self._nats(self.hits)
        return 0.5 * math.erfc(math.sqrt(nats)) if nats else 1.0

    @property
    def answer(self) -> Answer:
        """`underpowered` where not even a hit in every row would have been beyond chance."""
        if self.beyond:
            return "drift"
        return "no drift" if self._nats(self.rows) > _NATS else "underpowered"

    @property
    def interval(self) -> tuple[float, float] | None:
        """The share's 95 % interval (Wilson, 1927)."""
        if not self.rows:
            return None
        spread = _NORMAL**2 / self.rows
        middle = (self.share + spread / 2) / (1 + spread)
        half = math.sqrt(self.share * (1 - self.share) * spread + spread**2 / 4) / (1 + spread)
        return max(middle - half, 0.0), min(middle + half, 1.0)

    @property
    def minimum_effect(self) -> float | None:
        """The smallest share of the window's rows that would have been beyond chance."""
        low, high = 0, self.rows
        if not self._nats(high) > _NATS:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._nats(middle) > _NATS else (middle, high)
        return high / self.rows

    def on(self, finding: Finding) -> Finding:
        """The finding with what the test behind it said."""
        return finding.model_copy(
            update={
                "value": self.share,
                "count": self.hits,
                "answer": self.answer,
                "p_value": self.p_value,
                "interval": self.interval,
                "minimum_effect": self.minimum_effect,
            }
        )

    def _nats(self, hits: int) -> float:
        """Half the likelihood-ratio statistic for that many hits; 0 where they did not grow."""
        rows, before, rows_before = self.rows, self.hits_before, self.rows_before
        if not rows or not rows_before or hits * rows_before <= before * rows:
            return 0.0
        both = (hits + before) / (rows + rows_before)
        ratio = 0.0
        for count, size in ((hits, rows), (before, rows_before)):
            for part, expected in ((count, both * size), (size - count, (1 - both) * size)):
                ratio += part * math.log(part / expected) if part else 0.0
        return max(ratio, 0.0)
