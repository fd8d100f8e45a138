from datetime import UTC, datetime, timedelta

import pytest

from components.core.process import ProcessId
from components.core.storage import Store
from components.release.servers import ServerNote, Servers


@pytest.fixture(params=["disk", "s3"])
def store(request, tmp_path):
    if request.param == "s3":
        return Store(request.getfixturevalue("s3_address"))
    return Store(tmp_path / "store")


def note(name, ago=0.0, process=None, **changes):
    beat = (datetime.now(UTC) - timedelta(seconds=ago)).isoformat()
    return ServerNote(
        id=name,
        url="http://127.0.0.1:1",
        process=process or ProcessId.own(),
        since=beat,
        beat=beat,
        **changes,
    )


def test_servers_come_and_go(store):
    servers = Servers(store, "flights")
    assert servers.live() == []
    servers.write(note("a"))
    servers.write(note("b", release="v1"))
    servers.write(note("b", release="v2"))

    assert [(each.id, each.release) for each in servers.live()] == [("a", ""), ("b", "v2")]
    servers.remove("a")
    servers.remove("a")
    assert [each.id for each in servers.live()] == ["b"]


def test_a_server_that_was_killed_or_fell_silent_is_not_waited_for(tmp_path):
    store = Store(tmp_path)
    servers = Servers(store, "flights")
    elsewhere = ProcessId(machine="elsewhere", pid=1, started="0")
    killed = ProcessId.own().model_copy(update={"started": "before"})
    servers.write(note("killed", process=killed))
    servers.write(note("silent", ago=60, process=elsewhere))
    servers.write(note("there", ago=5, process=elsewhere))
    store.write("flights/servers/damaged.json", b"{")

    assert [each.id for each in servers.live()] == ["there"]
    assert [name.rpartition("/")[2] for name in servers.stale()] == [
        "damaged.json",
        "killed.json",
        "silent.json",
    ]


def test_a_later_driftlines_server_is_understood(tmp_path):
    store = Store(tmp_path)
    servers = Servers(store, "flights")
    servers.write(note("a"))
    text = store.read("flights/servers/a.json").decode()
    store.write("flights/servers/a.json", text.replace("{", '{"colour": "blue",', 1).encode())

    assert [each.id for each in servers.live()] == ["a"]
