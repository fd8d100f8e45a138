"""The pipelines as a user runs them: through the command line, on this machine."""

import contextlib
import io
import json
import warnings
from pathlib import Path

import pytest
import yaml
from kfp import components, local
from kfp.local import subprocess_task_handler
from typer.testing import CliRunner

from components.core.storage import Store
from components.core.window import Window, parse_time
from components.data.ingest import ingest_window
from components.drift.check import profile_window
from components.profiling.merging import WindowProfile
from components.release.local import LocalTarget
from pipelines.cli import app
from pipelines.side_by_side import side_by_side
from pipelines.traffic import replay_traffic
from pipelines.warm_steps import warm_steps
from tests.worlds import make_world

# March alone, in March: the months before mislead.
THIS_MONTH = {"history": "31d", "min_rows": 200}


@pytest.fixture(scope="module", autouse=True)
def warm():
    """All runs of this file share the process that their steps are forked from."""
    with warm_steps():
        yield


def driftline(*arguments, world=None, environment=None):
    """Run the command line; return exit code, stdout and stderr."""
    command = [str(each) for each in arguments]
    if world is not None:
        spec = world.folder / "spec.yaml"
        spec.write_text(yaml.safe_dump(json.loads(world.text)))
        command += ["--spec", str(spec), "--store", world.store]
    done = CliRunner().invoke(app, command, env=environment)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """A world in which the champion of January and February has met March, turned round."""
    world = make_world(tmp_path_factory.mktemp("world"), turned=(3,), training=THIS_MONTH)
    code, out, _ = driftline("run", "training", "--window", "2024-01..2024-03", world=world)
    assert code == 0, out
    champion = LocalTarget(Store(world.store), "orders").require_champion()
    march = Window.parse("2024-03")
    replay_traffic(world.spec, Store(world.store), champion, march, lambda sent, rows: None)
    code, told, _ = driftline("run", "monitoring", "--window", "2024-03", "--json", world=world)
    assert code == 0, told
    return world, {"training": out, "2024-03": json.loads(told)}


def _model(world, entry):
    """The digests of a release's model, in both its forms."""
    files = LocalTarget(Store(world.store), "orders").releases.manifest(entry.version).files
    return {name: digest for name, digest in files.items() if name.startswith("model.")}


def status(document, step):
    return next(each["status"] for each in document["steps"] if each["step"] == step)


def test_training_deploys_and_says_so(lived):
    _, runs = lived

    assert "deployed 2024-03-01-" in runs["training"].splitlines()[-1]


def test_every_step_was_forked(lived):
    world, _ = lived
    logs = [log.read_text() for log in Path(world.store).glob("orders/local/*/log.txt")]

    assert len(logs) >= 2
    assert not any("not forked" in log or "warm process" in log for log in logs)


def test_monitoring_retrains_for_a_stated_reason_and_the_gate_has_the_last_word(lived):
    _, runs = lived
    march = runs["2024-03"]

    assert status(march, "check_skew") == "ok"
    assert status(march, "check_performance") == "drift"
    assert status(march, "decide") == "retrain"
    assert status(march, "evaluate") == "accept"
    assert status(march, "deploy") == "ok"
    assert "performance:" in march["summary"]


def test_the_decision_stands_in_the_store_with_its_reasons(lived):
    world, _ = lived
    (name,) = Store(world.store).names("orders/decisions")
    decision = json.loads(Store(world.store).read(name))

    assert name.endswith("--2024-03-01_2024-04-01.json")
    assert decision["action"] == "retrain"
    assert decision["reasons"][0].startswith("performance: ")


def test_profiling_in_shards_gives_the_profile_of_one_process(lived, tmp_path):
    world, _ = lived
    flags = ("--window", "2024-02..2024-05", "--as-of", "2024-06", "--shards", "3", "--name", "p")
    code, out, errors = driftline("run", "profiling", *flags, world=world)
    assert code == 0, errors
    window, store = Window.parse("2024-02..2024-05"), Store(world.store)
    champion = LocalTarget(store, "orders").require_champion()
    data = tmp_path / "window.parquet"
    report = ingest_window(world.spec, window, parse_time("2024-06"), data)
    whole = WindowProfile(
        model="orders",
        champion=champion.version,
        manifest_sha256=champion.manifest_sha256,
        report=report,
        profile=profile_window(data, None, world.spec, champion.profile),
    )
    found = {name.rsplit("/", 1)[1]: name for name in store.names("orders/profiles")}

    assert store.read(found["profile.json"]) == whole.model_dump_json().encode()
    record = json.loads(store.read(found["merged.json"]))
    assert [each["shard"] for each in record["shards"]] == [0, 1, 2]
    assert sum(each["rows"] for each in record["shards"]) == report.rows == 4500
    assert "merge_profiles           ok      4,500 rows, merged from 3 shards" in out


@pytest.mark.parametrize(
    ("pipeline", "flags", "expected"),
    [
        ("profiling", ["--shards", "many"], "--shards 'many' is not a whole number"),
        ("profiling", ["--parallelism", "0"], "--parallelism '0' is not a whole number"),
        ("monitoring", ["--shards", "4"], "--shards is an option of profiling"),
    ],
)
def test_shards_are_a_number_and_profilings_own(pipeline, flags, expected):
    code, _, errors = driftline("run", pipeline, "--window", "2013-04", *flags)

    assert code == 2
    assert expected in errors


