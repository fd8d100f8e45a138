import signal

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


def test_an_interrupted_step_says_so(journal):
    with pytest.raises(KeyboardInterrupt), journal.step("train", "w"):
        raise KeyboardInterrupt

    assert journal.read("train").headline == "interrupted"


def test_a_step_that_is_terminated_says_so(journal):
    with pytest.raises(SystemExit), journal.step("train", "w"):
        signal.raise_signal(signal.SIGTERM)

    assert journal.read("train").status == "failed"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_headline_is_one_line(journal):
    with journal.step("train", "w") as say:
        say("ok", "one\ntwo")

    assert journal.read("train").headline == "one; two"


def test_an_earlier_attempt_can_be_forgotten(journal):
    with journal.step("train", "w") as say:
        say("ok", "done")
    journal.clear()

    assert journal.entries() == []


def test_entries_come_in_order_and_other_runs_stay_out(journal, tmp_path):
    for step in ("b", "a"):
        with journal.step(step, "w") as say:
            say("ok", step)
    with Journal(Store(tmp_path), "flights", "run-10").step("c", "w") as say:
        say("ok", "c")

    assert [entry.step for entry in journal.entries()] == ["b", "a"]
    assert journal.read("c") is None
