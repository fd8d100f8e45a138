"""Concept drift: false alarms and delays of the detector, river's beside it; and the estimate.

Every stream is scored by the code that a window's check runs: 10,000 answers make the reference,
with its error rate and its dispersion both estimated, and `Detector.advance` goes through what
follows. The rule was tuned on other seeds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import get_context

import numpy as np

from components.model.concept import Detector, Stream, times_odds
from components.model.errors import error_reference
from components.model.records import ErrorReference
from components.model.score import Array, Predictions
from components.spec.model import PerformanceCheck
from tests.bench.verdicts.concept_estimates import estimates
from tests.bench.verdicts.false_alarms import upper_bound
from tests.bench.verdicts.river_detectors import RIVER, river_alarm
from tests.bench.verdicts.table import Demand, Scale, Section

SEED = 100_000
REFERENCE, CALM, STREAM = 10_000, 5_000, 20_000
RUN_LENGTH = PerformanceCheck().run_length
DAY = np.timedelta64(86_400_000_000, "us")


def measure(scale: Scale) -> list[Section]:
    """False alarms, delays, river's detectors, clustered errors, the estimate, and the time."""
    many, few = (100, 40) if scale.quick else (3_000, 1_000)
    with get_context("fork").Pool(scale.processes) as pool:
        alarms = partial(_alarms, pool.map)
        return [
            _delays(alarms, many, few),
            _river(pool.map, 6 if scale.quick else 200),
            _clusters(alarms, 100 if scale.quick else 200),
            estimates(20 if scale.quick else 200),
            _speed(),
        ]


