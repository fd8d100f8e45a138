"""The release commands, as a user has them, on a cluster."""

import json

import pytest
from typer.testing import CliRunner

from components.release.kubernetes.kserve import InferenceServiceWorkload
from components.release.kubernetes.target import KubernetesTarget
from components.release.targets import open_target
from components.spec.load import parse_spec
from pipelines.cli import app
from tests.release.kubernetes.conftest import SPEC


@pytest.fixture
def command(world, tmp_path, monkeypatch):
    (tmp_path / "spec.yaml").write_text(SPEC)

    def run(*arguments):
        options = ["--spec", str(tmp_path / "spec.yaml"), "--store", world.store.address]
        return CliRunner().invoke(app, ["releases", *arguments, *options])

    return run


def test_what_is_deployed_is_shown(world, command):
    world.deploy("v1", None)
    world.deploy("v2", "v1")

    listed = json.loads(command("list", "--json").output)
    assert [(row["version"], row["serving"]) for row in listed][:2] == [
        ("v1", ""),
        ("v2", "champion"),
    ]
    status = json.loads(command("status", "--json").output)
    assert status["champion"] == "v2"
    assert status["settled"] is True
    staying = [replica for replica in status["replicas"] if replica["note"] != "leaving"]
    assert [replica["version"] for replica in staying] == ["v2", "v2"]


def test_a_cluster_that_is_not_there_is_one_line_and_exit_code_one(world, command):
    world.kubeconfig.unlink()

    done = command("status")

    assert done.exit_code == 1
    assert done.stderr.startswith("driftline: there is no kubeconfig at ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("kind", "workload"), [("kubernetes", "Workload"), ("kserve", "InferenceServiceWorkload")]
)
def test_the_spec_says_the_target(world, kind, workload):
    spec = parse_spec(SPEC.replace("target: kubernetes", f"target: {kind}"))

    target = open_target(spec, world.store)

    assert isinstance(target, KubernetesTarget)
    assert type(target._workload).__name__ == workload
    assert (kind == "kserve") == isinstance(target._workload, InferenceServiceWorkload)
