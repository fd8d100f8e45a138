"""Concept drift as a finding: the detector on a window's labels, from where the last one stood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from components.core.verdict import Answer, Finding, Severity
from components.core.window import Window
from components.model.concept import Alarm, Detector, Stream
from components.model.concept_state import ConceptMemory, ConceptState, PastAlarm, Problem
from components.model.records import TrainingRecord
from components.model.rows import after, moment
from components.model.score import Array
from components.model.words import number
from components.spec.model import Spec

STATISTIC = "concept drift"


@dataclass(frozen=True)
class Concept:
    """What the detector says of a window; `state` is what the next one goes on from."""

    findings: list[Finding]
    facts: dict[str, Any]
    state: ConceptState | None = None


def check_concept(
    spec: Spec,
    record: TrainingRecord,
    window: Window,
    champion: str,
    wrong: Array,
    times: Array,
    memory: ConceptMemory | None,
) -> Concept:
    """Hold a window's errors, one by one, against how often the champion erred on its holdout.

    An alarm stands in the window in which it was raised; the next window starts anew, and tells of
    it.

    Args:
        spec: `checks.performance.run_length`.
        record: the champion's training record.
        window: the window judged.
        champion: the release that is judged.
        wrong: (n,) which of its answers were wrong.
        times: (n,) datetime64[us] in UTC, sorted.
        memory: where the states of windows are; None begins anew and keeps nothing.

    Raises:
        StoreError: when the store cannot be reached.
    """
    if record.errors is None:
        why = "training record says nothing of its errors one by one"
        return Concept(
            [_blind(spec, f"{why}, so that their order cannot be judged: train again")], {}
        )
    if record.errors.bound is not None and record.errors.wrong in (0, record.errors.labels):
        why = f"errors on the holdout are all {number(record.errors.bound)}"
        return Concept([_blind(spec, f"{why}, so that none of them stands out")], {})
    detector = Detector(record.errors, spec.checks.performance.run_length)
    holdout = Window.parse(record.holdout_window)
    known: ConceptState | None = None
    problems: list[Problem] = []
    if memory:
        known, problems = memory.before(champion, window, record.errors, holdout)
    stream, earlier = _continue(known)
    fresh = after(times, holdout.end)
    new = int(fresh.sum())
    stream = detector.advance(stream, wrong[fresh], times[fresh].astype(np.int64))
    state = ConceptState(
        champion=champion,
        window=str(window),
        continues=known.window if known else "",
        continues_digest=known.digest if known else "",
        reference=record.errors,
        stream=stream,
        earlier=earlier,
    )
    if memory:
        memory.keep(state)
    findings = [_finding(spec, record, detector, state, new)]
    findings += [_lost(spec, problem, known) for problem in problems]
    return Concept(findings, _facts(detector, state, new), state)


def _continue(known: ConceptState | None) -> tuple[Stream, list[PastAlarm]]:
    if known is None:
        return Stream(), []
    if known.stream.alarm is None:
        return known.stream, known.earlier
    past = PastAlarm(window=known.window, alarm=known.stream.alarm)
    return Stream(), [*known.earlier, past]


def _finding(
    spec: Spec, record: TrainingRecord, detector: Detector, state: ConceptState, new: int
) -> Finding:
    stream, alarm = state.stream, state.stream.alarm
    words = _what(record)
    severity: Severity = "info"
    answer: Answer = "no drift"
    if alarm:
        severity, answer = "drift", "drift"
        message = _alarmed(alarm, detector, words)
    elif not new or stream.labels < detector.labels_needed:
        answer = "underpowered"
        message = (
            f"too few labels to tell whether {words} became more: {new:,} new ones, "
            f"{stream.labels:,} since the detector began; a rise from {_percent(detector.expected)}"
            f" to {_percent(detector.rates[1])} takes about {detector.labels_needed:,} labels"
        )
    else:
        message = (
            f"{words} are no more than chance allows: {_percent(stream.wrong / stream.labels)} of "
            f"{stream.labels:,} labels since the detector began, {_percent(detector.expected)} on "
            f"the holdout{_together(detector)}; chance alone gives as much evidence once in "
            f"{detector.statistic(stream):,.0f} labels, and an alarm needs evidence that it gives "
            f"once in {detector.run_length:,}"
        )
    if state.earlier:
        last = state.earlier[-1]
        message += f"; it alarmed before, in {last.window}, and began anew after that"
    return Finding(
        column=spec.columns.target,
        statistic=STATISTIC,
        severity=severity,
        answer=answer,
        message=message,
        value=detector.statistic(stream) if stream.labels else None,
        threshold=float(detector.run_length),
        count=new,
    )


def _alarmed(alarm: Alarm, detector: Detector, words: str) -> str:
    return (
        f"{words} became more from {_when(alarm.since)} on: {_percent(alarm.observed)} of the "
        f"{alarm.labels - alarm.since_label:,} labels until {_when(alarm.at)}, "
        f"{_percent(detector.expected)} on the holdout{_together(detector)}; as long as errors "
        "come together no more than on the holdout, the detector alarms by chance alone once in "
        f"{detector.run_length:,} labels or less often"
    )


def _together(detector: Detector) -> str:
    dispersion = detector.reference.dispersion
    if dispersion == 1:
        return ""
    count = f"{dispersion:,.0f}" if dispersion >= 10 else f"{dispersion:.1f}"
    return f", where they came together so that {count} labels count as one"


def _what(record: TrainingRecord) -> str:
    if record.errors and record.errors.bound is not None:
        return f"errors of {number(record.errors.bound)} or more"
    return "wrong answers"


def _facts(detector: Detector, state: ConceptState, new: int) -> dict[str, Any]:
    stream = state.stream
    return {
        "concept": {
            "continues": state.continues,
            "new_labels": new,
            "labels": stream.labels,
            "wrong": stream.wrong,
            "expected_rate": detector.expected,
            "dispersion": detector.reference.dispersion,
            "statistic": detector.statistic(stream),
            "run_length": detector.run_length,
            "labels_needed": detector.labels_needed,
            "alarm_at": _when(stream.alarm.at) if stream.alarm else None,
            "alarm_since": _when(stream.alarm.since) if stream.alarm else None,
            "alarm_labels": stream.alarm.labels if stream.alarm else None,
            "earlier_alarms": [past.window for past in state.earlier],
        }
    }


def _blind(spec: Spec, reason: str) -> Finding:
    return Finding(
        column=spec.columns.target,
        statistic=STATISTIC,
        severity="info",
        answer="underpowered",
        message=f"the champion's {reason}",
    )


def _lost(spec: Spec, problem: Problem, known: ConceptState | None) -> Finding:
    instead = f"goes on from {known.window}" if known else "begins anew"
    first, *others = problem.windows
    then = ""
    if others:
        count = "the one" if len(others) == 1 else f"the {len(others):,}"
        then = f", then that of {count} after it until {others[-1]}"
    return Finding(
        column=spec.columns.target,
        statistic="detector state",
        severity="warn",
        message=f"{problem.reason}: the detector {instead}; run the monitoring of {first} again"
        f"{then}",
    )


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")


def _when(microseconds: int) -> str:
    return f"{moment(np.datetime64(microseconds, 'us')):%Y-%m-%d %H:%M} UTC"
