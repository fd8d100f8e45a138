"""A short run of the scoring of learned effects: tests/bench/verdicts/variation.py."""

import numpy as np
import pyarrow as pa
import pytest
from scipy import special

from components.drift.effects import learn_effects
from components.drift.profile import Profile
from components.drift.variation import Variation, VariationTally
from tests.bench.verdicts import variation as scored

DAY = 86_400_000_000


def test_rows_and_counts_drawn_in_the_cells_give_the_same_threshold():
    """The same days as rows, through the tally, and as counts."""
    case = scored.Case(scored.FOLLOWING, 91, 7)
    column = scored.Moving("s0", case, np.random.default_rng(100_001))
    draw = np.random.default_rng(100_002)
    places = np.repeat(column.places[:91], 1000)
    rows = pa.array(special.logit(draw.random(places.size)) + scored._DEVIATION * places)
    reference = Profile(columns={"s0": column.profile(column.before)})
    tally = VariationTally(reference, 0, 91 * DAY - 1)
    tally.add(np.repeat(np.arange(91), 1000) * DAY, {"s0": rows})
    drawn = Variation(start=scored._START, seconds=86400, columns={"s0": column.variation()})
    window = scored.window_of(case)
    a, b = (learn_effects(v, ["s0"], window, 0.001)["s0"] for v in (tally.variation(), drawn))
    assert (a.blocks, a.length) == (b.blocks, b.length) == (13, a.length)
    assert a.largest == pytest.approx(b.largest, rel=0.2)
    assert a.effect == pytest.approx(b.effect, rel=0.2)


def test_following_days_do_not_alarm_with_learned_effects():
    task = scored.Task(scored.Case(scored.FOLLOWING, 91, 7), range(100_000, 100_008))
    found = scored.score(task)
    assert found.fixed >= 5
    assert found.learned == 0
    assert found.power[1] >= 7


def test_whole_weeks_leave_little_to_learn_and_half_the_shift_is_found():
    found = scored.score(scored.Task(scored.Case(scored.WEEKS, 91, 7), range(100_000, 100_004)))
    assert found.power[0] == 4
    demands = scored._demands({scored.Case(scored.WEEKS, 91, 7): found})
    assert [demand.met for demand in demands[1:]] == [True, True]
