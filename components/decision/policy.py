"""From verdicts to a decision: what the spec's policy makes of them, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from components.core.errors import DriftlineError
from components.core.verdict import Document, Verdict
from components.core.window import Window, parse_duration
from components.spec.model import Policy

Action = Literal["none", "alert", "retrain"]


class Retraining(Document):
    """One entry of the ledger: a retraining that was decided."""

    champion: str
    window: str
    run: str
    at: str


class Advice(Document):
    """A decision with its reasons, also the reasons for not retraining.

    `reasons` speak for the action, the weightiest first; `restraints` say why it was not more.
    """

    action: Action
    reasons: list[str]
    restraints: list[str]


def advise(
    verdicts: Sequence[Verdict], policy: Policy, window: Window, past: Sequence[Retraining]
) -> Advice:
    """Apply a policy to the verdicts on one window.

    Args:
        verdicts: one a check, all on the same window and champion.
        policy: the spec's policy.
        window: the window that they judged.
        past: earlier retrainings, of this model, for cooldown and budget.

    Raises:
        DriftlineError: when the verdicts do not speak of the same champion and window.

    >>> from components.core.verdict import Finding
    >>> drop = Finding(column="", statistic="roc_auc", severity="drift", message="roc_auc fell")
    >>> verdict = Verdict.of("performance", "2013-04-01..2013-05-01", "v1", [drop])
    >>> advise([verdict], Policy(), Window.parse("2013-04"), []).action
    'retrain'
    """
    _agree(verdicts, window)
    blocked = [verdict for verdict in verdicts if verdict.status == "blocked"]
    drifted = [verdict for verdict in verdicts if verdict.status == "drift"]
    causes = [verdict for verdict in drifted if verdict.check in policy.retrain_on]
    restraints = [_say(verdict, "blocks training") for verdict in blocked]
    restraints += limits(policy, window, past) if causes else []
    if causes and not restraints:
        others = [verdict for verdict in drifted if verdict not in causes]
        reasons = [_say(verdict) for verdict in [*causes, *others]]
        return Advice(action="retrain", reasons=reasons, restraints=[])
    # A cause that may not retrain is worth telling a person, whatever alert_on says.
    alarms = [
        verdict
        for verdict in [*blocked, *drifted]
        if verdict.check in policy.alert_on or verdict in causes or verdict in blocked
    ]
    if not causes:
        restraints.append(_quiet(policy))
    if alarms:
        return Advice(action="alert", reasons=[_say(v) for v in alarms], restraints=restraints)
    return Advice(
        action="none",
        reasons=[_say(verdict) for verdict in verdicts if verdict.status == "warn"]
        or ["no check found a reason to act"],
        restraints=restraints,
    )


def _agree(verdicts: Sequence[Verdict], window: Window) -> None:
    champions = {verdict.champion for verdict in verdicts}
    windows = {verdict.window for verdict in verdicts}
    if len(champions) > 1:
        raise DriftlineError(
            f"the champion changed while the checks ran ({', '.join(sorted(champions))}); "
            "run the monitoring of this window again"
        )
    if windows - {str(window)}:
        raise DriftlineError(
            f"the verdicts judge {', '.join(sorted(windows))}, but the run decides on {window}; "
            "pass all of them the same window"
        )


def limits(policy: Policy, window: Window, past: Sequence[Retraining]) -> list[str]:
    """Why the policy's cooldown or budget does not allow a retraining at the window's end.

    >>> past = Retraining(champion="v1", window="2013-03-01..2013-04-01", run="r", at="2013-04-02")
    >>> limits(Policy(cooldown="45d"), Window.parse("2013-04"), [past])
    ['not retrained: the last retraining was for data up to 2013-04-01, within the cooldown of 45d']
    """
    ends = [Window.parse(entry.window).end for entry in past]
    found = []
    cooldown = parse_duration(policy.cooldown)
    recent = [end for end in ends if abs(window.end - end) < cooldown]
    if recent:
        found.append(
            f"not retrained: the last retraining was for data up to {max(recent):%Y-%m-%d}, "
            f"within the cooldown of {policy.cooldown}"
        )
    per = parse_duration(policy.budget.per)
    spent = sum(abs(window.end - end) < per for end in ends)
    if spent >= policy.budget.runs:
        found.append(
            f"not retrained: the budget of {policy.budget.runs} retrainings per "
            f"{policy.budget.per} is spent"
        )
    return found


def _say(verdict: Verdict, prefix: str = "") -> str:
    return " ".join(filter(None, [f"{verdict.check}", prefix])) + f": {verdict.headline}"


def _quiet(policy: Policy) -> str:
    if not policy.retrain_on:
        return "not retrained: the policy never retrains"
    return f"not retrained: no drift in {' or '.join(policy.retrain_on)}"
