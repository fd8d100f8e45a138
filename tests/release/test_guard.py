"""The guard: what makes a release go back, what does not, and what is too little to say."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from components.core.errors import ServingError
from components.release.counts import Counts
from components.release.guard import Judgement, watch
from components.spec.model import Guard

BOUNDS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, math.inf)


def answered(
    requests: int,
    *,
    errors: int = 0,
    refused: int = 0,
    fast: float = 0.003,
    slow: float = 0.006,
    cells: Mapping[str, float] = {"0.10": 0.6, "0.50": 0.3, "0.90": 0.1},
) -> Counts:
    """So many requests; 2 % of them take the longer time."""
    late = requests // 50
    return Counts(
        requests,
        errors,
        refused,
        {bound: (requests - late) * (fast <= bound) + late * (slow <= bound) for bound in BOUNDS},
        {cell: int(share * (requests - errors - refused)) for cell, share in cells.items()},
    )


CHAMPION = answered(5000)


@dataclass
class Servers:
    """Servers on which a release answers the same each second, by a clock of their own."""

    each_second: Counts = field(default_factory=lambda: answered(100))
    before: Counts = field(default_factory=Counts)
    trouble: Callable[[float], Mapping[str, Counts] | None] = lambda now: None
    now: float = 1000.0
    looks: int = 0

    def scrape(self) -> Mapping[str, Counts]:
        self.looks += 1
        told = self.trouble(self.now - 1000)
        if told is not None:
            return told
        passed = int(self.now - 1000)
        return {"v1": CHAMPION, "v2": self.before + self.times(passed)}

    def times(self, seconds: int) -> Counts:
        return sum([self.each_second] * seconds, Counts())

    def pause(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds

    def watched(
        self,
        champion: Counts | None = CHAMPION,
        since: Counts | None = None,
        **limits: object,
    ) -> Judgement:
        return watch(
            self.scrape,
            champion=champion,
            challenger="v2",
            guard=Guard.model_validate(limits),
            since=since,
            pause=self.pause,
            clock=lambda: self.now,
        )


def test_a_release_that_answers_like_the_champion_stays_when_the_period_is_over() -> None:
    servers = Servers()
    judgement = servers.watched()
    assert judgement.verdict == "passed"
    assert servers.now == pytest.approx(1060)
    assert judgement.requests == 6000
    assert "0 of 6,000 requests failed" in judgement.reasons[0]
    assert "99th percentile latency" in judgement.reasons[2]
    assert "moved away from the champion's by 0.00" in judgement.reasons[3]


@pytest.mark.parametrize(
    ("bad", "why", "within"),
    [
        (answered(100, errors=100), "100 of 100 requests failed", 1),
        (answered(100, errors=10), "requests failed (10.0 %)", 3),
        (answered(100, refused=100), "cannot answer what its clients send", 1),
        (answered(100, refused=30), "were refused as invalid (30.0 %)", 3),
        (answered(100, fast=0.03, slow=0.06), "99th percentile latency", 10),
        (answered(100, cells={"0.90": 1.0}), "answers moved away", 4),
        (answered(100, cells={"0.30": 1.0}), "answers moved away", 4),
    ],
)
def test_a_release_that_does_worse_goes_back_at_once(bad: Counts, why: str, within: int) -> None:
    servers = Servers(bad)
    judgement = servers.watched()
    assert judgement.verdict == "breached"
    assert why in judgement.reasons[0]
    assert servers.now - 1000 <= within


def test_every_reason_is_told() -> None:
    judgement = Servers(answered(1000, errors=500, cells={"0.90": 1.0})).watched()
    assert len(judgement.reasons) == 2


def test_a_little_slower_or_different_is_no_reason() -> None:
    cells = {"0.10": 0.5, "0.50": 0.35, "0.90": 0.15}
    judgement = Servers(answered(100, fast=0.006, slow=0.012, cells=cells)).watched()
    assert judgement.verdict == "passed"


def test_few_failures_within_what_is_allowed_are_no_reason() -> None:
    assert Servers(answered(200, errors=2)).watched(errors=0.02).verdict == "passed"


def test_clients_that_send_a_little_nonsense_are_no_reason() -> None:
    assert Servers(answered(100, refused=8)).watched().verdict == "passed"


def test_what_the_champion_refused_as_well_is_no_reason() -> None:
    champion = answered(5000, refused=2500)
    assert Servers(answered(100, refused=50)).watched(champion).verdict == "passed"


def test_the_champions_own_failures_are_allowed() -> None:
    champion = answered(5000, errors=500)
    assert Servers(answered(100, errors=10)).watched(champion).verdict == "passed"
    assert Servers(answered(100, errors=30)).watched(champion).verdict == "breached"


@pytest.mark.parametrize("requests", [0, 1])
def test_too_few_requests_prove_nothing_and_the_whole_period_is_waited_for(requests: int) -> None:
    servers = Servers(answered(requests))
    judgement = servers.watched()
    assert judgement.verdict == "too few"
    assert servers.now == pytest.approx(1060)
    assert "too few to judge" in judgement.reasons[0]
    assert "min_requests is 100" in judgement.reasons[0]


def test_one_that_fails_goes_back_though_few_requests_came() -> None:
    assert Servers(answered(1, errors=1)).watched().verdict == "breached"


def test_without_a_champion_only_failures_count() -> None:
    slow_and_strange = answered(100, fast=0.06, slow=0.1, cells={"0.90": 1.0})
    judgement = Servers(slow_and_strange).watched(None)
    assert judgement.verdict == "passed"
    assert "no champion to compare" in judgement.reasons[-1]
    assert Servers(answered(100, errors=50)).watched(None).verdict == "breached"


def test_a_champion_that_was_hardly_asked_is_said_to_prove_nothing() -> None:
    judgement = Servers().watched(answered(5))
    assert judgement.verdict == "passed"
    assert any("too few of the champion's requests" in reason for reason in judgement.reasons)
    assert any("too few rows" in reason for reason in judgement.reasons)


def test_what_was_counted_before_the_watch_does_not_count() -> None:
    servers = Servers(before=answered(1000, errors=1000))
    assert servers.watched().verdict == "passed"
    servers = Servers(before=answered(1000, errors=1000))
    assert servers.watched(since=servers.before).verdict == "passed"


def test_what_was_counted_during_the_rollout_counts_if_told_since_when() -> None:
    servers = Servers(before=answered(1000, errors=1000))
    judgement = servers.watched(since=Counts())
    assert judgement.verdict == "breached"
    assert servers.now == 1000


def test_no_period_is_no_guard() -> None:
    servers = Servers(answered(100, errors=100))
    judgement = servers.watched(period="0s")
    assert judgement.verdict == "too few"
    assert "0s: nothing was watched" in judgement.reasons[0]
    assert servers.looks == 0


def test_a_scrape_that_fails_for_a_moment_is_tolerated() -> None:
    def trouble(passed: float) -> None:
        if 5 <= passed < 30:
            raise ServingError("no server answers when asked for its metrics")

    servers = Servers(trouble=trouble)
    assert servers.watched().verdict == "passed"


def test_the_period_does_not_end_before_something_is_heard() -> None:
    def trouble(passed: float) -> None:
        if passed < 15:
            raise ServingError("no server answers when asked for its metrics")

    servers = Servers(trouble=trouble)
    assert servers.watched(period="5s", since=Counts()).verdict == "passed"
    assert servers.now - 1000 == pytest.approx(15, abs=0.5)


@pytest.mark.parametrize("period", ["60s", "8s"])
def test_a_release_that_nothing_is_heard_of_goes_back(period: str) -> None:
    def trouble(_passed: float) -> None:
        raise ServingError("no server answers when asked for its metrics")

    servers = Servers(trouble=trouble)
    judgement = servers.watched(period=period)
    assert judgement.verdict == "breached"
    assert judgement.reasons[0].startswith("nothing was heard of it for 3")
    assert servers.now - 1000 == pytest.approx(31, abs=1)
    assert "no server answers" in judgement.reasons[0]


def test_a_release_that_no_server_has_any_more_goes_back() -> None:
    servers = Servers(trouble=lambda passed: {"v1": CHAMPION} if passed > 20 else None)
    judgement = servers.watched()
    assert judgement.verdict == "breached"
    assert "no server serves it" in judgement.reasons[0]


def test_counters_that_begin_anew_are_no_breach_and_lose_one_look() -> None:
    def trouble(passed: float) -> Mapping[str, Counts] | None:
        return {"v2": answered(100 * int(passed - 30))} if passed >= 30 else None

    judgement = Servers(trouble=trouble).watched()
    assert judgement.verdict == "passed"
    assert 5700 <= judgement.requests <= 6000


def test_the_first_requests_may_be_slow() -> None:
    def trouble(passed: float) -> Mapping[str, Counts]:
        cold = answered(100, fast=0.1, slow=0.1) if passed >= 1 else Counts()
        return {"v2": cold + answered(100 * max(int(passed) - 1, 0))}

    assert Servers(trouble=trouble).watched().verdict == "passed"


def test_a_machine_that_stands_still_for_three_seconds_is_no_reason() -> None:
    def trouble(passed: float) -> Mapping[str, Counts]:
        still = min(max(int(passed) - 20, 0), 3)
        late = answered(100 * still, fast=0.1, slow=0.1)
        return {"v2": late + answered(100 * (int(passed) - still))}

    assert Servers(trouble=trouble).watched().verdict == "passed"


def test_latencies_beyond_the_histogram_are_said_not_to_be_told_apart() -> None:
    champion = answered(5000, fast=0.06, slow=0.1)
    judgement = Servers(answered(100, fast=0.06, slow=0.1)).watched(champion)
    assert "do not tell latencies above 128 ms apart" in judgement.reasons[2]


@pytest.mark.parametrize("batch", [1, 1000])
def test_rows_that_came_together_are_no_more_evidence_than_one(batch: int) -> None:
    """Six requests, whose rows all have the champion's rarest answer."""

    def trouble(passed: float) -> Mapping[str, Counts]:
        requests = int(passed / 10)
        return {"v2": replace(answered(requests), answers={"0.90": batch * requests})}

    assert Servers(trouble=trouble).watched().verdict == "too few"


def test_progress_says_what_is_going_on() -> None:
    told: list[str] = []
    servers = Servers()
    watch(
        servers.scrape,
        champion=None,
        challenger="v2",
        guard=Guard(period="5s"),
        progress=told.append,
        pause=servers.pause,
        clock=lambda: servers.now,
    )
    assert told == ["v2 is watched for 5s"]
