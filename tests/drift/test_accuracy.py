"""A short run of the scoring of the statistics: tests/bench/verdicts/accuracy.py."""

import pytest

from tests.bench.verdicts.accuracy import CHANGES, DISTRIBUTIONS, LARGEST_ERROR, Case, errors


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_statistics_from_profiles_are_those_of_the_rows(name, change):
    assert max(errors(Case(name, change, 3_000)).values()) <= LARGEST_ERROR