def run_yaml(file, world, folder, start, end):
    """Run compiled YAML as kfp.local does; it alone fails over the scheduled time's placeholder."""
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(folder / "root"))
    run = components.load_component_from_file(file)
    quiet = contextlib.redirect_stdout(io.StringIO())
    with warnings.catch_warnings(), quiet, side_by_side(lambda *_: None):
        warnings.simplefilter("ignore")  # of KFP: the image's name does not say "python"
        run(spec=world.text, store=world.store, start=start, end=end, as_of="now", run="auto")


def test_the_compiled_yaml_runs(lived, tmp_path, monkeypatch):
    world = make_world(tmp_path, training=THIS_MONTH)
    code, out, _ = driftline("compile", "--output", tmp_path / "compiled")
    assert code == 0
    training, monitoring, _ = out.split()
    with monkeypatch.context() as cold:  # every step in an interpreter of its own
        by_kfp = subprocess_task_handler.run_local_subprocess.__self__.cold
        cold.setattr(subprocess_task_handler, "run_local_subprocess", by_kfp)
        run_yaml(training, world, tmp_path, "2024-01-01", "2024-03-01")
    run_yaml(monitoring, world, tmp_path, "2024-03-01", "2024-04-01")

    history = LocalTarget(Store(world.store), "orders").history()
    assert len(history) == 1
    forked = LocalTarget(Store(lived[0].store), "orders").history()[0]
    assert _model(world, history[0]) == _model(lived[0], forked), "to the bit, however it runs"
    assert history[0].run.isdigit(), "without a name the run is called by its job id"
    (decision,) = Store(world.store).names("orders/decisions")
    assert decision.endswith("--2024-03-01_2024-04-01.json")


def test_a_step_that_fails_is_named_with_its_reason_and_told_to_people(tmp_path, inbox):
    address, received = inbox
    world = make_world(tmp_path, alerts={"to": ["${CHAT}"]})
    code, out, err = driftline(
        "run", "training", "--window", "2019", world=world, environment={"CHAT": address}
    )

    assert code == 1
    assert out == ""
    assert err.startswith("driftline: ingest_training: ")
    assert "2019-01-01..2020-01-01" in err
    assert "2024-01-01" in err, "the message says what the source does cover"
    assert err.count("\n") == 1
    ((_, message),) = received
    assert "ingest_training failed" in message["message"]
    assert "2024-01-01" in message["message"]


def test_monitoring_before_training_says_what_to_do(tmp_path):
    world = make_world(tmp_path)
    code, _, err = driftline("run", "monitoring", "--window", "2024-03", world=world)

    assert code == 1
    assert "run 'driftline run training' first" in err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "training"], "Missing option '--window'"),
        (["run", "deploying", "--window", "2024"], "choose training, monitoring or profiling"),
        (["run", "training", "--window", "2024-99"], "'2024-99' is not a time"),
        (["run", "training", "--window", "2024", "--spec", "none.yaml"], "no spec at none.yaml"),
        (["run", "training", "--window", "2024", "--target", "moon"], "choose local or cluster"),
        (["run", "training", "--window", "2024", "--as-of", "soon"], "'soon' is not a time"),
        (["frobnicate"], "No such command"),
        (["serve", "--port", "99999"], "less than or equal to 65535"),
    ],
)
def test_wrong_usage_ends_with_two_and_says_why(arguments, expected):
    code, out, err = driftline(*arguments)

    assert code == 2
    assert expected in " ".join(err.replace("│", " ").split())
    assert out == ""


def test_a_run_that_is_asked_for_twice_by_name_runs_once(lived):
    world, _ = lived
    before = LocalTarget(Store(world.store), "orders").history()
    window = ("--window", "2024-01..2024-03", "--name", before[0].run)
    code, out, _ = driftline("run", "training", *window, world=world)

    assert code == 0
    assert "deployed" in out.splitlines()[-1]
    assert LocalTarget(Store(world.store), "orders").history() == before


@pytest.mark.parametrize("command", ["run", "demo"])
def test_a_store_that_cannot_be_written_is_one_line(tmp_path, command):
    (tmp_path / "file").write_text("")
    arguments = ["training", "--window", "2013-01"] if command == "run" else []
    code, _, err = driftline(command, *arguments, "--store", tmp_path / "file")

    assert code in (1, 2)
    assert err.count("\n") == 1
    assert str(tmp_path / "file") in err


def test_the_demonstration_leaves_alone_what_it_did_not_make(tmp_path):
    (tmp_path / "flights" / "releases").mkdir(parents=True)
    code, _, err = driftline("demo", "--fresh", "--store", tmp_path)

    assert code == 2
    assert "what the demonstration did not make" in err
    assert (tmp_path / "flights" / "releases").exists()


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
    code, out, _ = driftline("releases", "rollback", world=world)
    assert code == 0
    assert f"{first} is the champion again" in out
    assert [entry.action for entry in target.history()] == ["deploy", "deploy", "rollback"]
    code, _, err = driftline("releases", "rollback", world=world)
    assert code == 1
    assert "no earlier release" in err
