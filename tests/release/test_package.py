import json

import pytest

from components.core.errors import ReleaseError
from components.release.package import (
    MANIFEST,
    content_version,
    load_release,
    read_manifest,
    seal,
    verify,
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.skops").write_bytes(b"model")
    (tmp_path / "card.md").write_text("# card")
    seal(tmp_path, "flights", "v1", {"run": "r"})
    return tmp_path


def test_a_sealed_folder_is_verified(folder):
    assert verify(folder).lineage == {"run": "r"}
    assert load_release(folder).version == "v1"


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (lambda f: (f / "model.skops").write_bytes(b"modeL"), "model.skops was changed"),
        (lambda f: (f / "model.skops").write_bytes(b""), "model.skops was changed"),
        (lambda f: (f / "model.skops").unlink(), "model.skops is missing"),
        (lambda f: (f / "extra.pkl").write_bytes(b""), "extra.pkl does not belong"),
        (lambda f: (f / MANIFEST).unlink(), "it is no release"),
        (lambda f: (f / MANIFEST).write_text("{}"), "not a manifest"),
        (lambda f: (f / MANIFEST).write_text(""), "not a manifest"),
    ],
)
def test_a_harmed_release_is_refused_with_the_file_named(folder, harm, expected):
    harm(folder)

    with pytest.raises(ReleaseError, match=expected):
        load_release(folder)


def test_a_manifest_from_a_later_version_is_refused_rather_than_half_read(folder):
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, "signature": "x"}))

    with pytest.raises(ReleaseError, match="not a manifest that this version reads"):
        read_manifest(folder)


def test_a_part_that_a_release_does_not_have_is_named(folder):
    with pytest.raises(ReleaseError, match=r"spec\.json is missing"):
        _ = load_release(folder).spec


def test_the_version_follows_from_the_content(folder):
    before = content_version(folder, "2013-04-01")
    seal(folder, "flights", "v2", {})
    assert content_version(folder, "2013-04-01") == before

    (folder / "card.md").write_text("# another card")
    assert content_version(folder, "2013-04-01") != before


@pytest.mark.parametrize(
    ("name", "part", "content"),
    [
        ("profile.json", "profile", '{"format": 1, "columns": {"x": {"kind": "numeric"}}}'),
        ("schema.json", "schema", '{"format": 2, "of a later": "driftline"}'),
        ("training.json", "training", "{}"),
        ("variation.json", "variation", "[]"),
    ],
)
def test_a_document_of_another_form_is_refused_in_one_sentence(tmp_path, name, part, content):
    (tmp_path / name).write_text(content)
    seal(tmp_path, "flights", "v1", {})
    with pytest.raises(ReleaseError, match=f"v1 of flights: {name} is not of a form.*train again"):
        getattr(load_release(tmp_path), part)
