"""The commands about releases, as a user runs them."""

import json
import os
import shutil

import pytest
import yaml
from typer.testing import CliRunner

from components.core.process import ProcessId
from components.core.storage import Store
from components.release.deployment import DeploymentRecord, Underway
from components.release.package import seal
from components.release.targets import open_target
from pipelines.cli import app
from tests.worlds import make_world


@pytest.fixture
def world(tmp_path):
    """Three releases, of which two were deployed one after another."""
    world = make_world(tmp_path / "world")
    (world.folder / "spec.yaml").write_text(yaml.safe_dump(json.loads(world.text)))
    target = open_target(world.spec, Store(world.store))
    for version in ("v1", "v2", "v3"):
        folder = tmp_path / version
        folder.mkdir()
        (folder / "card.md").write_text(f"# card of {version}")
        seal(folder, "orders", version, {})
        target.releases.publish(folder)
    target.deploy("v1", expected=None, run="january", reason="the first one")
    target.deploy("v2", expected="v1", run="february", reason="drift: price moved up")
    return world


@pytest.fixture
def releases(world):
    def run(*arguments):
        spec = str(world.folder / "spec.yaml")
        command = ["releases", *arguments, "--spec", spec, "--store", world.store]
        result = CliRunner().invoke(app, command)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return run


def damage(world, version):
    path = world.folder / "store" / "orders" / "releases" / version / "card.md"
    path.write_text("forged")


def test_the_list_says_which_one_serves_and_which_is_damaged(world, releases):
    damage(world, "v1")
    rows = {row["version"]: row for row in json.loads(releases("list", "--json").stdout)}

    assert [rows[v]["serving"] for v in ("v1", "v2", "v3")] == ["", "champion", ""]
    assert [rows[v]["state"] for v in ("v1", "v2", "v3")] == ["damaged", "intact", "intact"]
    assert rows["v3"]["deployed"] == "never"
    assert rows["v2"]["reason"] == "drift: price moved up"
    table = releases("list").stdout.splitlines()
    assert table[0].split() == ["version", "serving", "state", "deployed", "reason"]
    assert len(table) == 4


def test_the_list_says_why_a_release_was_undone(world, releases):
    record = DeploymentRecord(Store(world.store), "orders")
    entry = record.read().champion.model_copy(update={"version": "v3"})
    mark = Underway(entry=entry, owner=ProcessId.own(), until="2999-01-01")
    record.change(lambda state: state.begun(mark).undone("a server refuses it"))
    rows = {row["version"]: row for row in json.loads(releases("list", "--json").stdout)}

    assert rows["v3"]["deployed"] == "never"
    assert rows["v3"]["reason"] == "deploy failed: a server refuses it"
    assert "deploy of v3" in releases("status").stdout


def test_a_card_is_shown(releases):
    assert releases("show").stdout.strip() == "# card of v2"
    assert releases("show", "v3").stdout.strip() == "# card of v3"
    assert json.loads(releases("show", "v3", "--json").stdout)["version"] == "v3"
    missing = releases("show", "v9")
    assert missing.exit_code == 1
    assert "there is no release 'v9'" in missing.stderr


def test_a_card_is_written_as_a_page(releases, tmp_path):
    written = releases("show", "v3", "--html", str(tmp_path / "card.html"))

    assert written.stdout.strip() == str(tmp_path / "card.html")
    assert "<h1>card of v3</h1>" in (tmp_path / "card.html").read_text()
    nowhere = releases("show", "--html", str(tmp_path / "no" / "card.html"))
    assert nowhere.exit_code == 2
    assert "cannot be written" in nowhere.stderr


@pytest.mark.parametrize("command", ["list", "status"])
def test_looking_ends_what_an_interrupted_rollout_left(world, releases, command):
    record = DeploymentRecord(Store(world.store), "orders")
    gone = ProcessId.own().model_copy(update={"started": "before"})
    entry = record.read().champion.model_copy(update={"version": "v3", "run": "march"})
    mark = Underway(entry=entry, owner=gone, until="2999-01-01")
    record.change(lambda state: state.begun(mark))
    told = releases(command)

    assert "driftline: the deploy of v3 by march was interrupted; it is undone" in told.stderr
    assert "v2" in told.stdout
    assert record.read().underway is None


