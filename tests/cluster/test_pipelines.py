"""Runs on a real Kubeflow Pipelines: what they find and decide is what a run on this machine does.

They need what the other tests here need, and Kubeflow Pipelines with `scripts/apply_manifests.sh`
done. Each uses a store of its own beside the cluster's, and serves within it, so that no model
server of anybody's is touched.
"""

import json
import os
import uuid

import pytest
import yaml
from typer.testing import CliRunner

from components.core.errors import DriftlineError
from components.core.storage import Store
from pipelines.cli import app
from pipelines.cluster.address import KfpAddress
from pipelines.cluster.connect import connect
from pipelines.cluster.store import reaching
from pipelines.cluster.submit import FINAL

MODEL = "flights"
TRAINING, LATER, MONTH = "2013-01", "2013-01..2013-03", "2013-05"


@pytest.fixture(scope="module")
def kubeflow(real_pods_in_module):
    try:
        return connect(KfpAddress())
    except DriftlineError as error:
        pytest.skip(f"no Kubeflow Pipelines on this cluster: {error}")


@pytest.fixture(scope="module")
def real_pods_in_module(pretends):
    if pretends:
        pytest.skip("the pods of this cluster only pretend")


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    """The flights, served in the store; every candidate is good enough, so that there are two."""
    with open("pipelines/specs/flights.yaml") as file:
        content = yaml.safe_load(file)
    content["serving"] = {"target": "local"}
    content["gate"] = {"margin": 1.0, "slice_margin": 1.0}
    path = tmp_path_factory.mktemp("spec") / "flights.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


@pytest.fixture(scope="module")
def stores(kubeflow, tmp_path_factory):
    """One on this machine, and one of the cluster that is reached from here as users reach it."""
    address = f"s3://mlpipeline/driftline-test-{uuid.uuid4().hex[:8]}"
    with reaching(address, KfpAddress(), "driftline-store"):
        yield {"local": str(tmp_path_factory.mktemp("store")), "cluster": address}
        Store(address).delete(MODEL)


@pytest.fixture(scope="module")
def run(spec, stores):
    image = os.environ.get("CLUSTER_TESTS_IMAGE", "")

    def ran(pipeline, window, where, name):
        line = ["run", pipeline, "--window", window, "--spec", spec, "--store", stores[where]]
        line += ["--target", where, "--name", f"{name}-{stores['cluster'][-8:]}", "--json"]
        if where == "cluster":
            line += ["--image", image, "--wait"]
        done = CliRunner().invoke(app, line)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return ran


@pytest.fixture(scope="module")
def both(run, stores):
    """What was said and found here and there, of a training and a month of monitoring."""
    found = {}
    for where in ("cluster", "local"):
        run("training", TRAINING, where, "train")
        told = run("monitoring", MONTH, where, "watch")
        found[where] = {"told": told, "verdicts": verdicts(Store(stores[where]))}
    return found


def verdicts(store):
    """The findings of each check, without what names this very release."""
    names = store.names(f"{MODEL}/checks/2013-05-01_2013-06-01")
    read = {name.rsplit("/", 1)[-1]: json.loads(store.read(name)) for name in names}
    return {
        name: (found["status"], found["findings"])
        for name, found in read.items()
        if "findings" in found
    }


def test_the_decision_is_the_same_as_on_this_machine(both):
    assert both["cluster"]["told"]["decision"] == both["local"]["told"]["decision"]


def test_the_findings_are_the_same_as_on_this_machine(both):
    there, here = both["cluster"]["verdicts"], both["local"]["verdicts"]
    assert there.keys() == here.keys() != set()
    for name, (status, findings) in here.items():
        assert there[name][0] == status
        assert [_named(each) for each in there[name][1]] == [_named(each) for each in findings]
        for one, other in zip(there[name][1], findings, strict=True):
            # Another processor may round a sum another way.
            assert one["value"] == pytest.approx(other["value"], rel=1e-6)


def test_the_same_name_finds_the_run_that_there_is(both, run, kubeflow):
    again = run("monitoring", MONTH, "cluster", "watch")
    assert again["found"] is True
    assert again["run_id"] == both["cluster"]["told"]["run_id"]
    assert kubeflow.get_run(again["run_id"]).state in FINAL


def test_releases_of_the_cluster_are_listed_and_rolled_back(both, run, spec, stores):
    run("training", LATER, "cluster", "again")

    def releases(*arguments):
        line = ["releases", *arguments, "--spec", spec, "--store", stores["cluster"], "--json"]
        done = CliRunner().invoke(app, line)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    before = _champion(releases("list"))
    releases("rollback")
    after = _champion(releases("list"))
    assert after != before
    assert after.startswith("2013-02-01")


def _champion(rows):
    return next(row["version"] for row in rows if row["serving"] == "champion")


def _named(finding):
    return finding["column"], finding["statistic"], finding["severity"]
