"""A release under guard: everything that it is held to, together.

Each criterion has its part of the chance of one in a thousand that a sound release goes back.
"""

from __future__ import annotations

from components.release.answers import Answers
from components.release.counts import Counts
from components.release.criterion import Criterion
from components.release.failures import Failures, Refusals
from components.release.latency import Latency
from components.spec.model import Guard


class Watched:
    """A release under guard.

    Args:
        champion: what was counted of the champion before the rollout; None where there was none.
        guard: the limits, from the spec.
    """

    def __init__(self, champion: Counts | None, guard: Guard) -> None:
        self.guard = guard
        self.counts = Counts()
        self._criteria: list[Criterion] = [Failures(champion, guard)]
        if champion is not None:
            self._criteria += [
                Refusals(champion),
                Latency(champion, guard.latency),
                Answers(champion, guard.effect),
            ]

    def look(self, counts: Counts) -> list[str]:
        """The reasons why the release must go back: none, as a rule.

        Args:
            counts: what was counted of it since it is watched.
        """
        self.counts = counts
        found = [criterion.judge(counts) for criterion in self._criteria]
        return [reason for reason in found if reason is not None]

    def facts(self) -> list[str]:
        """What was seen, a sentence for each criterion."""
        facts = [criterion.fact() for criterion in self._criteria]
        if len(self._criteria) == 1:
            facts.append("there was no champion to compare latency and answers with")
        return facts