def test_verify_names_what_is_wrong_and_fails(world, releases):
    whole = releases("verify")
    assert whole.exit_code == 0
    assert whole.stdout.splitlines() == ["v1  intact", "v2  intact", "v3  intact"]

    damage(world, "v1")
    harmed = releases("verify", "--json")
    problems = {row["version"]: row["problem"] for row in json.loads(harmed.stdout)}
    assert harmed.exit_code == 1
    assert "card.md was changed after packaging" in problems["v1"]
    assert problems["v2"] == ""
    assert "damaged: 1 of 3 releases: v1" in harmed.stderr
    assert releases("verify", "v2").exit_code == 0
    assert releases("verify", "v9").exit_code == 1


def test_a_release_is_deployed_by_hand_and_rolled_back(world, releases):
    deployed = releases("deploy", "v3", "--reason", "they asked for it")
    assert deployed.exit_code == 0, deployed.stderr
    assert deployed.stdout.splitlines() == [
        "v3 is the champion now, instead of v2",
        "no server is running, so nobody answers with it yet",
    ]
    again = releases("deploy", "v3")
    assert again.exit_code == 1
    assert "deployed already" in again.stderr
    back = releases("rollback", "--json")
    assert json.loads(back.stdout)["version"] == "v2"
    history = open_target(world.spec, Store(world.store)).history()
    assert [entry.reason for entry in history[2:]] == ["they asked for it", "asked for by hand"]


def test_a_damaged_release_is_not_deployed(world, releases):
    damage(world, "v3")
    refused = releases("deploy", "v3")

    assert refused.exit_code == 1
    assert "card.md was changed after packaging" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert open_target(world.spec, Store(world.store)).current().version == "v2"


def test_the_status_says_who_serves(releases):
    told = releases("status")
    assert "champion: v2, deployed" in told.stdout
    assert "no server is running; 'driftline serve' starts one" in told.stdout
    document = json.loads(releases("status", "--json").stdout)
    assert document["champion"] == document["deployment"]["version"] == "v2"
    assert document["replicas"] == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("list",), "no releases yet; train one with 'driftline run training'"),
        (("status",), "champion: none; train one with 'driftline run training'"),
        (("verify",), "no releases yet"),
        (("show",), "run 'driftline run training' first"),
        (("rollback",), "no earlier release"),
        (("deploy", "v1"), "there is no release 'v1'"),
    ],
)
def test_an_empty_store_is_told_apart_from_a_broken_one(tmp_path, arguments, expected):
    result = CliRunner().invoke(app, ["releases", *arguments, "--store", str(tmp_path / "new")])

    assert expected in result.stdout + result.stderr
    assert result.exit_code == (0 if arguments[0] in ("list", "status", "verify") else 1)


def test_garbage_is_collected(world, releases):
    for path in (world.folder / "store" / "orders").rglob("*"):
        os.utime(path, (0, 0))
    shutil.rmtree(world.folder / "store" / "orders" / "uses")
    told = releases("gc", "--keep", "1", "--dry-run")
    assert told.exit_code == 0, told.stderr
    assert told.stdout.splitlines()[:2] == ["v1", "v3"]
    assert told.stdout.splitlines()[-1].startswith("would be removed: 2 releases, 0 incomplete")
    assert json.loads(releases("gc", "--keep", "1", "--json").stdout)["releases"] == ["v1", "v3"]
    assert releases("gc").stdout.startswith("removed: 0 releases")
    wrong = releases("gc", "--age", "1s")
    assert wrong.exit_code == 2
    assert "below 1h" in wrong.stderr


@pytest.mark.parametrize(
    "command", ["list", "show", "verify", "status", "deploy", "rollback", "gc"]
)
def test_every_command_has_help_with_an_example(command):
    result = CliRunner().invoke(app, ["releases", command, "--help"])

    assert result.exit_code == 0
    assert f"Example: driftline releases {command}" in " ".join(result.stdout.split())
