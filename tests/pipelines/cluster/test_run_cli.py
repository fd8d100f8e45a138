"""`driftline run --target cluster` as a user types it."""

import json
import re

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.cluster.store import STORE


@pytest.fixture
def driftline(kfp, monkeypatch, training):
    # Compiling takes a second, and is shown elsewhere.
    monkeypatch.setattr("pipelines.cluster.run.compiled", lambda name, image, spec: training)
    monkeypatch.setattr("pipelines.cluster.follow._POLL_S", 0.0)
    # The store is in no cluster here.
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("DRIFTLINE_STORE", raising=False)

    def called(*arguments):
        line = ["run", "training", "--window", "2013-01..2013-04", *arguments]
        return CliRunner().invoke(app, line)

    return called


def there(kfp, *more):
    return ("--target", "cluster", "--host", kfp.url, *more)


def test_it_submits_and_says_where_to_look(kfp, driftline):
    done = driftline(*there(kfp, "--name", "mine"))
    assert done.exit_code == 0, done.output
    (run,) = kfp.runs.values()
    assert done.stdout == f"{run['run_id']}\n"
    assert f"run mine submitted: {kfp.url}/#/runs/details/{run['run_id']}" in done.stderr
    given = run["runtime_config"]["parameters"]
    assert given["store"] == STORE
    serving = json.loads(given["spec"])["serving"]
    assert serving["target"] == "kubernetes"
    assert serving["kubernetes"]["store_secret"] == "driftline-store"  # noqa: S105
    again = driftline(*there(kfp, "--name", "mine", "--json"))
    assert json.loads(again.stdout)["found"] is True
    assert len(kfp.runs) == 1


def test_waiting_ends_with_the_runs_own_exit_code(kfp, driftline, monkeypatch):
    monkeypatch.setattr("pipelines.cluster.run._said", lambda run, tell: [])
    done = driftline(*there(kfp, "--wait"))
    assert done.exit_code == 0, done.output
    assert "train                    running" in done.stderr
    kfp.acts.fails.add("train")
    failed = driftline(*there(kfp, "--wait"))
    assert failed.exit_code == 1
    assert "driftline: train failed" in failed.stderr
    document = driftline(*there(kfp, "--wait", "--json"))
    assert document.exit_code == 1
    assert "train failed" in json.loads(document.stdout)["error"]


def test_ctrl_c_leaves_the_run_and_says_how_to_go_on(kfp, driftline, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.cluster.run.follow", interrupted)
    done = driftline(*there(kfp, "--wait", "--name", "mine"))
    assert done.exit_code == 130
    assert "--name mine follows it, and 'driftline stop mine' ends it" in done.stderr
    assert [run["state"] for run in kfp.runs.values()] == ["PENDING"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--target", "moon"), "choose local or cluster"),
        (("--host", "http://x"), "--host is for --target cluster"),
        (("--target", "cluster", "--host", "x:80"), "has no scheme"),
        (("--target", "cluster", "--store", "here"), f"on this machine.*use --store {STORE}"),
        (("--target", "cluster", "--image", "a:latest"), "no fixed tag"),
    ],
)
def test_wrong_usage_ends_with_two_and_a_remedy(driftline, more, says, monkeypatch):
    from pipelines.compile import check_image

    monkeypatch.setattr(
        "pipelines.cluster.run.compiled", lambda name, image, spec: check_image(image)
    )
    done = driftline(*more)
    assert done.exit_code == 2
    assert re.search(says, done.stderr), done.stderr
