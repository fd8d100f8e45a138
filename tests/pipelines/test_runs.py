"""The pipelines as a user runs them: through the command line, on this machine."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from components.core.storage import Store
from components.core.window import Window
from components.release.local import LocalTarget
from pipelines.traffic import replay_traffic
from tests.worlds import make_world


def driftline(*arguments, world=None, environment=None):
    """Run the command line; return exit code, stdout and stderr."""
    command = [sys.executable, "-m", "pipelines", *map(str, arguments)]
    if world is not None:
        spec = world.folder / "spec.yaml"
        spec.write_text(yaml.safe_dump(json.loads(world.text)))
        command += ["--spec", str(spec), "--store", world.store]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **(environment or {})}
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def serve(world, month):
    champion = LocalTarget(Store(world.store), "orders").require_champion()
    window = Window.parse(month)
    replay_traffic(world.spec, Store(world.store), champion, window, lambda sent, rows: None)


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """A world in which the champion of January and February has met March and April."""
    world = make_world(tmp_path_factory.mktemp("world"), turned=(3, 4))
    code, out, _ = driftline("run", "training", "--window", "2024-01..2024-03", world=world)
    assert code == 0, out
    runs = {"training": out}
    for month in ("2024-03", "2024-04"):
        serve(world, month)
        code, out, _ = driftline("run", "monitoring", "--window", month, "--json", world=world)
        assert code == 0, out
        runs[month] = json.loads(out)
    return world, runs


def status(document, step):
    return next(each["status"] for each in document["steps"] if each["step"] == step)


def test_training_deploys_and_says_so(lived):
    _, runs = lived

    assert "deployed 2024-03-01-" in runs["training"].splitlines()[-1]


def test_monitoring_retrains_for_a_stated_reason_and_the_gate_has_the_last_word(lived):
    _, runs = lived
    march = runs["2024-03"]

    assert status(march, "check_skew") == "ok"
    assert status(march, "check_performance") == "drift"
    assert status(march, "decide") == "retrain"
    assert status(march, "evaluate") in ("accept", "reject")
    assert "performance:" in march["summary"]


def test_every_decision_stands_in_the_store_once(lived):
    world, _ = lived

    names = Store(world.store).names("orders/decisions")
    assert len(names) == 2
    assert all("--2024-0" in name for name in names)


def test_a_window_that_was_decided_is_not_decided_again(lived):
    world, _ = lived
    code, out, _ = driftline("run", "monitoring", "--window", "2024-04", "--json", world=world)

    assert code == 0
    decision = json.loads(out)
    reason = next(each for each in decision["steps"] if each["step"] == "decide")["headline"]
    champions = {entry.version for entry in LocalTarget(Store(world.store), "orders").history()}
    assert "decided already" in reason or len(champions) > 1


def test_the_compiled_yaml_runs(tmp_path):
    world = make_world(tmp_path)
    code, out, _ = driftline("compile", "training", "--output", tmp_path / "compiled")
    assert code == 0
    program = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "from kfp import components, local\n"
        "local.init(local.SubprocessRunner(use_venv=False), pipeline_root=sys.argv[2])\n"
        "run = components.load_component_from_file(sys.argv[1])\n"
        "run(spec=sys.argv[3], store=sys.argv[4], start='2024-01-01', end='2024-03-01',"
        " as_of='now', run='auto')\n"
    )
    subprocess.run(
        [sys.executable, "-c", program, out.strip(), tmp_path / "root", world.text, world.store],
        check=True,
        capture_output=True,
    )

    history = LocalTarget(Store(world.store), "orders").history()
    assert len(history) == 1
    assert history[0].run.isdigit(), "without a name the run is called by its job id"


def test_a_step_that_fails_is_named_with_its_reason_and_told_to_people(tmp_path):
    world = make_world(tmp_path)
    code, out, err = driftline("run", "training", "--window", "2019", world=world)

    assert code == 1
    assert out == ""
    assert err.startswith("driftline: ingest_training: ")
    assert "2019-01-01..2020-01-01" in err
    assert "2024-01-01" in err, "the message says what the source does cover"
    assert err.count("\n") == 1
    assert "ingest_training failed" in (next((tmp_path / "store").rglob("log.txt"))).read_text()


def test_monitoring_before_training_says_what_to_do(tmp_path):
    world = make_world(tmp_path)
    code, _, err = driftline("run", "monitoring", "--window", "2024-03", world=world)

    assert code == 1
    assert "run 'driftline run training' first" in err


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_other_tasks_go_the_whole_way(tmp_path, task):
    world = make_world(tmp_path, task=task)
    code, out, err = driftline("run", "training", "--window", "2024-01..2024-03", world=world)
    assert code == 0, err
    assert "deployed" in out
    serve(world, "2024-03")
    code, out, err = driftline("run", "monitoring", "--window", "2024-03", world=world)
    assert code == 0, err
    assert "decide" in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "training"], "Missing option '--window'"),
        (["run", "deploying", "--window", "2024"], "choose training or monitoring"),
        (["run", "training", "--window", "2024-99"], "'2024-99' is not a time"),
        (["run", "training", "--window", "2024", "--spec", "none.yaml"], "no spec at none.yaml"),
        (["run", "training", "--window", "2024", "--target", "moon"], "runs on: local"),
        (["run", "training", "--window", "2024", "--as-of", "soon"], "'soon' is not a time"),
        (["frobnicate"], "No such command"),
        (["serve", "--port", "99999"], "99999 is not in the range"),
    ],
)
def test_wrong_usage_ends_with_two_and_says_why(arguments, expected):
    code, out, err = driftline(*arguments)

    assert code == 2
    assert expected in " ".join(err.replace("│", " ").split())
    assert out == ""


def test_every_command_has_help_with_an_example():
    for command in (["run"], ["compile"], ["demo"], ["serve"], ["releases", "list"],
                    ["releases", "show"], ["releases", "rollback"]):  # fmt: skip
        code, out, _ = driftline(*command, "--help")
        assert code == 0
        assert f"Example: driftline {' '.join(command)}" in " ".join(out.split())


def test_releases_are_listed_shown_and_rolled_back(lived):
    world, _ = lived
    target = LocalTarget(Store(world.store), "orders")
    first = target.history()[0].version
    code, out, _ = driftline("releases", "list", "--json", world=world)
    assert code == 0
    assert first in {row["version"] for row in json.loads(out)}
    code, out, _ = driftline("releases", "show", first, world=world)
    assert code == 0
    assert "orders" in out
    code, _, err = driftline("releases", "show", "nothing", world=world)
    assert code == 1
    assert "'driftline releases list'" in err
    before = len(target.history())
    code, _, err = driftline("releases", "rollback", world=world)
    if before == 1:
        assert code == 1
        assert "no earlier release" in err
    else:
        assert code == 0
        assert len(target.history()) == before + 1
