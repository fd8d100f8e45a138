import pytest

from components.core.errors import DataError
from components.core.journal import Journal
from components.core.storage import Store


@pytest.fixture
def journal(tmp_path):
    return Journal(Store(tmp_path), "flights", "run-1")


def test_a_step_that_fails_says_why_and_still_fails(journal):
    with pytest.raises(DataError), journal.step("ingest", "w"):
        raise DataError("the file x is gone; restore it")

    entry = journal.read("ingest")
    assert (entry.status, entry.headline) == ("failed", "the file x is gone; restore it")


def test_an_unforeseen_error_is_recorded_with_its_kind(journal):
    with pytest.raises(ZeroDivisionError), journal.step("ingest", "w"):
        1 / 0  # noqa: B018 # raising is the point

    assert journal.read("ingest").headline == "ZeroDivisionError: division by zero"


def test_a_killed_step_stands_as_running(journal):
    with pytest.raises(KeyboardInterrupt), journal.step("train", "w"):
        raise KeyboardInterrupt

    assert journal.read("train").status == "running"


def test_entries_come_in_order_and_other_runs_stay_out(journal, tmp_path):
    for step in ("b", "a"):
        with journal.step(step, "w") as say:
            say("ok", step)
    with Journal(Store(tmp_path), "flights", "run-10").step("c", "w") as say:
        say("ok", "c")

    assert [entry.step for entry in journal.entries()] == ["b", "a"]
    assert journal.read("c") is None
