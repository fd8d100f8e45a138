"""Windows one after another: what the detector remembers, forgets, and says."""

import numpy as np
import pytest

from components.core.storage import Store
from components.core.window import Window
from components.model.concept_check import check_concept
from components.model.concept_state import ConceptMemory, ConceptState
from components.model.records import ErrorReference
from tests.model.conftest import changed

PER_DAY = 300
NAMES = ["2024-03-01..2024-03-11", "2024-03-11..2024-03-21", "2024-03-21..2024-03-31"]


@pytest.fixture
def world(trained, tmp_path):
    record = trained.record.model_copy(update={"errors": ErrorReference(labels=10_000, wrong=1000)})
    store = Store(tmp_path / "store")
    return trained.spec, record, store, ConceptMemory(store, "orders")


def errors_of(name, rate, seed=0):
    """Errors and times of a window; `rate` may be an array, a value a day."""
    window = Window.parse(name)
    days = (window.end - window.start).days
    start = np.datetime64(window.start.replace(tzinfo=None), "us")
    step = np.timedelta64(86_400_000_000 // PER_DAY, "us")
    random = np.random.default_rng(seed)
    rates = np.repeat(np.broadcast_to(rate, days), PER_DAY)
    return random.random(days * PER_DAY) < rates, start + np.arange(days * PER_DAY) * step


def look(world, name, rate, champion="v1", seed=0, memory="own", part=slice(None)):
    spec, record, _, own = world
    wrong, times = errors_of(name, rate, seed)
    return check_concept(
        spec,
        record,
        Window.parse(name),
        champion,
        wrong[part],
        times[part],
        own if memory == "own" else memory,
    )


def test_a_window_goes_on_where_the_last_one_ended(world):
    first = look(world, NAMES[0], 0.1)
    second = look(world, NAMES[1], 0.1, seed=1)

    assert second.state.continues == NAMES[0]
    assert second.state.stream.labels == 6000
    assert second.facts["concept"]["new_labels"] == 3000
    assert (first.findings[0].answer, second.findings[0].answer) == ("no drift", "no drift")
    assert second.findings[0].threshold == 2_000_000
    assert "10.0 % on the holdout" in second.findings[0].message


def test_a_rise_that_two_windows_share_is_found_with_its_time(world):
    bad = np.array([0.15] + [0.05] * 9)
    first = look(world, NAMES[0], np.array([0.1] * 8 + [0.15] * 2))
    apart = look(world, NAMES[1], bad, seed=1, memory=None)
    found = look(world, NAMES[1], bad, seed=1)

    assert first.findings[0].answer == "no drift"
    assert apart.findings[0].answer != "drift"
    assert found.findings[0].severity == found.findings[0].answer == "drift"
    since = found.facts["concept"]["alarm_since"]
    assert "2024-03-06" < since < "2024-03-11"
    assert since in found.findings[0].message
    assert found.findings[0].message.endswith(
        "; as long as errors come together no more than on the holdout, the detector alarms by "
        "chance alone once in 2,000,000 labels or less often"
    )


def test_a_window_that_is_run_again_starts_where_it_started(world):
    look(world, NAMES[0], 0.1)
    few = look(world, NAMES[1], 0.1, seed=1, part=slice(0, 500))
    more = look(world, NAMES[1], 0.1, seed=1)
    again = look(world, NAMES[1], 0.1, seed=1)

    assert few.state.stream.labels == 3500
    assert more == again
    assert more.state.stream.labels == 6000
    assert look(world, NAMES[2], 0.1).state.stream.labels == 9000


def test_rows_that_two_windows_share_count_once(world):
    look(world, "2024-03-01..2024-03-06", 0.1)
    look(world, "2024-03-01..2024-03-11", 0.1)
    found = look(world, "2024-03-06..2024-03-16", 0.1)

    assert found.state.continues == "2024-03-01..2024-03-06"
    assert found.facts["concept"]["new_labels"] == 10 * PER_DAY
    assert found.state.stream.labels == 15 * PER_DAY


def test_of_two_windows_that_end_together_the_longer_one_is_gone_on_from(world):
    look(world, "2024-03-10..2024-03-11", 0.1)
    look(world, "2024-03-01..2024-03-11", 0.1)

    assert look(world, NAMES[1], 0.1).state.continues == NAMES[0]


@pytest.mark.parametrize("days_late", [1, 2, 6])
def test_labels_that_are_late_for_one_window_are_seen_by_those_that_overlap_it(world, days_late):
    """The complaint comes days after, the silence at once: every window holds some early labels."""
    spec, record, _, memory = world
    wrong, times = errors_of("2024-03-01..2024-03-21", 0.3, seed=1)
    arrived = times + np.where(wrong, days_late, 0) * np.timedelta64(1, "D")
    for day in range(8, 21):
        window = Window.parse(f"2024-03-{day - 7:02}..2024-03-{day:02}")
        start, end = (np.datetime64(at.replace(tzinfo=None)) for at in (window.start, window.end))
        known = (times >= start) & (times < end) & (arrived <= end)
        found = check_concept(spec, record, window, "v1", wrong[known], times[known], memory)
        seen = found.facts["concept"]

        assert seen["new_labels"] == known.sum()
        expected = "drift" if wrong[known].mean() > 0.2 else None
        assert expected in (None, found.findings[0].answer)
    assert seen["continues"] == "2024-03-06..2024-03-13"


def test_a_window_of_the_same_end_is_none_to_go_on_from(world):
    look(world, "2024-03-01..2024-03-11", 0.1)

    assert look(world, "2024-03-06..2024-03-11", 0.1).state.continues == ""


def test_after_an_alarm_the_next_window_begins_anew_and_tells(world):
    look(world, NAMES[0], 0.3)
    calm = look(world, NAMES[1], 0.1)
    later = look(world, NAMES[2], 0.1, seed=5)

    assert calm.findings[0].answer == "no drift"
    assert calm.state.stream.labels == 3000
    assert f"it alarmed before, in {NAMES[0]}" in calm.findings[0].message
    assert later.facts["concept"]["earlier_alarms"] == [NAMES[0]]
    assert later.state.stream.labels == 6000


def test_a_rise_that_lasts_alarms_again(world):
    assert look(world, NAMES[0], 0.3).findings[0].answer == "drift"
    assert look(world, NAMES[1], 0.3).findings[0].answer == "drift"


def test_a_new_champion_starts_fresh_and_an_old_one_goes_on(world):
    look(world, NAMES[0], 0.1)
    other = look(world, NAMES[1], 0.1, champion="v2")
    back = look(world, NAMES[2], 0.1)

    assert other.state.continues == ""
    assert back.state.continues == NAMES[0]


def test_another_champions_run_leaves_the_firsts_state_alone(world):
    look(world, NAMES[0], 0.1)
    look(world, NAMES[1], 0.3)
    other = look(world, NAMES[1], 0.1, champion="v2")
    back = look(world, NAMES[2], 0.1)

    assert other.state.continues == ""
    assert back.state.continues == NAMES[1]
    assert back.facts["concept"]["earlier_alarms"] == [NAMES[1]]


def test_what_went_on_from_a_window_that_is_run_again_is_gone_on_from_no_more(world):
    for name in NAMES[:2]:
        look(world, name, 0.1, part=slice(0, 0))
    look(world, NAMES[0], 0.25)

    stale = look(world, NAMES[2], 0.1)
    renewed = look(world, NAMES[1], 0.1)
    whole = look(world, NAMES[2], 0.1)

    assert stale.state.continues == NAMES[0]
    assert [f.statistic for f in stale.findings] == ["concept drift", "detector state"]
    assert stale.findings[1].severity == "warn"
    assert stale.findings[1].message == (
        f"{NAMES[0]} was run again since {NAMES[1]} went on from it: the detector goes on from "
        f"{NAMES[0]}; run the monitoring of {NAMES[1]} again"
    )
    assert renewed.facts["concept"]["earlier_alarms"] == [NAMES[0]]
    assert whole.state.continues == NAMES[1]
    assert len(whole.findings) == 1
    assert whole.state.stream.labels == 6000


def test_a_window_run_again_is_noticed_however_long_ago_it_was(world):
    days = [f"2024-03-{day:02}..2024-03-{day + 1:02}" for day in range(1, 8)]
    for name in days:
        look(world, name, 0.1)
    look(world, days[1], 0.1, part=slice(0, 100))

    found = look(world, NAMES[1], 0.1)

    assert found.state.continues == days[1]
    assert found.state.stream.labels == 400 + 3000
    assert (
        f"run the monitoring of {days[2]} again, then that of the 4 after it until {days[6]}"
        in found.findings[1].message
    )


def test_a_window_run_again_with_the_same_labels_changes_nothing(world):
    before = [look(world, name, 0.1) for name in NAMES]

    assert look(world, NAMES[0], 0.1) == before[0]
    assert look(world, NAMES[2], 0.1) == before[2]
    assert len(before[2].findings) == 1


def test_a_state_that_was_deleted_breaks_no_chain(world, tmp_path):
    look(world, NAMES[0], 0.1)
    look(world, NAMES[1], 0.1)
    (tmp_path / "store/orders/checks" / Window.parse(NAMES[0]).key / "concept--v1.json").unlink()

    found = look(world, NAMES[2], 0.1)

    assert found.state.continues == NAMES[1]
    assert len(found.findings) == 1


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"version": 2}'])
def test_a_state_that_cannot_be_read_is_said(world, content):
    _, _, store, _ = world
    look(world, NAMES[0], 0.1)
    look(world, NAMES[1], 0.1)
    store.write(f"orders/checks/{Window.parse(NAMES[1]).key}/concept--v1.json", content)

    found = look(world, NAMES[2], 0.1)

    assert found.state.continues == NAMES[0]
    assert [f.severity for f in found.findings] == ["info", "warn"]
    assert f"the state after {NAMES[1]} cannot be read" in found.findings[1].message
    assert f"goes on from {NAMES[0]}" in found.findings[1].message


