"""What a run of the same name does again, and what it does not."""

import pytest

from components.core.errors import UsageError
from components.core.journal import Journal
from components.core.storage import Store
from components.core.window import Window
from components.release.local import LocalTarget
from components.release.package import seal
from pipelines import runs
from pipelines.runs import RunRequest, run_here
from tests.worlds import make_world


@pytest.fixture
def request_again(tmp_path, monkeypatch):
    """A request whose pipeline only says that it ran."""
    world = make_world(tmp_path)
    request = RunRequest("monitoring", world.spec, world.store, Window.parse("2024-03"), "mine")
    started = []

    def pretend(name, parameters, model, folder, progress):
        started.append(name)

    monkeypatch.setattr(runs, "run_local", pretend)
    return request, started


def say(request, step, status, headline="said before"):
    journal = Journal(Store(request.store), "orders", request.name)
    with journal.step(step, str(request.window)) as tell:
        tell(status, headline)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ([("decide", "none")], "nothing to do: said before"),
        ([("decide", "alert")], "alert: said before"),
        ([("decide", "retrain"), ("evaluate", "reject")], "challenger rejected: said before"),
        (
            [("decide", "retrain"), ("evaluate", "accept"), ("deploy", "ok")],
            "deployed said before, retrained because said before",
        ),
    ],
)
def test_a_run_that_had_only_to_tell_people_tells_them(request_again, said, told):
    request, started = request_again
    for step, status in said:
        say(request, step, status)
    result = run_here(request, lambda task, state: None)

    assert started == []
    assert result.line.startswith(told.split(", retrained")[0])
    assert told in result.line


@pytest.mark.parametrize(
    "said",
    [
        [],
        [("ingest_monitoring", "failed")],
        [("decide", "retrain")],
        [("decide", "retrain"), ("train", "failed")],
        [("decide", "retrain"), ("evaluate", "accept")],
        [("decide", "retrain"), ("evaluate", "accept"), ("deploy", "failed")],
    ],
)
def test_a_run_that_was_interrupted_is_run_again_and_old_failures_are_forgotten(
    request_again, said
):
    request, started = request_again
    for step, status in said:
        say(request, step, status)
    say(request, "notify", "failed")
    result = run_here(request, lambda task, state: None)

    assert started == ["monitoring"]
    assert result.entries == []


def test_a_run_that_was_killed_right_after_it_deployed_does_not_judge_its_own_model(
    request_again, tmp_path
):
    request, started = request_again
    packaged = tmp_path / "packaged"
    packaged.mkdir()
    (packaged / "card.md").write_text("card")
    seal(packaged, "orders", "v2", {})
    target = LocalTarget(Store(request.store), "orders")
    target.releases.publish(packaged)
    say(request, "decide", "retrain")
    say(request, "deploy", "running")
    target.deploy("v2", expected=None, run="mine", reason="drift")
    result = run_here(request, lambda task, state: None)

    assert started == []
    assert "deployed v2" in result.line


@pytest.mark.parametrize("name", ["auto", "", "a|b", "../escaped", "a b", ".hidden", "x" * 101])
def test_a_name_that_cannot_be_a_folder_is_refused(tmp_path, name):
    world = make_world(tmp_path)
    with pytest.raises(UsageError, match="a run cannot be called"):
        RunRequest("training", world.spec, world.store, Window.parse("2024-03"), name)


def test_a_store_that_kfp_would_rewrite_is_refused(tmp_path):
    world = make_world(tmp_path)
    with pytest.raises(UsageError, match="python3"):
        RunRequest("training", world.spec, "/srv/python3/store", Window.parse("2024"), "mine")
