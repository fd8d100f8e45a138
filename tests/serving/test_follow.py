"""Deployments, and the servers that follow them: what each does, and what the other hears of it."""

import json
import os
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.core.errors import ConflictError, ReleaseError, RolloutError
from components.core.process import ProcessId
from components.core.storage import Store
from components.release.deployment import DeploymentRecord, Underway
from components.release.guard import Judgement
from components.release.local import LocalTarget
from components.release.package import seal
from components.release.servers import ServerNote, Servers
from components.release.switch import Pace
from components.release.target import Deployment
from components.serving.follow import reachable
from components.serving.server import Settings, follow
from components.spec.model import Guard, Serving
from tests.following import following
from tests.rollouts import asked_rows, build
from tests.worlds import make_world

PACE = Pace(poll=0.02, confirm=20.0, back=20.0)
UNGUARDED = Serving(guard=Guard(period="0s"))
ROWS = asked_rows(20)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A store with two real releases, and one whose model is no model."""
    world = make_world(tmp_path_factory.mktemp("world"))
    first = build(world, "2024-01..2024-03", ROWS).version
    second = build(world, "2024-02..2024-04", ROWS).version
    folder = Path(world.store) / "orders" / "releases"
    broken = shutil.copytree(folder / first, tmp_path_factory.mktemp("broken") / "release")
    (broken / "model.skops").write_bytes(b"no model at all")
    for name in ("model.onnx", "runtime.json"):
        (broken / name).unlink(missing_ok=True)
    seal(broken, "orders", "2024-09-broken", {})
    LocalTarget(Store(world.store), "orders").releases.publish(broken)
    return Path(world.store), first, second, "2024-09-broken"


@pytest.fixture
def place(template, tmp_path):
    return Store(shutil.copytree(template[0], tmp_path / "store"))


@pytest.fixture
def v1(template):
    return template[1]


@pytest.fixture
def v2(template):
    return template[2]


@pytest.fixture
def broken(template):
    return template[3]


@pytest.fixture
def target(place, v1):
    """A target whose champion is the first release."""
    target = LocalTarget(place, "orders", UNGUARDED, PACE)
    target.deploy(v1, expected=None, run="first", reason="the first one")
    return target


def answers_with(server):
    with server.client() as client:
        return json.loads(client.request("GET", "/v2/health/ready")[2])["release"]


def deploy(target, version, expected, run="run", **options):
    return target.deploy(version, expected=expected, run=run, reason="because", **options)


def state_of(place):
    return DeploymentRecord(place, "orders").read()


def test_a_deployment_returns_once_every_server_answers_with_it(place, target, v1, v2):
    told = []
    with following(place) as one, following(place) as two:
        assert {answers_with(one), answers_with(two)} == {v1}
        entry = deploy(target, v2, v1, progress=told.append)

        assert entry.version == v2
        assert answers_with(one) == answers_with(two) == v2
        assert one.serving.previous.release == v1
        status = target.status()
        assert status.settled
        assert [(each.name, each.version, each.ready) for each in status.replicas] == [
            (url, v2, True) for url in sorted([one.url, two.url], key=order_of(place))
        ]
    assert target.status().replicas == []
    assert [each.version for each in target.history()] == [v1, v2]
    assert any("waiting for 2 servers of 2" in line for line in told)


def order_of(place):
    notes = {note.url: note.id for note in Servers(place, "orders").all()}
    return lambda url: notes[url]


def test_going_back_is_instant_and_no_file_is_read(place, target, v1, v2, eventually):
    with following(place) as server:
        deploy(target, v2, v1)
        model = server.serving.previous
        shutil.rmtree(place.path(f"orders/releases/{v1}"))
        DeploymentRecord(place, "orders").change(
            lambda state: state.model_copy(update={"history": state.history[:1]})
        )
        eventually(lambda: answers_with(server) == v1)

        assert server.serving.served is model


def test_a_release_that_a_server_refuses_goes_back_with_the_servers_own_reason(
    place, target, v1, broken
):
    with following(place) as server:
        with pytest.raises(RolloutError) as caught:
            deploy(target, broken, v1)

        assert f"deploy of {broken} failed: the server at {server.url} refuses it: " in str(
            caught.value
        )
        assert "model.skops is refused" in str(caught.value)
        assert str(caught.value).endswith(f"{v1} serves again")
        assert answers_with(server) == v1
        status = target.status()
        assert status.settled
        assert f"refuses {broken}" in status.replicas[0].note
        assert f"deploy of {broken}" in status.note
    assert [entry.version for entry in target.history()] == [v1]
    state = state_of(place)
    assert state.underway is None
    assert state.failed[-1].entry.version == broken
    assert "refuses it" in state.failed[-1].problem


def test_a_release_swapped_between_its_check_and_its_loading_goes_back(
    place, target, v1, v2, monkeypatch
):
    begin = LocalTarget._switch

    def swap(self, *given, **more):
        (Path(place.path(f"orders/releases/{v2}")) / "training.json").write_text("{}")
        return begin(self, *given, **more)

    monkeypatch.setattr(LocalTarget, "_switch", swap)
    with following(place) as server:
        with pytest.raises(RolloutError, match=r"training\.json was changed after packaging"):
            deploy(target, v2, v1)
        assert answers_with(server) == v1


def note_of(url, **changes):
    now = datetime.now(UTC).isoformat()
    return ServerNote(
        id=url.rpartition(":")[2],
        url=url,
        process=ProcessId.own(),
        since=now,
        beat=now,
        **changes,
    )


def test_a_server_that_does_not_switch_in_time_sends_the_release_back(place, target, v1, v2):
    stuck = note_of("http://127.0.0.1:1")
    Servers(place, "orders").write(stuck)
    hurried = LocalTarget(place, "orders", UNGUARDED, Pace(poll=0.02, confirm=0.3, back=0.3))
    with pytest.raises(RolloutError) as caught:
        deploy(hurried, v2, v1)

    assert "the server at http://127.0.0.1:1 did not answer with it within 0.3 s" in str(
        caught.value
    )
    assert f"{v1} is the champion again, but the server at http://127.0.0.1:1 has not" in str(
        caught.value
    )
    assert target.current().version == v1


def test_servers_that_were_killed_are_not_waited_for(place, target, v1, v2):
    gone = note_of("http://127.0.0.1:1")
    elsewhere = ProcessId(machine="elsewhere", pid=1, started="1")
    silent = (datetime.now(UTC) - timedelta(minutes=2)).isoformat()
    for note in (
        gone.model_copy(update={"process": ProcessId.own().model_copy(update={"started": "x"})}),
        gone.model_copy(update={"id": "silent", "process": elsewhere, "beat": silent}),
    ):
        Servers(place, "orders").write(note)

    assert deploy(target, v2, v1).version == v2


def test_a_release_that_kills_its_servers_goes_back(place, target, v1, v2, monkeypatch):
    note = note_of("http://127.0.0.1:1")
    servers = Servers(place, "orders")
    servers.write(note)
    killed = note.model_copy(
        update={"process": ProcessId.own().model_copy(update={"started": "x"})}
    )
    told = []

    def kill(line):
        told.append(line)
        if line.startswith("waiting for"):
            servers.write(killed)

    with pytest.raises(RolloutError, match="ended while it was waited for"):
        deploy(target, v2, v1, progress=kill)
    assert target.current().version == v1


def test_one_killed_server_of_two_is_no_reason_to_go_back(place, target, v1, v2):
    note = note_of("http://127.0.0.1:1")
    servers = Servers(place, "orders")
    servers.write(note)
    killed = note.model_copy(
        update={"process": ProcessId.own().model_copy(update={"started": "x"})}
    )
    told = []

    def kill(line):
        told.append(line)
        if line.startswith("waiting for"):
            servers.write(killed)

    with following(place) as server:
        deploy(target, v2, v1, progress=kill)
        assert answers_with(server) == v2
    assert any("ended while it was waited for" in line for line in told)


def test_a_server_that_starts_during_a_rollout_is_waited_for(place, target, v1, v2, eventually):
    note = note_of("http://127.0.0.1:1")
    Servers(place, "orders").write(note)
    result = []
    thread = threading.Thread(target=lambda: result.append(deploy(target, v2, v1)))
    thread.start()
    eventually(lambda: state_of(place).underway)
    with following(place) as late:
        assert answers_with(late) == v2
        Servers(place, "orders").remove(note.id)
        thread.join(20)
        assert result[0].version == v2


def test_a_server_that_cannot_load_what_is_under_way_serves_the_champion(
    place, target, v1, broken, eventually
):
    note = note_of("http://127.0.0.1:1")
    Servers(place, "orders").write(note)
    caught = []

    def attempt():
        try:
            deploy(target, broken, v1)
        except RolloutError as error:
            caught.append(str(error))

    thread = threading.Thread(target=attempt)
    thread.start()
    eventually(lambda: state_of(place).underway)
    with following(place) as late:
        assert answers_with(late) == v1
        Servers(place, "orders").remove(note.id)
        thread.join(20)
        assert f"the server at {late.url} refuses it" in caught[0]


def judged(verdict, *reasons):
    def watch(scrape, *, progress, pause, **given):
        pause(0.01)
        return Judgement(verdict=verdict, reasons=[*reasons], requests=100)

    return watch


GUARDED = Serving(guard=Guard(period="1s"))


def test_a_release_that_does_worse_under_guard_goes_back(place, target, v1, v2, monkeypatch):
    monkeypatch.setattr(
        "components.release.switch.watch", judged("breached", "its answers moved away", "slow")
    )
    guarded = LocalTarget(place, "orders", GUARDED, PACE)
    with following(place) as server:
        with pytest.raises(RolloutError) as caught:
            deploy(guarded, v2, v1)
        assert str(caught.value) == (
            f"deploy of {v2} failed: it did worse under guard: its answers moved away; slow; "
            f"{v1} serves again"
        )
        assert answers_with(server) == v1
    assert target.current().version == v1


@pytest.mark.parametrize("verdict", ["passed", "too few"])
def test_a_release_that_is_not_found_worse_stays(place, target, v1, v2, monkeypatch, verdict):
    monkeypatch.setattr("components.release.switch.watch", judged(verdict, "nothing was wrong"))
    told = []
    with following(place):
        deploy(LocalTarget(place, "orders", GUARDED, PACE), v2, v1, progress=told.append)
    word = "passed the guard" if verdict == "passed" else "stays"
    assert f"{v2} {word}: nothing was wrong" in told
    assert target.current().version == v2


def test_a_rollback_during_the_guard_wins_and_the_deployment_is_told(
    place, target, v1, v2, monkeypatch
):
    def watch(scrape, *, pause, **given):
        target.rollback(run="operator", reason="it looks bad")
        pause(0.01)

    monkeypatch.setattr("components.release.switch.watch", watch)
    with following(place) as server:
        with pytest.raises(ConflictError, match=f"was given up: {v1} is deployed now, by run oper"):
            deploy(LocalTarget(place, "orders", GUARDED, PACE), v2, v1)
        assert answers_with(server) == v1
    state = state_of(place)
    assert [(entry.action, entry.version) for entry in state.history] == [
        ("deploy", v1),
        ("rollback", v1),
    ]
    assert state.failed[-1].problem == "given up for the rollback by run operator"


def test_an_interrupted_deployment_is_undone_at_once(place, target, v1, v2, monkeypatch):
    def watch(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("components.release.switch.watch", watch)
    with following(place) as server:
        with pytest.raises(KeyboardInterrupt):
            deploy(LocalTarget(place, "orders", GUARDED, PACE), v2, v1)
        assert state_of(place).underway is None
        assert state_of(place).failed[-1].problem == "it was interrupted"
        assert target.current().version == v1
        del server


def test_while_one_is_under_way_another_deployment_is_told_to_wait(place, target, v1, v2):
    leave_behind(place, v2, owner=ProcessId.own())
    with pytest.raises(ConflictError, match=f"has to wait: {v2} is being rolled out by run lost"):
        deploy(target, v2, v1)
    assert target.champion().version == v1
    assert not target.status().settled
    assert "is being rolled out by run lost" in target.status().note


GONE = ProcessId.own().model_copy(update={"started": "before"})


def leave_behind(place, version, action="deploy", owner=GONE, minutes=1):
    """What a killed process leaves: a rollout that nobody is at."""
    target = LocalTarget(place, "orders")
    until = datetime.now(UTC) + timedelta(minutes=minutes)
    entry = Deployment(
        version=version,
        manifest_sha256=target.manifest_sha256(version),
        action=action,
        at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        run="lost",
        reason="",
    )
    mark = Underway(entry=entry, owner=owner, until=until.isoformat())
    DeploymentRecord(place, "orders").change(lambda state: state.begun(mark))
    return entry


@pytest.mark.parametrize(
    ("owner", "minutes"), [(GONE, 1), (ProcessId(machine="other", pid=1, started="1"), -3)]
)
def test_what_a_killed_deployment_left_is_undone_by_the_next_start(
    place, target, v1, v2, owner, minutes
):
    leave_behind(place, v2, owner=owner, minutes=minutes)
    told = []
    target.repair(told.append)

    assert told == [f"the deploy of {v2} by lost was interrupted; it is undone"]
    assert state_of(place).underway is None
    assert target.current().version == v1
    target.repair(told.append)
    assert len(told) == 1


def test_a_rollout_from_a_machine_whose_clock_is_a_little_off_goes_on(place, target, v1, v2):
    leave_behind(place, v2, owner=ProcessId(machine="other", pid=1, started="1"), minutes=-1)
    target.repair()

    assert state_of(place).underway is not None


def test_a_server_undoes_it_as_well_and_serves_the_champion(place, target, v1, v2, eventually):
    with following(place) as server:
        leave_behind(place, v2)
        eventually(lambda: state_of(place).failed)
        eventually(lambda: answers_with(server) == v1)
    leave_behind(place, v2)
    with following(place) as server:
        assert answers_with(server) == v1
        assert state_of(place).underway is None


def test_a_killed_rollback_is_seen_through(place, target, v1, v2):
    deploy(target, v2, v1)
    entry = leave_behind(place, v1, action="rollback")
    deploy(target, v2, v1)  # v2 was given up for v1: only so is it proven against the champion

    assert [each.version for each in target.history()] == [v1, v2, v1, v2]
    assert target.history()[2] == entry


def test_a_killed_rollback_that_servers_refuse_is_undone(place, target, v1, v2):
    deploy(target, v2, v1)
    entry = leave_behind(place, v1, action="rollback")
    refusal = {"version": v1, "at": entry.at, "problem": "it is damaged"}
    Servers(place, "orders").write(note_of("http://127.0.0.1:1", refused=refusal))
    target.repair()

    assert target.current().version == v2
    assert state_of(place).failed[-1].entry == entry


def test_a_rollback_waits_for_the_servers_and_comes_back_where_they_refuse(
    place, target, v1, v2, monkeypatch
):
    deploy(target, v2, v1)
    with following(place) as server:
        monkeypatch.setattr(
            "components.serving.loader.load_model",
            lambda *_, **__: (_ for _ in ()).throw(MemoryError("too large")),
        )
        with pytest.raises(RolloutError, match="cannot be loaded: MemoryError: too large"):
            target.rollback(run="r", reason="")
        assert answers_with(server) == v2
        monkeypatch.undo()
        assert target.rollback(run="r", reason="").version == v1
        assert answers_with(server) == v1


def test_a_rollback_refuses_a_release_that_is_not_the_one_that_served(place, target, v1, v2):
    deploy(target, v2, v1)
    folder = Path(place.path(f"orders/releases/{v1}"))
    (folder / "training.json").write_text("{}")
    seal(folder, "orders", v1, {})  # made consistent by whoever can write to the store

    with pytest.raises(ReleaseError, match="its manifest is not the one that was deployed"):
        target.rollback(run="r", reason="")
    assert target.current().version == v2


def test_there_is_no_way_back_to_what_never_served(place, target, v1, v2):
    with pytest.raises(ReleaseError, match=f"was never deployed.*releases deploy {v2}"):
        target.rollback(v2, run="r", reason="")


def waiting_server(place, eventually):
    """A server that waits for a deployment, in a thread, and what it will have answered with."""
    found = []

    def start():
        with following(place, wait=True) as server:
            found.append(answers_with(server))

    thread = threading.Thread(target=start)
    thread.start()
    eventually(lambda: Servers(place, "orders").live())
    return thread, found


def test_a_store_in_which_nothing_is_deployed_is_refused_and_stays_untouched(tmp_path):
    with pytest.raises(ReleaseError, match=r"no release of orders is deployed in .*check --store"):
        follow(Store(tmp_path / "mistyped"), "orders", Settings(port=0))

    assert not (tmp_path / "mistyped").exists()


def test_a_server_waits_for_the_first_deployment(place, v1, eventually):
    target = LocalTarget(place, "orders", UNGUARDED, PACE)
    with pytest.raises(ReleaseError, match="run 'driftline run training' first"), following(place):
        pass
    thread, found = waiting_server(place, eventually)
    deploy(target, v1, None)
    thread.join(20)
    assert found == [v1]


def test_a_waiting_server_that_refuses_the_first_deployment_waits_for_another(
    place, v1, broken, eventually
):
    target = LocalTarget(place, "orders", UNGUARDED, PACE)
    thread, found = waiting_server(place, eventually)
    with pytest.raises(RolloutError, match=r"refuses it.*nothing was deployed before"):
        deploy(target, broken, None)
    assert target.current() is None
    deploy(target, v1, None)
    thread.join(20)
    assert found == [v1]


def test_the_only_server_that_leaves_during_a_rollout_sends_it_back(place, target, v1, v2):
    note = note_of("http://127.0.0.1:1")
    servers = Servers(place, "orders")
    servers.write(note)

    def leave(line):
        if line.startswith("waiting for"):
            servers.remove(note.id)

    with pytest.raises(RolloutError, match=f"ended while it was waited for; {v1} is the champion"):
        deploy(target, v2, v1, progress=leave)


def test_a_server_whose_clock_is_wrong_is_waited_for_all_the_same(place, target, v1, v2):
    with following(place) as server:
        (note,) = Servers(place, "orders").all()
        past = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        server.follower._note = note.model_copy(update={"beat": past})
        Servers(place, "orders").write(server.follower._note)
        assert [each.url for each in Servers(place, "orders").live()] == [server.url]


def test_a_first_deployment_that_is_undone_ends_the_servers_that_had_taken_it(
    place, v1, monkeypatch
):
    leave_behind(place, v1, owner=ProcessId.own())
    with following(place) as server:
        assert answers_with(server) == v1
        DeploymentRecord(place, "orders").change(lambda state: state.undone("by hand"))
        server.thread.join(20)
        assert not server.thread.is_alive()
        assert "nothing was deployed before" in server.follower.failure
    assert Servers(place, "orders").all() == []


def test_a_server_that_drains_takes_leave_at_once(place, target, v1, v2, eventually):
    with following(place, drain_s=20.0) as server:
        server.stop()
        eventually(lambda: not Servers(place, "orders").all())
        assert deploy(target, v2, v1).version == v2
        assert server.serving.served.release == v1  # it no longer follows
        server.stop()


def test_while_the_store_does_not_answer_the_server_does(place, target, v1, v2, eventually):
    with following(place) as server:
        hidden = Path(place.path("orders"))
        os.rename(hidden, hidden.with_name("hidden"))
        hidden.write_text("in the way")
        eventually(lambda: server.follower._trouble)
        assert answers_with(server) == v1
        hidden.unlink()
        os.rename(hidden.with_name("hidden"), hidden)
        deploy(target, v2, v1)
        assert answers_with(server) == v2


def test_a_state_from_before_is_read(place, target, v1):
    text = json.loads(place.read("orders/deployment.json"))
    del text["underway"], text["failed"]
    place.write("orders/deployment.json", json.dumps(text).encode())

    assert target.champion().version == v1
    assert target.status().settled


def test_the_address_that_others_reach():
    assert reachable("10.0.0.7", 80) == "http://10.0.0.7:80"
    assert reachable("::1", 80) == "http://[::1]:80"
    everywhere = "0.0.0.0"  # noqa: S104
    assert everywhere not in reachable(everywhere, 80)