def test_a_state_of_another_detector_is_not_gone_on_from(world):
    spec, record, store, memory = world
    look(world, NAMES[0], 0.1)
    other = record.model_copy(update={"errors": ErrorReference(labels=500, wrong=50)})

    found = look((spec, other, store, memory), NAMES[1], 0.1)

    assert found.state.continues == ""
    assert "is of another detector: the detector begins anew" in found.findings[1].message


def test_folders_that_are_no_windows_are_passed_over(world):
    _, _, store, _ = world
    store.write("orders/checks/notes/concept--v1.json", b"mine")
    store.write("orders/checks/2024-03-01_2024-03-05/drift.json", b"{}")

    found = look(world, NAMES[1], 0.1)

    assert len(found.findings) == 1
    assert found.state.continues == ""


def test_without_labels_the_answer_is_underpowered_and_the_state_goes_on(world):
    look(world, NAMES[0], 0.1)
    nothing = look(world, NAMES[1], 0.1, part=slice(0, 0))
    after = look(world, NAMES[2], 0.1)

    assert nothing.findings[0].answer == "underpowered"
    assert "0 new ones" in nothing.findings[0].message
    assert nothing.state.stream.labels == after.state.stream.labels - 3000 == 3000


def test_few_labels_are_underpowered_and_say_how_many_it_takes(world):
    found = look(world, NAMES[0], 0.1, part=slice(0, 100)).findings[0]

    assert found.answer == "underpowered"
    assert "a rise from 10.0 % to 20.0 % takes about" in found.message