def stream_of(
    seed: int,
    before: float,
    after: float,
    calm: int,
    total: int,
    spread: float = 0.0,
    known: int = REFERENCE,
) -> tuple[ErrorReference, Array]:
    """A reference and what follows it: (total,) wrong answers, 500 a day.

    Args:
        seed: of the stream.
        before: the error rate on the reference and on the first `calm` labels.
        after: the error rate from then on.
        calm: see there.
        total: labels after the reference.
        spread: how much the log odds of an error differ from day to day (standard deviation).
        known: labels of the reference.
    """
    random = np.random.default_rng(seed)
    rate = np.full(known + total, before)
    rate[known + calm :] = after
    if spread:
        days = np.repeat(random.normal(0, spread, len(rate) // 500 + 1), 500)[: len(rate)]
        rate = 1 / (1 + (1 / rate - 1) * np.exp(-days))
    wrong = random.random(len(rate)) < rate
    times = np.datetime64("2024-01-01T00:00:00", "us") + np.arange(known) * (DAY // 500)
    held = wrong[:known]
    said = Predictions(held.astype(np.int64))
    reference = error_reference(np.zeros(known), said, times, regression=False)
    return reference, wrong[known:]


def alarm_of(
    seed: int,
    before: float,
    after: float,
    calm: int,
    total: int,
    spread: float = 0.0,
    known: int = REFERENCE,
    tempered: bool = True,
) -> float:
    """The number of labels until the alarm, infinite without one."""
    reference, wrong = stream_of(seed, before, after, calm, total, spread, known)
    if not tempered:
        reference = reference.model_copy(update={"dispersion": 1.0})
    stream = Detector(reference, RUN_LENGTH).advance(Stream(), wrong, np.arange(total))
    return stream.alarm.labels if stream.alarm else np.inf


def _alarms(mapped: Callable[..., list[float]], count: int, **how: object) -> Array:
    return np.array(mapped(partial(alarm_of, **how), range(SEED, SEED + count)))


def _false(alarms: Array) -> tuple[str, float]:
    found = int(np.isfinite(alarms).sum())
    share = found / len(alarms)
    return f"{share:.2%} (at most {upper_bound(found, len(alarms)):.2%})", share


def _delay(alarms: Array, calm: int) -> float:
    return float(np.median(alarms[alarms > calm] - calm))


def _delays(alarms: Callable[..., Array], many: int, few: int) -> Section:
    rows, demands = [], []
    for before, rises in ((0.10, (0.15, 0.20)), (0.02, None), (0.30, None)):
        text, share = _false(alarms(many, before=before, after=before, calm=0, total=STREAM))
        found = []
        for after in rises or [times_odds(before, ratio) for ratio in (1.588, 2.25)]:
            late, new = (
                _delay(
                    alarms(few, before=before, after=after, calm=calm, total=calm + 10_000), calm
                )
                for calm in (CALM, 0)
            )
            found.append((after, late, new))
        rows.append(
            [
                f"{before:.2f}",
                text,
                *(f"to {after:.3f}: {late:,.0f} / {new:,.0f}" for after, late, new in found),
            ]
        )
        if before == 0.10:
            (_, small, _), (_, large, _) = found
            demands = [
                Demand("false alarms within 20,000 labels at most 1 %", text, share <= 0.01),
                Demand("0.10 to 0.15 in at most 1,000 labels", f"{small:,.0f}", small <= 1000),
                Demand("0.10 to 0.20 in at most 220 labels", f"{large:,.0f}", large <= 220),
            ]
    return Section(
        "Independent errors",
        ["error rate", "false alarms within 20,000 labels", "smaller rise", "larger rise"],
        rows,
        demands,
        [
            f"{many:,} streams without and {few:,} with a change. The detector knows the error "
            f"rate from {REFERENCE:,} labels alone; its average run length is stated as at least "
            f"{RUN_LENGTH:,} labels. Delays are medians in labels, after {CALM:,} labels without a "
            "change / from the first label on. In brackets the one-sided upper 95 % "
            "Clopper-Pearson bound."
        ],
    )


def _river(mapped: Callable[..., list[float]], count: int) -> Section:
    rows = []
    seeds = range(SEED, SEED + count)
    for name in ["driftline", *RIVER]:
        cells = [name]
        for after, calm, total in ((0.10, 0, STREAM), (0.15, CALM, 15_000), (0.20, CALM, 10_000)):
            how = partial(_one, name, before=0.10, after=after, calm=calm, total=total)
            found = np.array(mapped(how, seeds))
            if after == 0.10:
                cells.append(f"{np.isfinite(found).mean():.1%}")
                continue
            right = found > calm
            early = f", {np.mean(~right):.0%} before it" if not right.all() else ""
            delay = _delay(found, calm) if right.any() else np.nan
            cells.append(f"{delay:,.0f}{early}")
        rows.append(cells)
    return Section(
        "River's detectors beside ours",
        ["detector", "false alarms within 20,000", "0.10 to 0.15", "0.10 to 0.20"],
        rows,
        notes=[
            f"The same {count:,} streams for all, {REFERENCE:,} reference labels first, the change "
            f"after {CALM:,} more; river 0.26 with its own defaults, Page-Hinkley upwards only. "
            "Medians of the delays, infinite where most streams never alarmed. An alarm counts "
            "from the end of the reference on, and for ADWIN only where the error had risen."
        ],
    )


def _one(name: str, seed: int, *, before: float, after: float, calm: int, total: int) -> float:
    if name == "driftline":
        return alarm_of(seed, before, after, calm, total)
    random = np.random.default_rng(seed)
    rate = np.full(REFERENCE + total, before)
    rate[REFERENCE + calm :] = after
    return river_alarm(name, random.random(len(rate)) < rate, REFERENCE)


def _clusters(alarms: Callable[..., Array], count: int) -> Section:
    rows, demands = [], []
    for spread in (0.0, 0.15, 0.3, 0.5, 0.8):
        known = [stream_of(SEED + seed, 0.1, 0.1, 0, 500, spread)[0] for seed in range(50)]
        how = {"before": 0.10, "after": 0.10, "calm": 0, "total": STREAM, "spread": spread}
        changed = how | {"after": 0.20, "calm": CALM, "total": 60_000}
        tempered, share = _false(alarms(count, **how))
        if spread >= 0.3:
            told = f"20 days with a spread of {spread:.1f}: false alarms, tempered, at most 2 %"
            demands.append(Demand(told, tempered, share <= 0.02))
        rows.append(
            [
                f"{spread:.2f}",
                f"{np.median([reference.dispersion for reference in known]):.1f}",
                _false(alarms(count, **how, tempered=False))[0],
                tempered,
                _false(alarms(count, **how, known=REFERENCE // 2))[0],
                _false(alarms(count, **how, known=3 * REFERENCE))[0],
                f"{_delay(alarms(count // 5, **changed), CALM):,.0f}",
            ]
        )
    return Section(
        "Errors that come together by days",
        [
            "spread of days",
            "dispersion",
            "false alarms as if independent",
            "tempered",
            "tempered, reference of 10 days",
            "tempered, reference of 60 days",
            "to 0.20",
        ],
        rows,
        demands,
        [
            f"{count:,} streams of {STREAM:,} labels, 500 a day; a day's log odds of an error have "
            "that standard deviation, and the reference is of 20 days, or of 10 or 60 where said. "
            "The dispersion is what 20 days show (median). The run length then counts on labels "
            "that come together no more than on the reference, as every alarm says; 20 days tell "
            "that only roughly, and 10 hardly at all, so that more is taken for granted there."
        ],
    )


def _speed() -> Section:
    wrong = np.random.default_rng(SEED).random(1_000_000) < 0.1
    reference = ErrorReference(labels=REFERENCE, wrong=1000)
    begin = time.process_time()
    Detector(reference, 1e12).advance(Stream(), wrong, np.arange(len(wrong)))
    took = time.process_time() - begin
    return Section(
        "Time",
        ["labels", "CPU seconds"],
        [["1,000,000", f"{took:.2f}"]],
        [Demand("a million labels in about a second", f"{took:.2f} s", took <= 1.5)],
    )


__all__: Sequence[str] = ["alarm_of", "measure", "stream_of"]
