"""Evidence that may be looked at after every request, and acted upon at any time.

Each number here is the wealth of a gambler who bets against a release being sound and whose
stakes would on average not grow if it were. By Ville's inequality (1939) the wealth of a gambler
in a fair game ever exceeds 1/alpha with a chance of at most alpha, however often one looks. Robbins
(1970) made tests of that; Ramdas, Gruenwald, Vovk and Shafer (2023) survey them.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import betaincc, betaincinv, betaln

# What part of all it has the gambler of each account stakes on the next block.
_STAKES = np.array([0.05, 0.15, 0.4, 0.8])
# A block counts as exceeding the allowed share so many times at most, so that it takes several.
_MOST = 10.0


def excess(failures: float, trials: float, allowed: float) -> float:
    """The evidence that trials fail more often than allowed.

    A mixture of likelihood ratios over all rates above the allowed one, evenly weighed (Robbins,
    1970). It holds for any order of trials whose chance to fail never exceeded what is allowed.

    Args:
        failures: how many failed.
        trials: of how many.
        allowed: the share that may fail.

    Returns:
        The logarithm of the wealth: above -log(alpha) with a chance of at most alpha if no more
        than the allowed share fails, ever.

    >>> round(excess(3, 3, 0.01), 1), excess(1, 100, 0.01) < 0
    (12.4, True)
    """
    if allowed <= 0:
        return math.inf if failures else 0.0
    if allowed >= 1:
        return 0.0
    passed = trials - failures
    share = float(betaincc(1 + failures, 1 + passed, allowed))
    if share <= 0:
        return -math.inf
    fair = failures * math.log(allowed) + passed * math.log1p(-allowed) + math.log1p(-allowed)
    return float(betaln(1 + failures, 1 + passed)) + math.log(share) - fair


class BlockBets:
    """The evidence that more than an allowed share exceeds something, block by block.

    A block counts as one observation, its share, for its requests may be slow together: a busy
    moment is little evidence, many are a lot. The chance that a bet wins need not be known, only
    that its mean share is no larger than allowed (Waudby-Smith and Ramdas, 2024).

    >>> bets = BlockBets(allowed=0.01)
    >>> for _ in range(6):
    ...     bets.add(20, 200)
    >>> bets.evidence > 9
    True
    """

    def __init__(self, allowed: float) -> None:
        self._allowed = allowed
        self._wealth = np.zeros(_STAKES.size)
        self._usual = 0.0

    def add(self, exceeding: float, trials: float) -> None:
        """Bet on a block in which so many of the trials exceeded it.

        A block with fewer trials than usual weighs less: where clients wait for their answers, a
        moment in which all stood still has few.
        """
        if trials <= 0:
            return
        weight = min(1.0, trials / self._usual) if self._usual else 1.0
        times = min(exceeding / trials / self._allowed, _MOST)
        gain = weight * (times - 1)
        self._wealth += np.log1p(_STAKES * gain)
        self._usual = (self._usual + trials) / 2 if self._usual else trials

    @property
    def evidence(self) -> float:
        """The logarithm of the wealth, of all accounts together."""
        top = float(self._wealth.max())
        return top + math.log(float(np.mean(np.exp(self._wealth - top))))


def upper_share(count: float, trials: float, alpha: float) -> float:
    """The largest share that so many of the trials leave likely (Clopper and Pearson, 1934).

    Args:
        count: how many of the trials.
        trials: of how many.
        alpha: the chance that the true share is larger.

    >>> round(upper_share(0, 300, 0.05), 3)
    0.01
    """
    if trials <= 0 or count >= trials:
        return 1.0
    return float(betaincinv(count + 1, trials - count, 1 - alpha))
