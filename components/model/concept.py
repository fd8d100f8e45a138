"""The sequential detector of concept drift: has the champion's error rate risen, and since when?

Of every label in the order of event time one thing is asked: was the answer wrong? The statistic is
Shiryaev and Roberts's, R(n) = (1 + R(n-1)) q(x) / p(x): the evidence, added over every label at
which the rate may have risen from p to q (Shiryaev, On Optimum Methods in Quickest Detection
Problems, 1963; Roberts, A Comparison of Some Control Chart Procedures, 1966; Pollak and Siegmund,
Approximations to the Expected Sample Size of Certain Sequential Tests, 1975). It is averaged over a
few q. While nothing changes R(n) - n is a martingale, so that an alarm at R(n) >= A comes after at
least A labels on average, and within N labels with a chance of at most N / A (Doob).

Two things make that hold on real labels:

- p is known from the holdout alone. So p is the predictive rate of a Beta posterior that goes on
  learning from the stream: R(n) - n is then a martingale on average over what p may be. It never
  goes below the holdout's rate, so that an improvement is never a reason to alarm when it ends, and
  never above what the holdout leaves possible, so that a slow rise is not learned as normal.
- Errors of one day or one hour come together. All evidence is divided by the `dispersion`, the
  variance of counts over the binomial one (McCullagh and Nelder, Generalized Linear Models, 1989,
  section 4.5); it is 1 where labels are independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field
from scipy.special import betaincinv

from components.core.verdict import Document
from components.model.records import ErrorReference
from components.model.score import Array

# The rises that are looked for, as ratios of the odds of an error, and how much each one counts.
# From 0.10 they are 0.15, 0.20 and 0.31; a rise by less than half of the first is no evidence.
ODDS_RATIOS = (1.6, 2.25, 4.0)
WEIGHTS = (0.10, 0.86, 0.04)
# The error rate is never taken for more than what the holdout leaves this chance of being exceeded.
_DOUBT = 0.001
# A rise has to go beyond what is doubtful by this ratio of the odds at least.
_BEYOND = 1.2
# The detector starts as if so many labels had passed, because the change may be older than it is
# (Polunchenko and Tartakovsky, On Optimality of the Shiryaev-Roberts Procedure, 2010).
_HEAD_START = 500
# Labels looked at together: few enough to fit the processor's cache.
_CHUNK = 1 << 15


class Trail(Document):
    """The evidence for one rate since the detector began, all in logarithms.

    `likelihood` is the sum of log q(x)/p(x); `starts` the log of the sum, over all labels k so far,
    of its inverse before k, so that R = exp(likelihood + starts). `lowest` is the least
    likelihood, and `since` the event time of the label after it, the most likely change;
    `since_label` labels lay before that one, and `since_wrong` errors among them.
    """

    likelihood: float
    starts: float
    lowest: float
    since: int
    since_label: int
    since_wrong: int


class Alarm(Document):
    """R(n) reached the threshold at label `labels`, the one at event time `at`.

    `since` is the event time from which on the rate `rate` explains the errors best, and
    `since_label` the number of labels before it; times are microseconds since 1970 in UTC.
    `observed` is the share of errors from there to the alarm.
    """

    labels: int
    at: int
    since_label: int
    since: int
    rate: float
    observed: float


class Stream(Document):
    """Where a detector stands: labels and errors seen, the evidence for each rate, and the alarm.

    After an alarm nothing is added any more. Equal labels give an equal state, however they were
    cut into pieces.
    """

    labels: int = 0
    wrong: int = 0
    trails: list[Trail] = Field(default_factory=list)
    alarm: Alarm | None = None


@dataclass(frozen=True)
class Detector:
    """The detector for one champion: what is normal, what is looked for, and when to alarm.

    Args:
        reference: the errors on the holdout.
        run_length: the threshold A: while nothing changes, at least so many labels pass between
            two alarms on average.

    >>> detector = Detector(ErrorReference(labels=10_000, wrong=1000), run_length=2_000_000)
    >>> [round(rate, 3) for rate in detector.rates]
    [0.151, 0.2, 0.308]
    >>> random = np.random.default_rng(0)
    >>> calm = detector.advance(Stream(), random.random(5000) < 0.10, np.arange(5000))
    >>> later = detector.advance(calm, random.random(5000) < 0.20, np.arange(5000, 10_000))
    >>> calm.alarm, 5000 < later.alarm.labels < 5400, 4900 < later.alarm.since < 5100
    (None, True, True)
    """

    reference: ErrorReference
    run_length: float

    @property
    def _prior(self) -> tuple[float, float]:
        """The Beta posterior of the error rate after the holdout, from Jeffreys's prior."""
        known = self.reference
        return (
            known.wrong / known.dispersion + 0.5,
            (known.labels - known.wrong) / known.dispersion + 0.5,
        )

    @property
    def expected(self) -> float:
        """The error rate that the holdout leads to expect."""
        wrong, right = self._prior
        return wrong / (wrong + right)

    @property
    def highest(self) -> float:
        """The highest error rate that the holdout leaves possible, but for one in a thousand."""
        return float(betaincinv(*self._prior, 1 - _DOUBT))

    @property
    def rates(self) -> list[float]:
        """The error rates that are looked for."""
        least = times_odds(self.highest, _BEYOND)
        return [max(times_odds(self.expected, ratio), least) for ratio in ODDS_RATIOS]

    @property
    def labels_needed(self) -> int:
        """About how many labels a rise to the middle one of the rates takes to be found."""
        rate, normal = self.rates[1], self.expected
        gain = rate * np.log(rate / normal) + (1 - rate) * np.log((1 - rate) / (1 - normal))
        return int(np.ceil(self.reference.dispersion * self._threshold / gain))

    @property
    def _threshold(self) -> float:
        """What log R(n) has to reach; the head start must not shorten the run length."""
        return float(np.log(self.run_length + _HEAD_START))

    def statistic(self, stream: Stream) -> float:
        """R(n): how many labels it takes until chance alone leads as far."""
        logs = [
            np.log(weight) + trail.likelihood + trail.starts
            for weight, trail in zip(WEIGHTS, stream.trails, strict=False)
        ]
        return float(np.exp(np.logaddexp.reduce(logs))) if logs else 0.0

    def advance(self, stream: Stream, wrong: Array, times: Array) -> Stream:
        """Take in further labels, up to the first alarm.

        Args:
            stream: where the detector stands.
            wrong: (n,) whether the answers were wrong, in the order of event time.
            times: (n,) the event times, microseconds since 1970 in UTC.
        """
        rates = np.array(self.rates)
        logs = np.log(np.stack([1 - rates, rates], axis=1))
        for start in range(0, len(wrong), _CHUNK):
            if stream.alarm:
                break
            part = slice(start, start + _CHUNK)
            stream = self._advance(stream, wrong[part].astype(np.int64), times[part], logs)
        return stream

    def _advance(self, stream: Stream, wrong: Array, times: Array, logs: Array) -> Stream:
        """The same for a few labels; every sum goes label by label, so the cuts do not matter."""
        path, opened = self._paths(stream, wrong, logs)
        weighted = path[:, 1:] + opened + np.log(WEIGHTS)[:, None]
        over = np.flatnonzero(np.logaddexp.reduce(weighted, axis=0) >= self._threshold)
        used = int(over[0]) + 1 if len(over) else len(wrong)
        counts = stream.wrong + np.concatenate([[0], np.cumsum(wrong[:used])])
        trails = []
        for index in range(len(WEIGHTS)):
            place = int(np.argmin(path[index, :used]))
            figures = {
                "lowest": float(path[index, place]),
                "since": int(times[place]),
                "since_label": stream.labels + place,
                "since_wrong": int(counts[place]),
            }
            if stream.trails and figures["lowest"] >= stream.trails[index].lowest:
                figures = stream.trails[index].model_dump(include=set(figures))
            figures |= {"likelihood": float(path[index, used])}
            trails.append(Trail(starts=float(opened[index, used - 1]), **figures))
        best = int(np.argmax(weighted[:, used - 1]))
        grown = Stream(labels=stream.labels + used, wrong=int(counts[-1]), trails=trails)
        if not len(over):
            return grown
        return grown.model_copy(
            update={"alarm": self._alarm(grown, trails[best], int(times[used - 1]), best)}
        )

    def _alarm(self, stream: Stream, trail: Trail, at: int, best: int) -> Alarm:
        return Alarm(
            labels=stream.labels,
            at=at,
            since_label=trail.since_label,
            since=trail.since,
            rate=self.rates[best],
            observed=(stream.wrong - trail.since_wrong) / (stream.labels - trail.since_label),
        )

    def _paths(self, stream: Stream, wrong: Array, logs: Array) -> tuple[Array, Array]:
        """Each rate's likelihood before and after every label, and its `starts` after each."""
        rates = len(logs)
        before = [trail.likelihood for trail in stream.trails] or [0.0] * rates
        starts = [trail.starts for trail in stream.trails] or [np.log(_HEAD_START)] * rates
        path = np.empty((rates, len(wrong) + 1))
        path[:, 0] = before
        path[:, 1:] = (logs[:, wrong] - self._normal(stream, wrong)) / self.reference.dispersion
        np.add.accumulate(path, axis=1, out=path)
        opened = np.empty_like(path)
        opened[:, 0] = starts
        np.negative(path[:, :-1], out=opened[:, 1:])
        return path, np.logaddexp.accumulate(opened, axis=1)[:, 1:]

    def _normal(self, stream: Stream, wrong: Array) -> Array:
        """The log-likelihood (n,) of each label if nothing changed, by what came before it."""
        seen = stream.labels + np.arange(len(wrong))
        errors = stream.wrong + np.cumsum(wrong) - wrong
        first, second = self._prior
        dispersion = self.reference.dispersion
        rate = (first + errors / dispersion) / (first + second + seen / dispersion)
        rate = np.clip(rate, self.expected, self.highest)
        return np.asarray(np.log(np.where(wrong == 1, rate, 1 - rate)))


def times_odds(rate: float, ratio: float) -> float:
    """The rate whose odds are so many times those of another.

    >>> times_odds(0.5, 3.0)
    0.75
    """
    return ratio * rate / (1 - rate + ratio * rate)