def test_the_holdout_itself_is_not_judged(world):
    spec, record, _, _ = world
    holdout = Window.parse(record.holdout_window)
    name = f"{holdout.start:%Y-%m-%d}..{holdout.end:%Y-%m-%d}"

    assert look(world, name, 0.5).facts["concept"]["new_labels"] == 0
    assert spec.model == "orders"


def test_an_older_record_is_said_and_not_judged(world):
    spec, record, store, memory = world
    older = record.model_copy(update={"errors": None})

    found = look((spec, older, store, memory), NAMES[0], 0.5)

    assert (found.findings[0].answer, found.state) == ("underpowered", None)
    assert "train again" in found.findings[0].message
    assert store.names("orders") == []


@pytest.mark.parametrize("wrong", [0, 500])
def test_where_all_errors_are_alike_none_stands_out(world, wrong):
    spec, record, store, memory = world
    alike = ErrorReference(labels=500, wrong=wrong, bound=3.0)
    constant = record.model_copy(update={"errors": alike})

    found = look((spec, constant, store, memory), NAMES[0], 0.5)

    assert (found.findings[0].answer, found.state) == ("underpowered", None)
    assert found.findings[0].message == (
        "the champion's errors on the holdout are all 3.000, so that none of them stands out"
    )


def test_a_shorter_run_length_alarms_sooner(world):
    spec, record, store, _ = world
    hasty = changed(spec, checks__performance__run_length=1000)

    early = look((hasty, record, store, None), NAMES[0], 0.2, memory=None)
    late = look(world, NAMES[0], 0.2, memory=None)

    assert early.state.stream.labels < late.state.stream.labels
    assert "once in 1,000 labels" in early.findings[0].message


def test_a_state_survives_json(world):
    state = look(world, NAMES[0], 0.3).state

    assert ConceptState.model_validate_json(state.model_dump_json()) == state
