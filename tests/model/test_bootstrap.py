import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, t
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from components.core.errors import ModelError
from components.model.bootstrap import (
    difference_interval,
    interval,
    paired_interval,
    stretch_to,
    time_blocks,
)
from components.model.metrics import METRICS
from components.model.score import Predictions

AUC = METRICS["roc_auc"]
REFERENCES = {
    "roc_auc": lambda y, q: roc_auc_score(y, q[:, 1]),
    "average_precision": lambda y, q: average_precision_score(y, q[:, 1]),
    "log_loss": lambda y, q: log_loss(y, q, labels=[0, 1]),
}


def problem(rows, seed=0, skill=1.0, digits=2):
    """Binary labels with answers; rounded probabilities make ties."""
    random = np.random.default_rng(seed)
    y = (random.random(rows) < 0.3).astype(int)
    return y, answers(y, seed, skill, digits)


def answers(y, seed, skill, digits=2):
    random = np.random.default_rng([seed, 1])
    positive = 1 / (1 + np.exp(-skill * y - random.normal(size=len(y))))
    positive = np.round(positive, digits)
    return Predictions((positive > 0.5).astype(int), np.column_stack([1 - positive, positive]))


def ends(values, confidence, count):
    """Expanded percentiles (Hesterberg, 2015)."""
    tail = norm.cdf(np.sqrt(count / (count - 1)) * t.ppf((1 - confidence) / 2, count - 1))
    return np.quantile(values, [tail, 1 - tail])


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("name", REFERENCES)
def test_the_interval_is_that_of_explicit_resamples_of_whole_blocks(name, size):
    rows, resamples, seed = 120, 200, 5
    y, found = problem(rows)
    blocks = np.arange(rows) // size
    random = np.random.default_rng(seed)
    values = []
    for _ in range(resamples):
        drawn = random.integers(0, rows // size, rows // size, dtype=np.int32)
        held = np.concatenate([np.flatnonzero(blocks == block) for block in drawn])
        values.append(REFERENCES[name](y[held], found.probability[held]))

    # The codes' own values do not matter, nor that some are missing among them.
    ours = interval(
        METRICS[name], y, found, resamples, 0.9, seed, None if size == 1 else 7 * blocks + 3
    )

    assert ours == pytest.approx(ends(values, 0.9, rows // size))


def test_the_paired_interval_is_that_of_the_same_explicit_resamples_for_both():
    rows, resamples = 120, 200
    y, champion = problem(rows)
    challenger = answers(y, seed=9, skill=1.5)
    random = np.random.default_rng(0)
    values = []
    for _ in range(resamples):
        drawn = random.integers(0, rows, rows, dtype=np.int32)
        values.append(
            log_loss(y[drawn], champion.probability[drawn], labels=[0, 1])
            - log_loss(y[drawn], challenger.probability[drawn], labels=[0, 1])
        )

    ours = paired_interval(METRICS["log_loss"], y, champion, challenger, resamples, 0.95)

    assert ours == pytest.approx(ends(values, 0.95, rows))


def test_the_paired_interval_draws_whole_blocks_too():
    y, champion = problem(60)
    challenger = answers(y, seed=9, skill=1.5)
    blocks = np.arange(60) // 6
    twice = np.repeat(np.arange(60), 50)

    few = paired_interval(AUC, y, champion, challenger, 200, 0.95, 0, blocks)
    copies = paired_interval(
        AUC, y[twice], champion.rows(twice), challenger.rows(twice), 200, 0.95, 0, blocks[twice]
    )

    assert copies == pytest.approx(few), "copies of a row tell nothing new"


def test_pairing_makes_a_small_difference_visible():
    y, champion = problem(2000, digits=6)
    raw = champion.probability[:, 1]
    better = np.where(y == 1, raw + 0.02, raw)
    challenger = Predictions(champion.prediction, np.column_stack([1 - better, better]))

    low, high = paired_interval(AUC, y, champion, challenger, 300, 0.95)

    assert 0 < low < high
    alone = interval(AUC, y, champion, 300, 0.95)
    assert high - low < (alone[1] - alone[0]) / 3


@pytest.mark.parametrize("name", ["roc_auc", "log_loss"])
def test_above_zero_means_better_whatever_the_direction(name):
    y, champion = problem(1000)
    challenger = answers(y, seed=3, skill=2.5)

    there = paired_interval(METRICS[name], y, champion, challenger, 200, 0.95)
    back = paired_interval(METRICS[name], y, challenger, champion, 200, 0.95)

    assert there[0] > 0
    assert back == pytest.approx((-there[1], -there[0]))


def test_answers_are_not_compared_with_themselves():
    y, found = problem(100)

    with pytest.raises(ModelError, match=r"compared with itself"):
        paired_interval(AUC, y, found, found, 200, 0.95)


def test_equal_inputs_give_equal_intervals_and_seeds_differ():
    y, found = problem(300)

    first = interval(AUC, y, found, 200, 0.95, seed=1)

    assert first == interval(AUC, y, found, 200, 0.95, seed=1)
    assert first != interval(AUC, y, found, 200, 0.95, seed=2)


def test_more_confidence_is_wider_and_more_rows_are_narrower():
    y, found = problem(400)
    many, more = problem(6400)

    low, high = interval(AUC, y, found, 500, 0.8)
    wide = interval(AUC, y, found, 500, 0.99)
    narrow = interval(AUC, many, more, 500, 0.8)

    assert wide[0] < low < AUC.score(y, found) < high < wide[1]
    assert (high - low) / (narrow[1] - narrow[0]) == pytest.approx(4, rel=0.25)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    truth = AUC.score(*problem(400_000, seed=99, digits=9))
    hits = 0
    for seed in range(100):
        low, high = interval(AUC, *problem(300, seed, digits=9), 200, 0.9, seed)
        hits += low <= truth <= high

    assert 82 <= hits <= 97


def shop(seed, days=40, rows=30, spread=1.0):
    """Errors about 10 whose level differs from day to day, and their times."""
    random = np.random.default_rng(seed)
    level = np.repeat(random.normal(0, spread, days), rows)
    errors = 10 + level + random.normal(0, 2, days * rows)
    hours = np.arange(days * rows) * 24 // rows
    return errors, np.datetime64("2024-01-01T00", "us") + hours.astype("timedelta64[h]")


def mean_interval(errors, blocks, seed):
    return interval(METRICS["mae"], errors, Predictions(0 * errors), 150, 0.9, seed, blocks)


def coverage(days, by_time):
    hits = 0
    for seed in range(200):
        errors, times = shop(seed, days)
        low, high = mean_interval(errors, time_blocks(times) if by_time else None, seed)
        hits += low <= 10 <= high
    return hits / 200


@pytest.mark.parametrize("days", [20, 40])
def test_rows_of_one_day_that_are_alike_do_not_make_the_interval_too_narrow(days):
    assert 0.84 <= coverage(days, by_time=True) <= 0.96
    assert coverage(days, by_time=False) < 0.7, "rows drawn one by one would be too sure"


def differs(seed, by_time):
    """Whether two halves of the same days differ beyond chance, by the interval."""
    errors, times = shop(seed, days=60)
    days = time_blocks(times)
    first = np.isin(days, np.random.default_rng(seed).permutation(60)[:30])
    sides = []
    for side in (first, ~first):
        blocks = time_blocks(times[side]) if by_time else None
        sides += [errors[side].mean(), mean_interval(errors[side], blocks, seed)]
    low, high = difference_interval(*sides)
    return low > 0 or high < 0


def test_two_halves_of_the_same_days_seldom_differ_beyond_chance():
    assert np.mean([differs(seed, by_time=True) for seed in range(150)]) <= 0.15
    assert np.mean([differs(seed, by_time=False) for seed in range(150)]) > 0.3


def hours(*values):
    return np.datetime64("2024-01-01T00", "us") + np.array(values).astype("timedelta64[h]")


def test_from_twenty_days_on_a_block_is_a_day_in_utc():
    times = hours(*range(5, 20 * 24))

    assert time_blocks(times).tolist() == [hour // 24 for hour in range(5, 480)]


def test_a_shorter_time_is_cut_into_twenty_equal_stretches():
    times = hours(*range(19 * 24))

    assert time_blocks(times).tolist() == [max(20 * h - 1, 0) // 455 for h in range(456)]
    assert set(np.bincount(time_blocks(times)).tolist()) == {22, 23}


@given(st.lists(st.integers(0, 24 * 40), min_size=1, max_size=80))
def test_blocks_are_stretches_of_time_without_gaps_in_their_codes(values):
    times = hours(*values)

    blocks = time_blocks(times)

    assert sorted(set(blocks.tolist())) == list(range(blocks.max() + 1))
    order = np.argsort(times, kind="stable")
    assert (np.diff(blocks[order]) >= 0).all()
    assert len(set(zip(values, blocks.tolist(), strict=True))) == len(set(values))
    if len(set(values)) <= 20:
        assert blocks.max() + 1 <= len(set(values))


def test_no_interval_from_one_block_alone():
    y, found = problem(100)

    assert interval(AUC, y, found, 100, 0.95, 0, np.zeros(100, dtype=int)) is None
    assert paired_interval(AUC, y, found, answers(y, 1, 1), 100, 0.95, 0, y * 0) is None


def test_no_interval_where_the_metric_is_hardly_ever_defined():
    y, found = problem(50)

    assert interval(AUC, np.zeros(50, dtype=int), found, 100, 0.95) is None
    assert interval(AUC, y[:0], found.rows(np.arange(0)), 100, 0.95) is None
    assert paired_interval(AUC, y[:0], found, answers(y, 1, 1), 100, 0.95) is None


def test_one_positive_row_gives_an_interval_from_the_resamples_that_hold_it():
    _, found = problem(50)
    y = np.zeros(50, dtype=int)
    y[7] = 1

    low, high = interval(AUC, y, found, 200, 0.95)

    assert 0 <= low <= high <= 1


numbers = st.floats(-5, 5)
sizes = st.floats(0, 3)


@given(numbers, sizes, sizes, numbers, sizes, sizes)
def test_a_difference_is_as_uncertain_as_both_sides_together(a, a_low, a_high, b, b_low, b_high):
    first, second = (a - a_low, a + a_high), (b - b_low, b + b_high)

    low, high = difference_interval(a, first, b, second)
    back = difference_interval(b, second, a, first)

    assert low <= b - a <= high
    assert (b - a) - low >= max(b_low, a_high) - 1e-9
    assert high - (b - a) <= b_high + a_low + 1e-9
    assert back == pytest.approx((-high, -low))


def test_a_stretched_interval_is_wider():
    narrow = difference_interval(0.5, (0.4, 0.6), 0.7, (0.6, 0.8))
    wide = difference_interval(0.5, (0.4, 0.6), 0.7, (0.6, 0.8), stretch_to(0.95, 10))

    assert wide[0] < narrow[0] < narrow[1] < wide[1]
