import hashlib
import json

import pytest

from components.core.errors import ReleaseError, StoreError
from components.core.storage import Store
from components.release.fetch import fetch, main
from components.release.package import MANIFEST, seal, verify
from components.release.store import ReleaseStore


@pytest.fixture(params=["disk", "s3"])
def store(request, tmp_path):
    if request.param == "s3":
        return Store(request.getfixturevalue("s3_address"))
    return Store(tmp_path / "store")


def publish(store, tmp_path, version="v1", model=b"model"):
    folder = tmp_path / f"packaged-{version}"
    folder.mkdir()
    (folder / "model.skops").write_bytes(model)
    (folder / "card.md").write_text(version)
    seal(folder, "flights", version, {})
    ReleaseStore(store, "flights").publish(folder)
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()


@pytest.fixture
def local(tmp_path):
    store = Store(tmp_path / "store")
    return store, publish(store, tmp_path)


def test_a_release_arrives_whole_and_verified(store, tmp_path):
    sha256 = publish(store, tmp_path)
    manifest = fetch(store, "flights", "v1", sha256, tmp_path / "pod" / "release")

    assert verify(tmp_path / "pod" / "release") == manifest
    assert (tmp_path / "pod" / "release" / "model.skops").read_bytes() == b"model"


def test_a_container_that_starts_again_finds_its_release(local, tmp_path):
    store, sha256 = local
    fetch(store, "flights", "v1", sha256, tmp_path / "pod")
    store.delete("flights")

    assert fetch(store, "flights", "v1", sha256, tmp_path / "pod").version == "v1"


def test_what_a_killed_fetch_left_behind_is_replaced(local, tmp_path):
    store, sha256 = local
    fetch(store, "flights", "v1", sha256, tmp_path / "pod")
    (tmp_path / "pod" / "model.skops").write_bytes(b"mod")
    (tmp_path / ".pod.fetching").mkdir()
    (tmp_path / ".pod.fetching" / "rest").write_bytes(b"")

    fetch(store, "flights", "v1", sha256, tmp_path / "pod")

    assert (tmp_path / "pod" / "model.skops").read_bytes() == b"model"
    assert {path.name for path in tmp_path.iterdir()} == {
        "pod",
        ".pod.lock",
        "store",
        "packaged-v1",
    }


def harm_file(store):
    store.write("flights/releases/v1/model.skops", b"modeL")


def truncate_file(store):
    store.write("flights/releases/v1/model.skops", b"")


def swap_consistently(store):
    name = f"flights/releases/v1/{MANIFEST}"
    manifest = json.loads(store.read(name))
    manifest["files"]["model.skops"] = hashlib.sha256(b"evil").hexdigest()
    store.write("flights/releases/v1/model.skops", b"evil")
    store.write(name, json.dumps(manifest).encode())


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (harm_file, r"release v1 of flights is refused: model\.skops was changed"),
        (truncate_file, r"release v1 of flights is refused: model\.skops was changed"),
        (swap_consistently, "its manifest in .* but [0-9a-f]{12} was deployed"),
        (lambda store: store.delete("flights"), "there is no release 'v1' of flights"),
    ],
)
def test_what_was_not_deployed_is_refused_and_leaves_nothing(local, tmp_path, harm, expected):
    store, sha256 = local
    harm(store)

    with pytest.raises(ReleaseError, match=expected):
        fetch(store, "flights", "v1", sha256, tmp_path / "pod" / "release")
    assert [path.name for path in (tmp_path / "pod").iterdir()] == [".release.lock"]


@pytest.mark.parametrize("name", ["../escaped", "/etc/escaped", "a/b"])
def test_a_manifest_cannot_write_elsewhere(local, tmp_path, name):
    store, _ = local
    place = f"flights/releases/v1/{MANIFEST}"
    manifest = json.loads(store.read(place))
    manifest["files"] = {name: hashlib.sha256(b"").hexdigest()}
    content = json.dumps(manifest).encode()
    store.write(place, content)

    with pytest.raises(ReleaseError, match="it names a file"):
        fetch(store, "flights", "v1", hashlib.sha256(content).hexdigest(), tmp_path / "pod" / "r")


def arguments(store, sha256, to):
    options = {"store": store.address, "model": "flights", "version": "v1"}
    options |= {"manifest-sha256": sha256, "to": str(to)}
    return [part for key, value in options.items() for part in (f"--{key}", value)]


def test_the_command_says_what_it_did(local, tmp_path, capsys):
    store, sha256 = local

    assert main(arguments(store, sha256, tmp_path / "pod")) == 0
    assert "release v1 of flights is in" in capsys.readouterr().out


def test_the_command_says_in_one_line_what_is_wrong(local, tmp_path, capsys):
    store, _ = local

    assert main(arguments(store, "00", tmp_path / "pod"), pause=pytest.fail) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_store_that_does_not_answer_is_asked_again(local, tmp_path, capsys, monkeypatch):
    store, sha256 = local
    pauses = []
    read = Store.read

    def failing(self, name):
        if len(pauses) < 2:
            raise StoreError(f"{name} cannot be read: the network is down")
        return read(self, name)

    monkeypatch.setattr(Store, "read", failing)

    assert main(arguments(store, sha256, tmp_path / "pod"), pause=pauses.append) == 0
    assert pauses == [2.0, 4.0]
    assert capsys.readouterr().err.count("the network is down") == 2


def test_a_store_that_never_answers_is_given_up(local, tmp_path, capsys, monkeypatch):
    store, sha256 = local

    def failing(self, name):
        raise StoreError("the network is down")

    monkeypatch.setattr(Store, "read", failing)
    pauses = []

    options = [*arguments(store, sha256, tmp_path / "pod"), "--attempts", "3"]
    assert main(options, pause=pauses.append) == 1
    assert len(pauses) == 2


def test_a_disk_that_takes_nothing_is_said_in_one_line(local, tmp_path, capsys):
    store, sha256 = local
    (tmp_path / "file").write_text("")

    assert main(arguments(store, sha256, tmp_path / "file" / "pod")) == 1
    assert capsys.readouterr().err.count("\n") == 1
