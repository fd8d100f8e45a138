"""A namespace of a real cluster, made and deleted by the tests.

They run where `CLUSTER_TESTS` names the current context of the kubeconfig: a namespace is nothing
to make in whatever cluster happens to be configured. On a cluster whose nodes run images they need
`CLUSTER_TESTS_IMAGE`, driftline's image, and `CLUSTER_TESTS_STORE`, a store that this machine and
the pods reach alike, with its credentials in this environment. On one whose kubelet only pretends,
they need nothing more, and what only a real pod can show is skipped.
"""

import base64
import json
import os
import threading
import uuid

import pytest

from components.core.storage import Store
from components.release.kubernetes.target import KubernetesTarget
from components.release.kubernetes.workload import Workload
from components.release.store import ReleaseStore
from tests.serving.conftest import build_release, build_spec

ACCOUNT = "driftline-server"
_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ENDPOINT_URL",
    "AWS_DEFAULT_REGION",
)


@pytest.fixture(scope="session")
def client():
    """The typed client: what the tests look at the cluster with."""
    wanted = os.environ.get("CLUSTER_TESTS", "")
    if not wanted:
        pytest.skip("no cluster: set CLUSTER_TESTS to the kubeconfig's current context to use it")
    from kubernetes import client, config

    _, active = config.list_kube_config_contexts(os.environ.get("KUBECONFIG"))
    if active["name"] != wanted:
        pytest.skip(f"the current context is {active['name']}, and CLUSTER_TESTS says {wanted}")
    config.load_kube_config(os.environ.get("KUBECONFIG"))
    return client


@pytest.fixture(scope="session")
def pretends(client):
    """Whether the nodes only pretend to run containers."""
    nodes = client.CoreV1Api().list_node().items
    runtimes = {node.status.node_info.container_runtime_version for node in nodes}
    pretend = all(runtime.startswith("fake") for runtime in runtimes)
    if not pretend and not os.environ.get("CLUSTER_TESTS_IMAGE"):
        pytest.skip("this cluster runs images: set CLUSTER_TESTS_IMAGE and CLUSTER_TESTS_STORE")
    return pretend


@pytest.fixture
def real_pods(pretends):
    if pretends:
        pytest.skip("the pods of this cluster only pretend")


@pytest.fixture(scope="session")
def store(pretends, tmp_path_factory):
    """Three real little releases."""
    place = os.environ.get("CLUSTER_TESTS_STORE", "memory://")
    found = Store(f"{place.rstrip('/')}/{uuid.uuid4().hex}")
    for seed in (1, 2, 3):
        folder = tmp_path_factory.mktemp(f"v{seed}") / "release"
        build_release(folder, "binary", seed=seed, version=f"v{seed}")
        ReleaseStore(found, "pumps").publish(folder)
    yield found
    found.delete("pumps")


@pytest.fixture(scope="module")
def namespace(client, pretends):
    """A new namespace that admits only restricted pods, with the server's account and secret."""
    name = f"driftline-test-{uuid.uuid4().hex[:8]}"
    core = client.CoreV1Api()
    labels = {
        "pod-security.kubernetes.io/enforce": "restricted",
        "app.kubernetes.io/part-of": "driftline",  # whose model servers KFP's store lets in
    }
    core.create_namespace({"metadata": {"name": name, "labels": labels}})
    core.create_namespaced_service_account(name, {"metadata": {"name": ACCOUNT}})
    make_store_secret(core, name)
    yield name
    core.delete_namespace(name)


def make_store_secret(core, namespace):
    """The store's credentials, as this environment has them, for the pods of a namespace."""
    secret = {
        key: base64.b64encode(os.environ[key].encode()).decode()
        for key in _CREDENTIALS
        if key in os.environ
    }
    core.create_namespaced_secret(namespace, {"metadata": {"name": "store"}, "data": secret})


class Place:
    """A model's target in the namespace."""

    def __init__(self, store, namespace):
        self.store = store
        self.namespace = namespace
        self.said = []

    def spec(self, guard=None, **kubernetes):
        return build_spec(
            "binary",
            target="kubernetes",
            guard={"period": "0s", **(guard or {})},
            kubernetes={
                "namespace": self.namespace,
                "image": os.environ.get("CLUSTER_TESTS_IMAGE", "driftline:test"),
                "store_secret": "store",
                "progress": "5m",  # tests may run where there is little CPU
                **kubernetes,
            },
        )

    def target(self, workload=Workload, **changes):
        return KubernetesTarget(self.store, self.spec(**changes), workload=workload)

    def deploy(self, version, expected, target=None, run="run"):
        return (target or self.target()).deploy(
            version, expected=expected, run=run, reason="because", progress=self.said.append
        )

    def rollback(self, to=None):
        return self.target().rollback(
            to, run="command line", reason="complaints", progress=self.said.append
        )


@pytest.fixture
def place(store, namespace, client):
    """An empty namespace."""
    yield Place(store, namespace)
    apps = client.AppsV1Api()
    for deployment in apps.list_namespaced_deployment(namespace).items:
        apps.delete_namespaced_deployment(deployment.metadata.name, namespace)


_ROW = {"load": 0.5, "age": 3, "site": "north", "shift": "day"}


class Clients:
    """Asks the model's Service, through the API server, until it is told to stop."""

    def __init__(self, api, namespace):
        self._api = api
        self._path = f"/api/v1/namespaces/{namespace}/services/driftline-pumps:http/proxy/predict"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.answers = []
        self.failures = []

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _ask(self):
        while not self._stop.wait(0.01):
            try:
                response = self._api.call_api(
                    self._path,
                    "POST",
                    header_params={"Content-Type": "application/json", "Accept": "*/*"},
                    body={"rows": [_ROW]},
                    auth_settings=["BearerToken"],
                    _preload_content=False,
                    _return_http_data_only=True,
                )
                self.answers.append(json.loads(response.data)["release"])
            except Exception as error:  # whatever it is, the client saw it
                self.failures.append(repr(error))
