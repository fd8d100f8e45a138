import numpy as np
import pytest

from components.model.concept import Detector, Stream
from components.model.errors import dispersion, error_reference, wrong_answers
from components.model.score import Predictions


def by_days(count, days):
    start = np.datetime64("2024-01-01T00:00:00", "us")
    return start + np.arange(count) * (days * np.timedelta64(86_400_000_000, "us") // count)


def test_a_class_is_right_or_wrong():
    answers = Predictions(np.array([0, 1, 2]))

    assert wrong_answers(np.array([0, 0, 2]), answers, None).tolist() == [False, True, False]


def test_a_number_is_wrong_from_the_bound_on_or_where_it_is_none():
    answers = Predictions(np.array([1.0, 1.0, np.nan, np.inf]))

    found = wrong_answers(np.array([2.0, 3.0, 1.0, 1.0]), answers, 2.0)

    assert found.tolist() == [False, True, True, True]


def test_the_bound_is_the_holdouts_own_quantile():
    random = np.random.default_rng(0)
    y = random.normal(size=1000)

    known = error_reference(y, Predictions(np.zeros(1000)), by_days(1000, 25), regression=True)

    assert (known.labels, known.wrong) == (1000, 100)
    assert known.bound == np.sort(np.abs(y))[900]


@pytest.mark.parametrize(
    ("counts", "bound", "wrong"),
    [
        ({0: 500, 1: 300, 2: 200}, 2, 200),
        ({0: 500, 1: 390, 2: 80, 3: 30}, 2, 110),
        ({0: 600, 1: 350, 2: 30, 3: 20}, 2, 50),
        ({0: 600, 1: 370, 2: 20, 3: 10}, 1, 400),
        ({0: 970, 5: 30}, 5, 30),
        ({0: 999, 7: 1}, 7, 1),
    ],
    ids=["tied largest", "a tenth", "enough above", "few above", "mostly right", "one"],
)
def test_misses_that_are_tied_leave_some_that_stand_out(counts, bound, wrong):
    misses = np.repeat(list(counts), list(counts.values())).astype(float)
    np.random.default_rng(0).shuffle(misses)

    known = error_reference(misses, Predictions(np.zeros(1000)), by_days(1000, 25), regression=True)

    assert (known.bound, known.wrong) == (bound, wrong)


@pytest.mark.parametrize("miss", [0.0, 3.0])
def test_where_all_misses_are_alike_all_are_wrong(miss):
    y = np.full(1000, miss)

    known = error_reference(y, Predictions(np.zeros(1000)), by_days(1000, 25), regression=True)

    assert (known.bound, known.wrong, known.dispersion) == (miss, 1000, 1.0)


def test_tied_misses_that_all_grow_are_found():
    random = np.random.default_rng(0)
    before = random.choice([0.0, 1.0, 2.0], 10_000, p=[0.5, 0.3, 0.2])
    after = random.choice([0.0, 1.0, 2.0], 5_000, p=[0.1, 0.1, 0.8])
    none = Predictions(np.zeros(10_000))

    known = error_reference(before, none, by_days(10_000, 20), regression=True)
    wrong = wrong_answers(after, none.rows(slice(0, 5_000)), known.bound)
    found = Detector(known, 2_000_000).advance(Stream(), wrong, np.arange(5_000))

    assert found.alarm is not None
    assert found.alarm.labels < 100


def test_independent_errors_are_mostly_taken_for_independent():
    random = np.random.default_rng(1)
    found = [dispersion(random.random(10_000) < 0.1, by_days(10_000, 20)) for _ in range(100)]

    assert np.mean(np.array(found) > 1) <= 0.1


@pytest.mark.parametrize("days", [10, 20, 60])
def test_the_variance_between_days_is_found(days):
    random = np.random.default_rng(2)
    rate = np.repeat(random.uniform(0.0, 0.3, days), 500)
    true = 1 + 499 * (0.3**2 / 12) / (0.15 * 0.85)

    found = [dispersion(random.random(days * 500) < rate, by_days(days * 500, days))]

    assert 0.5 * true < np.mean(found) < 3 * true


def test_of_few_days_more_is_taken_for_granted_than_a_test_would_find():
    """Ten days of which a test found nothing: each of them led to a false alarm later."""
    random = np.random.default_rng(2)
    log_odds = np.log(1 / 9) + random.normal(0, 0.3, (100, 10))
    rates = 1 / (1 + np.exp(-np.repeat(log_odds, 500, axis=1)))

    found = np.array([dispersion(random.random(5000) < rate, by_days(5000, 10)) for rate in rates])

    true = 1 + 499 * np.var(1 / (1 + np.exp(2.2 - random.normal(0, 0.3, 10_000)))) / 0.09
    assert found.min() > 1
    assert np.mean(found < true) < 0.25


def test_errors_that_come_together_within_hours_are_found():
    # Every evening is bad, and the days are all alike.
    evening = np.arange(12_000) % 600 >= 450
    random = np.random.default_rng(3)

    assert dispersion(random.random(12_000) < np.where(evening, 0.3, 0.05), by_days(12_000, 20)) > 5


@pytest.mark.parametrize("rate", [0.0, 1.0])
@pytest.mark.parametrize("count", [0, 1, 2000])
def test_without_variation_there_is_nothing_to_find(rate, count):
    assert dispersion(np.full(count, bool(rate)), by_days(max(count, 1), 1)[:count]) == 1.0


def test_rows_of_one_time_are_no_error():
    times = np.full(500, np.datetime64("2024-01-01", "us"))

    assert dispersion(np.arange(500) % 3 == 0, times) == 1.0
