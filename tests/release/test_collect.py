import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.core.errors import ReleaseError, UsageError
from components.core.process import ProcessId
from components.core.storage import Store
from components.release.collect import collect
from components.release.local import LocalTarget
from components.release.package import seal
from components.release.servers import ServerNote, Servers
from components.release.store import ReleaseStore

LATER = datetime.now(UTC) + timedelta(days=8)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def target(store, tmp_path):
    return fill(store, tmp_path)


def fill(store, scratch, versions=8):
    """Releases v1 to v8, of which all but the last were deployed in turn."""
    target = LocalTarget(store, "flights")
    for number in range(1, versions + 1):
        folder = scratch / f"v{number}"
        folder.mkdir()
        (folder / "card.md").write_text(f"card {number}")
        seal(folder, "flights", f"v{number}", {})
        target.releases.publish(folder)
    for number in range(1, versions):
        before = f"v{number - 1}" if number > 1 else None
        target.deploy(f"v{number}", expected=before, run="r", reason="because")
    return target


def test_the_champion_the_last_ones_and_the_young_stay(store, target):
    young = collect(target, store, "flights", keep=2)
    assert young.releases == []
    assert young.kept["v1"] in ("it is young", "it was deployed lately")

    found = collect(target, store, "flights", keep=2, now=LATER)
    assert found.releases == ["v1", "v2", "v3", "v4", "v5", "v8"]
    assert found.kept == {
        "v6": "it is among the last 2 of the history",
        "v7": "it is the champion",
    }
    assert found.headline.startswith("6 releases, 0 incomplete copies, ")
    assert target.releases.versions() == ["v6", "v7"]
    assert target.champion().version == "v7"
    assert store.names("flights/uses") == []
    assert store.names("flights/removals") == []
    assert target.rollback(run="r", reason="").version == "v6"


def test_a_dry_run_only_says_what_would_go(store, target):
    before = store.names("")
    found = collect(target, store, "flights", keep=0, now=LATER, dry_run=True)

    assert found.releases == ["v1", "v2", "v3", "v4", "v5", "v6", "v8"]
    assert found.size > 7 * 6
    assert store.names("") == before


def test_what_a_server_answers_with_or_what_is_under_way_stays(store, target, monkeypatch):
    monkeypatch.setattr(target, "in_use", lambda: {"v2", "v8"})
    found = collect(target, store, "flights", keep=0, now=LATER)

    assert found.releases == ["v1", "v3", "v4", "v5", "v6"]
    assert found.kept["v2"] == "it is served, or on its way to it"


def test_half_copies_notes_and_unfinished_files_go_once_nobody_can_be_at_them(store, target):
    store.write("flights/releases/v9/card.md", b"half")
    now = datetime.now(UTC).isoformat()
    gone = ProcessId.own().model_copy(update={"started": "before"})
    for name, process in (("there", ProcessId.own()), ("gone", gone)):
        Servers(store, "flights").write(
            ServerNote(id=name, url="http://127.0.0.1:1", process=process, since=now, beat=now)
        )
    unfinished = store.path(".writing/tmpabc")
    with open(unfinished, "w") as file:
        file.write("half")

    collect(target, store, "flights")
    assert store.exists("flights/releases/v9/card.md")
    assert os.path.exists(unfinished)
    found = collect(target, store, "flights", keep=9, now=datetime.now(UTC) + timedelta(hours=2))
    assert found.incomplete == []
    assert found.files == ["flights/servers/gone.json", ".writing/tmpabc"]
    assert not os.path.exists(unfinished)
    found = collect(target, store, "flights", keep=9, now=LATER)
    assert found.incomplete == ["v9"]
    assert not store.exists("flights/releases/v9")
    assert store.names("flights/servers") == ["flights/servers/there.json"]


def test_an_age_that_would_harm_a_deployment_is_refused(store, target):
    with pytest.raises(UsageError, match="below 1h"):
        collect(target, store, "flights", age=timedelta(minutes=59))


def deploy_when(moment, monkeypatch, target, store, version="v1"):
    """Begin to deploy an old release just when the collection first does something to it."""
    original = getattr(Store, moment)
    done = []

    def interfere(self, name, *rest):
        if not done and version in name:
            done.append(name)
            other = LocalTarget(Store(store.address), "flights")
            try:
                other.deploy(version, expected="v7", run="other", reason="by hand")
                done.append("deployed")
            except ReleaseError as error:
                done.append(str(error))
        return original(self, name, *rest)

    monkeypatch.setattr(Store, moment, interfere)
    return done


@pytest.mark.parametrize("moment", ["create", "exists", "delete"])
def test_a_deployment_at_the_same_time_wins_or_is_refused_but_never_loses_its_release(
    store, target, monkeypatch, moment
):
    store.delete("flights/uses")
    for path in Path(store.path("flights/releases")).rglob("*"):
        os.utime(path, (0, 0))  # as after a long time
    done = deploy_when(moment, monkeypatch, target, store)
    collect(target, store, "flights", keep=1)
    monkeypatch.undo()
    champion = LocalTarget(store, "flights").champion()

    assert len(done) == 2
    if done[1] == "deployed":
        assert champion.version == "v1"
    else:
        assert "is being removed" in done[1]
        assert champion.version == "v7"


class Killed(BaseException):
    """As kill -9: nothing is cleaned up."""


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(at=st.integers(0, 60), again=st.integers(0, 40))
def test_a_collection_may_be_killed_at_any_moment(tmp_path_factory, at, again):
    place = tmp_path_factory.mktemp("killed")
    store = Store(place / "store")
    target = fill(store, place, versions=3)
    for steps in (at, again):
        with pytest.MonkeyPatch.context() as patch:
            left = [steps]

            def dying(original, left=left):
                def call(self, *arguments):
                    left[0] -= 1
                    if left[0] < 0:
                        raise Killed
                    return original(self, *arguments)

                return call

            for verb in ("create", "delete", "exists", "read", "replace"):
                patch.setattr(Store, verb, dying(getattr(Store, verb)))
            with suppress(Killed):
                collect(target, store, "flights", keep=1, now=LATER)
        assert target.champion().version == "v2"
    collect(target, store, "flights", keep=1, now=LATER + timedelta(hours=2))

    assert ReleaseStore(store, "flights").versions() == ["v2"]
    assert store.children("flights/releases") == ["v2"]
    assert store.names("flights/removals") == []


def test_elsewhere_as_well(s3_address, tmp_path):
    store = Store(s3_address)
    target = fill(store, tmp_path, versions=2)
    found = collect(target, store, "flights", keep=0, now=LATER)

    assert found.releases == ["v2"]
    assert target.releases.versions() == ["v1"]
    assert target.champion().version == "v1"
