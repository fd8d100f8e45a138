"""Whether a release answers differently than the champion did."""

from __future__ import annotations

from components.core.words import count_of
from components.drift.columns import CategoryProfile
from components.drift.rule import Threshold, judge_categories
from components.release.counts import Counts

_ALPHA = 0.0003
# Answers are judged whenever there are so many times more of them than at the look before.
_GROWTH, _FEWEST_ROWS = 1.25, 50


class Answers:
    """The answers must not move away from the champion's by the effect or more.

    The rule is that of the drift checks, on the cells that the servers count: a population
    stability index, corrected for its bias, and tests that leave it no chance. The k-th look has
    1/k(k+1) of the level. Rows that came together are no more evidence than one, for they may
    be alike: requests count, not rows.
    """

    def __init__(self, champion: Counts, effect: float) -> None:
        self._champion = _shares(champion)
        self._effect = effect
        self._looks = 0
        self._seen = _FEWEST_ROWS / _GROWTH
        self._fact = "too few rows were answered to compare the answers with the champion's"

    def judge(self, counts: Counts) -> str | None:
        """Whether they moved that far, and that is no chance."""
        answers = _shares(counts)
        rows = sum(answers.values())
        if rows < _GROWTH * self._seen:
            return None
        self._looks, self._seen = self._looks + 1, rows
        level = _ALPHA / (self._looks * (self._looks + 1))
        evidence = judge_categories(
            *_profiles(self._champion, answers), Threshold(self._effect, level), missing=False
        )
        if evidence.psi is None or evidence.p_value is None:
            return None
        self._fact = (
            f"its answers moved away from the champion's by {evidence.psi:.2f} (population "
            f"stability index over {count_of(counts.requests, 'request')}), where less than "
            f"{self._effect:g} may be"
        )
        moved = evidence.psi >= self._effect and evidence.p_value < level
        return self._fact if moved else None

    def fact(self) -> str:
        """How far they moved."""
        return self._fact


def _shares(counts: Counts) -> dict[str, int]:
    """The answered rows by cell, scaled down to the number of requests that they came in."""
    answered = counts.requests - counts.errors - counts.refused
    scale = min(1.0, answered / counts.rows) if counts.rows else 0.0
    return {cell: round(scale * count) for cell, count in counts.answers.items()}


def _profiles(
    champion: dict[str, int], challenger: dict[str, int]
) -> tuple[CategoryProfile, CategoryProfile]:
    known = sorted(cell for cell, count in champion.items() if count)
    others = {cell: count for cell, count in challenger.items() if cell not in known}
    counts = [challenger.get(cell, 0) for cell in known]
    return (
        CategoryProfile(
            rows=sum(champion.values()), known=known, counts=[champion[cell] for cell in known]
        ),
        CategoryProfile(rows=sum(challenger.values()), known=known, counts=counts, others=others),
    )
