"""Which answers were wrong, and how often that is normal."""

from __future__ import annotations

import numpy as np
from scipy.special import chdtri

from components.model.bootstrap import time_blocks
from components.model.records import ErrorReference
from components.model.score import Array, Predictions

# A regressor is wrong where it errs by more than this share of the holdout's rows did; where misses
# are tied and less than that share is left above, by as much as that share's largest did.
_ORDINARY, _LEAST_WRONG = 0.9, 0.05
# Stretches with fewer errors than this on average say little about how errors come together.
_LEAST_ERRORS = 5
# A scale is looked at where it has so many stretches of as many labels, or of days.
_STRETCHES, _FEWEST = 20, 10
# Errors come together where that is so certain over all scales, and then as much as is this likely.
_CHANCE, _CAUTION = 0.1, 0.2
# Fewer days show too little of how they differ for a test, so that as much as is this likely is
# taken for granted: false alarms of errors that differ by days fall from 7 % to 2 %.
_FEW_DAYS, _CAUTION_FEW = 20, 0.1


def wrong_answers(y: Array, answers: Predictions, bound: float | None) -> Array:
    """Which answers were wrong, (n,) bool; one that is no number is.

    Args:
        y: (n,) class codes, or numbers for regression.
        answers: the answers, in codes.
        bound: for regression the absolute error from which on an answer is wrong; else None.

    >>> wrong_answers(np.array([1.0, 2.0]), Predictions(np.array([1.5, 3.0])), 1.0).tolist()
    [False, True]
    """
    if bound is None:
        return np.asarray(answers.prediction != y)
    return np.asarray(~(np.abs(y - answers.prediction) < bound))


def error_reference(
    y: Array, answers: Predictions, times: Array, *, regression: bool
) -> ErrorReference:
    """What the detector of concept drift takes as normal, from rows the model was not fitted on.

    Args:
        y: (n,) class codes, or numbers for regression.
        answers: the answers, in codes.
        times: (n,) datetime64 in UTC, sorted.
        regression: whether the task is regression.

    >>> times = np.arange(1000).astype("datetime64[m]")
    >>> y = np.arange(1000.0)
    >>> known = error_reference(y, Predictions(y + y % 10), times, regression=True)
    >>> known.bound, known.wrong
    (9.0, 100)
    """
    bound = None
    if regression:
        bound = _bound(np.abs(y - answers.prediction))
    wrong = wrong_answers(y, answers, bound)
    return ErrorReference(
        labels=len(wrong),
        wrong=int(wrong.sum()),
        bound=bound,
        dispersion=dispersion(wrong, times),
    )


def _bound(misses: Array) -> float:
    """The miss from which on an answer is wrong, itself one of the misses (n,).

    Where all are alike it is theirs, so that all are wrong, and nothing can be told from it.

    >>> _bound(np.array([0.0] * 5 + [1.0] * 3 + [2.0] * 2))
    2.0
    >>> _bound(np.array([0.0] * 97 + [5.0] * 3))
    5.0
    """
    ordinary = float(np.quantile(misses, _ORDINARY, method="inverted_cdf"))
    beyond = misses[misses > ordinary]
    if not len(beyond):
        return ordinary
    tied = float(np.mean(misses >= ordinary))
    # Where most rows miss by as much, it is no miss to speak of.
    few = len(beyond) < _LEAST_WRONG * len(misses)
    return ordinary if few and tied <= 0.5 else float(beyond.min())


def dispersion(wrong: Array, times: Array) -> float:
    """How much more error counts vary over stretches of time than independent errors would.

    The variance over the binomial one (McCullagh and Nelder, Generalized Linear Models, 1989,
    section 4.5), on every scale that has stretches enough, from a few dozen labels to several days
    (blocks of growing length: Flyvbjerg and Petersen, Error Estimates on Averages of Correlated
    Data, 1989); the largest counts. It is 1 unless a chi-square test on a scale says that it is
    more, at 10 % over all scales; if so, it is taken for more than it was measured, since few
    stretches measure it badly. Of 10 to 19 days it is taken for more in any case.

    Args:
        wrong: (n,) bool, in the order of time.
        times: (n,) datetime64 in UTC, sorted.

    >>> random = np.random.default_rng(1)
    >>> times = np.arange(0, 40_000, 2).astype("datetime64[m]")
    >>> dispersion(random.random(20_000) < 0.1, times)
    1.0
    >>> bad = np.repeat(np.where(random.random(100) < 0.3, 0.25, 0.05), 200)
    >>> dispersion(random.random(20_000) < bad, times) > 5
    True
    """
    rate = float(np.mean(wrong)) if len(wrong) else 0.0
    if not 0 < rate < 1:
        return 1.0
    spread = rate * (1 - rate)
    found = []
    for blocks in _scales(len(wrong), times, spread):
        sizes = np.bincount(blocks)
        counts = np.bincount(blocks, weights=wrong)
        total = float(np.sum((counts - sizes * rate) ** 2 / (sizes * spread)))
        found.append((total, len(sizes) - 1))
    level = _CHANCE / max(len(found), 1)
    days = int(_days(times)[-1]) + 1
    largest = 1.0
    for total, free in found:
        if days < _FEW_DAYS and free == days - 1:
            largest = max(largest, total / float(chdtri(free, 1 - _CAUTION_FEW)))
        elif total > float(chdtri(free, level)):
            largest = max(largest, total / float(chdtri(free, 1 - _CAUTION)))
    return largest


def _days(times: Array) -> Array:
    """The day (n,) of each row, codes without gaps."""
    return np.asarray(np.unique(times.astype("datetime64[D]"), return_inverse=True)[1])


def _scales(count: int, times: Array, spread: float) -> list[Array]:
    """For each scale the stretch (n,) that each row belongs to, codes without gaps."""
    scales = []
    size = int(np.ceil(_LEAST_ERRORS / spread))
    while count // size >= _STRETCHES:
        scales.append(np.minimum(np.arange(count) // size, count // size - 1))
        size *= 2
    days = _days(times)
    # Whole days even where they are few: errors of one day belong together.
    blocks = days if days[-1] + 1 >= _FEWEST else time_blocks(times)
    while blocks[-1] + 1 >= _FEWEST:
        if spread * count / (blocks[-1] + 1) >= _LEAST_ERRORS:
            scales.append(blocks)
        blocks = blocks // 2
    return scales
