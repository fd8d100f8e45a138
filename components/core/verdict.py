"""Findings and verdicts: what a check says."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Severity = Literal["info", "warn", "drift", "blocked"]
Status = Literal["ok", "warn", "drift", "blocked"]
Answer = Literal["drift", "no drift", "underpowered"]

_RANK: dict[Severity, int] = {"info": 0, "warn": 1, "drift": 2, "blocked": 3}
_STATUS: dict[Severity, Status] = {
    "info": "ok",
    "warn": "warn",
    "drift": "drift",
    "blocked": "blocked",
}


class Document(BaseModel):
    """A JSON document that driftline writes; unknown keys are refused on reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Finding(Document):
    """One fact found by a check.

    `value` is measured in the statistic's own unit, and `threshold` is what it was held against;
    `interval` is the value's confidence interval, and `minimum_effect` the smallest value that
    this number of rows could have told from chance. `answer` is what a test said; a finding that
    is no test's has none.
    """

    column: str
    statistic: str
    severity: Severity
    message: str
    answer: Answer | None = None
    value: float | None = None
    threshold: float | None = None
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    minimum_effect: float | None = None
    count: int | None = None
    examples: list[str] = Field(default_factory=list)


class Verdict(Document):
    """A check's findings, worst first, with the status and the answer that follow from them.

    The answer is `drift` where a finding is that severe or worse, `underpowered` where a test had
    too few rows to say, and `no drift` otherwise.

    >>> noise = Finding(column="a", statistic="psi", severity="info", message="a did not drift")
    >>> alarm = Finding(column="b", statistic="psi", severity="drift", message="b drifted")
    >>> verdict = Verdict.of("drift", "2013-04-01..2013-05-01", "v1", [noise, alarm])
    >>> verdict.status, verdict.answer, verdict.headline
    ('drift', 'drift', 'b drifted')
    """

    check: Literal["schema", "drift", "skew", "performance"]
    status: Status
    answer: Answer
    window: str
    champion: str
    headline: str
    findings: list[Finding]
    facts: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _with_answer(cls, document: Any) -> Any:
        """Verdicts that were written before checks had an answer: it follows from the status."""
        if not isinstance(document, dict) or "answer" in document:
            return document
        alarmed = document.get("status") in ("drift", "blocked")
        return {**document, "answer": "drift" if alarmed else "no drift"}

    @classmethod
    def of(
        cls,
        check: Literal["schema", "drift", "skew", "performance"],
        window: str,
        champion: str,
        findings: list[Finding],
        *,
        quiet: str = "nothing found",
        facts: dict[str, Any] | None = None,
    ) -> Verdict:
        """Rank the findings and derive the status.

        Args:
            check: which check speaks.
            window: the window judged, as text.
            champion: the release it was judged against, or `""` where there is none yet.
            findings: in the check's own order of importance; the sort by severity is stable.
            quiet: the headline where no finding is worse than `info`.
            facts: figures about the check as a whole, for example row counts.
        """
        ranked = sorted(findings, key=lambda finding: -_RANK[finding.severity])
        worst = ranked[0].severity if ranked else "info"
        headline = ranked[0].message if worst != "info" else quiet
        return cls(
            check=check,
            status=_STATUS[worst],
            answer=_answer(findings),
            window=window,
            champion=champion,
            headline=headline,
            findings=ranked,
            facts=facts or {},
        )

    def at_least(self, severity: Severity) -> list[Finding]:
        """The findings of that severity or worse."""
        return [finding for finding in self.findings if _RANK[finding.severity] >= _RANK[severity]]


def _answer(findings: list[Finding]) -> Answer:
    if any(_RANK[finding.severity] >= _RANK["drift"] for finding in findings):
        return "drift"
    if any(finding.answer == "underpowered" for finding in findings):
        return "underpowered"
    return "no drift"
