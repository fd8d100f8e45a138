import pytest

from components.core.claim import Claim, claimed
from components.core.errors import ConflictError
from components.core.process import ProcessId
from components.core.storage import Store


def hold(store, **changes):
    owner = ProcessId.own().model_copy(update=changes)
    store.create("claim.json", Claim(owner=owner, at="2026-06-01").model_dump_json().encode())


def test_work_is_done_by_one_at_a_time_and_can_be_done_again(tmp_path):
    store = Store(tmp_path)
    with (
        claimed(store, "claim.json", "the window"),
        pytest.raises(ConflictError, match=r"the window is being worked on by process \d+.*wait"),
        claimed(store, "claim.json", "the window"),
    ):
        raise AssertionError("done twice")

    with claimed(store, "claim.json", "the window"):
        pass
    assert not store.exists("claim.json")


def test_what_a_process_left_behind_is_taken_over(tmp_path):
    store = Store(tmp_path)
    hold(store, started="long ago")

    with claimed(store, "claim.json", "the window"):
        assert Claim.model_validate_json(store.read("claim.json")).owner == ProcessId.own()


def test_of_another_machine_it_is_not_known_whether_it_has_ended(tmp_path):
    store = Store(tmp_path)
    hold(store, machine="elsewhere 1 2")

    with (
        pytest.raises(ConflictError, match=r"on elsewhere, .*if it has ended, delete .*claim.json"),
        claimed(store, "claim.json", "the window"),
    ):
        raise AssertionError("taken from another machine")


def test_a_claim_that_somebody_else_holds_by_now_is_left_to_them(tmp_path):
    store = Store(tmp_path)
    with claimed(store, "claim.json", "the work"):
        store.write("claim.json", b"another one's")

    assert store.read("claim.json") == b"another one's"
