"""A fake of Kubeflow Pipelines, with the pipelines and an experiment on it."""

import json
from dataclasses import dataclass

import pytest

from components.spec.load import parse_spec
from pipelines.cluster.address import KfpAddress
from pipelines.cluster.connect import connect
from pipelines.cluster.patience import Patience
from pipelines.cluster.versions import ensure_version, version_name
from pipelines.scheduling.plan import make_plan
from pipelines.scheduling.recurring import Schedules
from tests.kfp_fake.server import FakeKfp

YAML = """
pipelineInfo: {name: driftline-monitoring}
schemaVersion: 2.1.0
sdkVersion: kfp-2.17.0
components:
  comp-look: {executorLabel: exec-look}
deploymentSpec:
  executors: {exec-look: {container: {image: driftline}}}
root:
  dag:
    tasks: {look: {taskInfo: {name: look}, componentRef: {name: comp-look}}}
  inputDefinitions:
    parameters:
      spec: {parameterType: STRING}
      store: {parameterType: STRING}
      start: {parameterType: STRING}
      end: {parameterType: STRING}
      as_of: {parameterType: STRING}
      run: {parameterType: STRING}
"""


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch, tmp_path):
    """No cluster and no setting of whoever runs the tests."""
    for name in ("KUBERNETES_SERVICE_HOST", "DRIFTLINE_KFP_HOST", "DRIFTLINE_KFP_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))


@pytest.fixture
def kfp():
    served = FakeKfp()
    yield served
    served.close()


@dataclass
class Bench:
    """A client of the fake, and what it takes to apply a plan."""

    kfp: FakeKfp
    client: object
    ids: tuple
    experiment: str

    @classmethod
    def at(cls, kfp):
        client = connect(KfpAddress(kfp.url))
        experiment = kfp.default_experiment()["experiment_id"]
        return cls(kfp, client, ensure_version(client, "driftline-monitoring", YAML), experiment)

    @property
    def schedules(self):
        return Schedules(self.client, self.experiment, Patience(pause=lambda _seconds: None))

    def apply(self, plan):
        return self.schedules.apply(plan, *self.ids)

    @property
    def present(self):
        return [(each["display_name"], each["trigger"]["cron_schedule"]["cron"], each["status"])
                for each in self.kfp.recurring.values()]  # fmt: skip


@pytest.fixture
def bench(kfp):
    return Bench.at(kfp)


def spec_with(pipeline="monitoring", model="orders", **schedule):
    document = {
        "model": model,
        "task": "binary",
        "source": {"kind": "files", "path": "orders"},
        "columns": {"id": "order", "time": "placed", "target": "returned", "numeric": ["price"]},
        "estimator": {"class": "sklearn.linear_model.LogisticRegression"},
        "metric": "roc_auc",
        "schedule": {pipeline: schedule},
    }
    return parse_spec(json.dumps(document))


def plan_with(cron="0 0 6 * * *", pipeline="monitoring", **schedule):
    spec = spec_with(pipeline, cron=cron, **schedule)
    version = version_name("driftline-monitoring", YAML)
    return make_plan(spec, pipeline, "s3://store", version, account="driftline-runner")
