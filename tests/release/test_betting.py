"""Evidence that may be looked at at any time."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from components.release.betting import BlockBets, excess, upper_share

ALPHA = 0.01
SHARES = st.floats(0.001, 0.6)


@given(SHARES, st.integers(0, 40), st.integers(0, 200))
def test_the_evidence_is_the_mixture_of_the_likelihood_ratios(
    allowed: float, failures: int, passed: int
) -> None:
    def ratio(rate: float) -> float:
        return (rate / allowed) ** failures * ((1 - rate) / (1 - allowed)) ** passed

    peak = min(max(failures / max(failures + passed, 1), allowed), 1.0)
    mixture = quad(ratio, allowed, 1, points=[peak], limit=200)[0] / (1 - allowed)
    assert math.exp(excess(failures, failures + passed, allowed)) == pytest.approx(
        mixture, rel=1e-3, abs=1e-9
    )


@given(SHARES, st.integers(0, 30), st.integers(0, 30))
def test_one_more_trial_is_a_fair_game(allowed: float, failures: int, passed: int) -> None:
    """At the allowed rate the wealth stays the same on average: Ville's bound needs that."""
    trials = failures + passed
    now = math.exp(excess(failures, trials, allowed))
    failed = math.exp(excess(failures + 1, trials + 1, allowed))
    went_well = math.exp(excess(failures, trials + 1, allowed))
    assert allowed * failed + (1 - allowed) * went_well == pytest.approx(now, rel=1e-6, abs=1e-12)


def test_nothing_may_fail_or_everything_may() -> None:
    assert excess(1, 1000, 0.0) == math.inf
    assert excess(0, 1000, 0.0) == 0.0
    assert excess(1000, 1000, 1.0) == 0.0


def test_looking_after_every_request_does_not_raise_the_chance_of_a_false_alarm() -> None:
    rng = np.random.default_rng(1)
    alarms = 0
    for trials in rng.random((1000, 300)) < 0.05:
        at = np.flatnonzero(trials) + 1  # only a failure adds to the evidence
        evidence = [excess(count, int(many), 0.05) for count, many in enumerate(at, 1)]
        alarms += max(evidence, default=0.0) > -math.log(ALPHA)
    assert alarms <= 18  # 10 expected at most; more than 18 have a chance of 1 in 100


@given(
    st.floats(0.005, 0.3),
    st.lists(st.tuples(st.integers(1, 500), st.floats(0, 1)), min_size=1, max_size=20),
)
def test_a_block_never_ruins_the_gambler(allowed: float, blocks: list[tuple[int, float]]) -> None:
    bets = BlockBets(allowed)
    for trials, share in blocks:
        bets.add(share * trials, trials)
    assert math.isfinite(bets.evidence)


@given(st.floats(0.005, 0.09), st.floats(0, 1))
def test_a_block_is_at_best_a_fair_game(allowed: float, part: float) -> None:
    """A block that exceeds entirely, with the chance allowed, or else not at all."""
    wealth = []
    for exceeding in (100, 0):
        bets = BlockBets(allowed)
        bets.add(exceeding, 100)
        wealth.append(math.exp(bets.evidence))
    chance = part * allowed
    assert chance * wealth[0] + (1 - chance) * wealth[1] <= 1 + 1e-9


def test_four_blocks_are_not_enough_whatever_happens_in_them() -> None:
    bets = BlockBets(0.01)
    found = []
    for _ in range(6):
        bets.add(1000, 1000)
        found.append(bets.evidence > -math.log(0.00015))
    assert found == [False] * 4 + [True] * 2


def test_a_moment_in_which_clients_waited_weighs_less() -> None:
    gains = []
    for trials in (1000, 16):
        bets = BlockBets(0.01)
        bets.add(0, 1000)
        before = bets.evidence
        bets.add(trials, trials)
        gains.append(bets.evidence - before)
    assert 0 < gains[1] < gains[0] / 4


@pytest.mark.parametrize(("count", "trials"), [(0, 0), (5, 5), (0, 10), (3, 50)])
def test_the_upper_bound_leaves_its_chance(count: int, trials: int) -> None:
    bound = upper_share(count, trials, 0.05)
    below = sum(
        math.comb(trials, k) * bound**k * (1 - bound) ** (trials - k) for k in range(count + 1)
    )
    assert bound == 1.0 or below == pytest.approx(0.05)
