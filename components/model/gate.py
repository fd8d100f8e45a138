"""The gate: what a challenger has to prove, and its words."""

from __future__ import annotations

from components.model.compare import Outcome
from components.model.metrics import Metric
from components.model.records import Bounds, SliceComparison
from components.model.words import number, signed, span
from components.spec.model import Gate

# So many slices are named in a sentence; all of them are in the document.
_NAMED = 5


def judge(
    gate: Gate,
    metric: Metric,
    against: str,
    rows: int,
    outcome: Outcome,
    slices: list[SliceComparison],
    constant: Outcome | None = None,
) -> tuple[bool, list[str]]:
    """Decide, with every reason in words, the decisive ones first.

    Args:
        gate: the spec's gate.
        metric: the spec's metric.
        against: what the challenger is compared with: `champion` or `baseline`. A baseline has to
            be beaten: for it the margin is 0.
        rows: how many fresh rows both answered.
        outcome: both scores on them, and how they differ.
        slices: the same, slice by slice.
        constant: the challenger against the constant answer, on the same rows. It has to be better
            beyond chance: a champion that has failed is no measure of what may be deployed.

    Returns:
        Whether the challenger passes, and the reasons.

    >>> from components.model.metrics import METRICS
    >>> outcome = Outcome(0.703, 0.751, 0.048, (0.041, 0.055))
    >>> judge(Gate(), METRICS["roc_auc"], "champion", 15934, outcome, [])
    (True, ["roc_auc 0.751 against the champion's 0.703 on the same 15,934 rows: \
+0.048 [0.041, 0.055], above the margin"])
    """
    champion, challenger, bounds = outcome.champion, outcome.challenger, outcome.interval
    margin = gate.margin if against == "champion" else 0.0
    passed = bounds[0] > -margin
    sentence = (
        f"{metric.name} {number(challenger)} against the {against}'s {number(champion)} "
        f"on the same {rows:,} rows: {signed(outcome.difference)} {span(bounds)}, "
        f"{_of_margin(bounds, margin)}"
    )
    failures = [] if passed else [sentence]
    successes = [sentence] if passed else []
    if constant is not None:
        beaten = constant.interval[0] > 0
        (successes if beaten else failures).append(_of_constant(metric, constant))
    if gate.floor is not None:
        reached = metric.sign * (challenger - gate.floor) >= 0
        (successes if reached else failures).append(_of_floor(metric, challenger, gate.floor))
    failures += [_worse(part, gate, against) for part in slices if part.verdict == "worse"]
    judged = [part for part in slices if part.verdict == "fine"]
    if judged:
        successes.append(
            f"in {len(judged)} of {len(slices)} slices no loss of more than {gate.slice_margin:g} "
            "beyond chance"
        )
    return not failures, failures + successes + not_judged(slices)


def not_judged(slices: list[SliceComparison]) -> list[str]:
    """One sentence that names the slices that could not be judged, if any."""
    names = [f"{p.column}={p.value} ({p.note})" for p in slices if p.verdict == "not judged"]
    if not names:
        return []
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return [f"not judged: {', '.join(names[:_NAMED])}{more}"]


def _of_margin(bounds: Bounds, margin: float) -> str:
    least = f"-{margin:g}" if margin else "0"
    if bounds[0] > -margin:
        return "above the margin" if not margin else f"above the margin {least}"
    if bounds[1] < -margin:
        return f"below the margin {least}"
    return f"not above the margin {least} beyond chance"


def _of_constant(metric: Metric, outcome: Outcome) -> str:
    found = (
        f"{metric.name} {number(outcome.challenger)} against a constant answer's "
        f"{number(outcome.champion)}: {signed(outcome.difference)} {span(outcome.interval)}"
    )
    words = "better beyond chance" if outcome.interval[0] > 0 else "not better beyond chance"
    return f"{found}, {words}"


def _of_floor(metric: Metric, challenger: float, floor: float) -> str:
    word = "floor" if metric.greater_is_better else "ceiling"
    reached = metric.sign * (challenger - floor) >= 0
    holds = "meets" if reached else "misses"
    return f"{metric.name} {number(challenger)} {holds} the {word} {floor:g}"


def _worse(part: SliceComparison, gate: Gate, against: str) -> str:
    difference = signed(part.difference or 0)
    bounds = span(part.interval or (0, 0))
    return (
        f"worse than the {against} where {part.column} is {part.value}: {difference} "
        f"{bounds} on {part.rows:,} rows, beyond the slice margin {gate.slice_margin:g}"
    )
