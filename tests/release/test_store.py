import hashlib
import os

import pytest

from components.core.errors import ReleaseError, StoreError
from components.core.storage import Store
from components.release.package import MANIFEST, load_release, seal
from components.release.store import ReleaseStore


@pytest.fixture(params=["disk", "s3"])
def store(request, tmp_path):
    if request.param == "s3":
        return Store(request.getfixturevalue("s3_address"))
    return Store(tmp_path / "store")


@pytest.fixture
def releases(store):
    return ReleaseStore(store, "flights")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "packaged"
    folder.mkdir()
    (folder / "model.skops").write_bytes(b"a model")
    (folder / "card.md").write_text("# card")
    # Each test's own: what is alike to the second is one release, which is fetched once for all.
    seal(folder, "flights", "v1", {"run": tmp_path.name})
    return folder


def digest_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_was_published_is_opened(releases, folder):
    assert releases.publish(folder).version == "v1"
    release = releases.open("v1")

    assert release.read("model.skops") == b"a model"
    assert release.text("card.md") == "# card"
    assert releases.versions() == ["v1"]
    assert releases.open("v1", digest_of(folder / MANIFEST)).version == "v1"


def test_a_release_of_another_manifest_is_refused(releases, folder):
    releases.publish(folder)
    with pytest.raises(ReleaseError, match="its manifest is not the one that was deployed"):
        releases.open("v1", "0" * 64)


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (lambda store: store.write("flights/releases/v1/model.skops", b"forged"), "was changed"),
        (lambda store: store.write("flights/releases/v1/model.skops", b"a mod"), "was changed"),
        (lambda store: store.write("flights/releases/v1/model.skops", b""), "was changed"),
        (lambda store: store.delete("flights/releases/v1/card.md"), "card.md"),
        (lambda store: store.write("flights/releases/v1/manifest.json", b"{"), "not a manifest"),
    ],
)
def test_a_harmed_release_is_refused(store, releases, folder, harm, expected):
    releases.publish(folder)
    harm(store)

    with pytest.raises((ReleaseError, StoreError), match=expected):
        releases.open("v1")


def test_publishing_again_mends_what_was_damaged(store, releases, folder):
    releases.publish(folder)
    store.write("flights/releases/v1/model.skops", b"bits rot")
    releases.publish(folder)

    assert releases.open("v1").read("model.skops") == b"a model"


def test_a_version_is_never_overwritten_by_another_release(releases, folder):
    releases.publish(folder)
    (folder / "model.skops").write_bytes(b"another model")
    seal(folder, "flights", "v1", {})

    with pytest.raises(ReleaseError, match="there is another release v1"):
        releases.publish(folder)
    assert releases.open("v1").read("model.skops") == b"a model"


def test_what_was_changed_after_sealing_is_not_published(releases, folder):
    (folder / "model.skops").write_bytes(b"swapped")
    with pytest.raises(ReleaseError, match=r"model\.skops was changed"):
        releases.publish(folder)
    assert releases.versions() == []


def test_a_store_that_damages_files_publishes_nothing(releases, folder, monkeypatch):
    write = Store.write

    def corrupt(self, name, data):
        write(self, name, data[:-1] if name.endswith("model.skops") else data)

    monkeypatch.setattr(Store, "write", corrupt)
    with pytest.raises(ReleaseError, match="is not what was written there"):
        releases.publish(folder)
    assert releases.versions() == []


def test_a_file_swapped_after_opening_is_not_read(folder):
    release = load_release(folder)
    (folder / "card.md").write_text("forged")

    with pytest.raises(ReleaseError, match=r"card\.md was changed"):
        release.text("card.md")
    (folder / "card.md").unlink()
    with pytest.raises(ReleaseError, match=r"card\.md cannot be read"):
        release.text("card.md")
    with pytest.raises(ReleaseError, match=r"spec\.json is missing"):
        release.read("spec.json")


def test_files_are_extracted_as_they_were_verified(folder, tmp_path):
    release = load_release(folder)
    taken = release.extract(["card.md"], tmp_path / "mine" / "alone")

    assert [path.name for path in taken.iterdir()] == ["card.md"]
    (folder / "model.skops").write_bytes(b"swapped")
    with pytest.raises(ReleaseError, match=r"model\.skops was changed"):
        release.extract(["model.skops"], taken)
    assert not (taken / "model.skops").exists()


def test_a_release_elsewhere_is_fetched_once_and_verified_each_time(
    s3_address, folder, monkeypatch
):
    store = Store(s3_address)
    releases = ReleaseStore(store, "flights")
    releases.publish(folder)
    fetched = []
    download = Store.download
    monkeypatch.setattr(
        Store, "download", lambda *given: (fetched.append(given[1]), download(*given))
    )
    first, second = releases.open("v1"), releases.open("v1")

    assert first.folder == second.folder
    assert len(fetched) == 2
    (first.folder / "model.skops").write_bytes(b"bits rot")  # fetched again, not believed
    assert releases.open("v1").read("model.skops") == b"a model"
    assert len(fetched) == 4


def test_what_was_not_used_for_long_leaves_the_cache(s3_address, folder):
    releases = ReleaseStore(Store(s3_address), "flights")
    releases.publish(folder)
    old = releases.open("v1").folder
    os.utime(old, (0, 0))
    (folder / "card.md").write_text("# another card")
    seal(folder, "flights", "v2", {})
    releases.publish(folder)
    kept = releases.open("v2").folder

    assert kept.exists()
    assert not old.exists()


def test_without_a_cache_a_temporary_folder_will_do(s3_address, folder, monkeypatch):
    releases = ReleaseStore(Store(s3_address), "flights")
    releases.publish(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")

    assert releases.open("v1").read("model.skops") == b"a model"


def test_a_release_that_is_being_removed_is_not_deployed(store, releases, folder):
    releases.publish(folder)
    releases.use("v1", "run")
    store.write(releases.removal_name("v1"), b"{}")
    with pytest.raises(ReleaseError, match="is being removed by 'driftline releases gc'"):
        releases.use("v1", "run")


def test_a_look_finds_what_is_missing_without_reading_everything(store, releases, folder):
    releases.publish(folder)
    assert releases.look("v1") is store.is_local
    store.write("flights/releases/v1/extra.pkl", b"")
    with pytest.raises(ReleaseError, match=r"extra\.pkl"):
        releases.look("v1")
