import subprocess
import sys

import pytest

from components.core.errors import ClusterError
from components.release.kubernetes import connect as module
from components.release.kubernetes.cluster import Cluster
from components.release.kubernetes.connect import connect
from tests.kubernetes_api.cluster import FakeCluster
from tests.kubernetes_api.server import FakeApi


@pytest.fixture
def api():
    api = FakeApi(FakeCluster())
    yield api
    api.close()


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch, tmp_path):
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_the_kubeconfig_at_home_is_found(api, tmp_path):
    (tmp_path / ".kube").mkdir()
    api.kubeconfig(tmp_path / ".kube" / "config")

    assert connect().configuration.host == api.url


def test_several_kubeconfigs_are_one(api, tmp_path, monkeypatch):
    path = api.kubeconfig(tmp_path / "config")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'absent'}:{path}")

    assert connect().configuration.host == api.url


def test_no_kubeconfig_is_told():
    with pytest.raises(ClusterError, match=r"there is no kubeconfig at ~/\.kube/config; set KUBE"):
        connect()


def test_a_context_can_be_chosen_and_a_wrong_one_is_told(api, tmp_path, monkeypatch):
    path = api.kubeconfig(tmp_path / "config", current="gone")
    monkeypatch.setenv("KUBECONFIG", str(path))

    assert connect("test").configuration.host == api.url
    with pytest.raises(ClusterError, match="its contexts are test; take one by 'kubectl config"):
        connect()
    with pytest.raises(ClusterError, match="there is no context 'prod'; its contexts are test"):
        connect("prod")


@pytest.mark.parametrize("content", ["", "[]", "a: [", "kind: Config", "\x00", "clusters: 7"])
def test_a_file_that_is_no_kubeconfig_is_told_in_one_sentence(tmp_path, monkeypatch, content):
    (tmp_path / "config").write_text(content)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))

    with pytest.raises(ClusterError, match="cannot be used: ") as error:
        connect()
    assert "\n" not in str(error.value)


class Pod:
    """A process in a pod, whose accounts are mounted below a folder of the test."""

    def __init__(self, folder, monkeypatch, api):
        self.own, self.deployer = folder / "own", folder / "deployer"
        monkeypatch.setattr(module, "_OWN", self.own)
        monkeypatch.setattr(module, "_DEPLOYER", self.deployer)
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
        self._api = api

    def mount(self, folder, token):
        folder.mkdir(exist_ok=True)
        (folder / "token").write_text(token)
        (folder / "ca.crt").write_text("certificate")

    def cluster(self, time):
        """Connected as in a pod, to a server that has no certificate."""
        found = connect()
        found.configuration.host = self._api.url
        return Cluster(found, "driftline-development", time)


@pytest.fixture
def pod(tmp_path, monkeypatch, api):
    return Pod(tmp_path, monkeypatch, api)


def sent(client):
    return client.configuration.get_api_key_with_prefix("authorization")


@pytest.mark.parametrize("content", [None, "", "\n", "t\u00f6ken"])
def test_a_pod_without_an_account_is_told(pod, content):
    if content is not None:
        pod.mount(pod.own, content)
        (pod.own / "ca.crt").unlink()

    with pytest.raises(ClusterError, match="automountServiceAccountToken: true") as error:
        connect()
    assert "\n" not in str(error.value)


def test_a_pod_uses_its_account(pod):
    pod.mount(pod.own, "of-the-pod\n")
    pod.deployer.mkdir()  # an optional Secret that there is not

    assert connect().configuration.host == "https://10.0.0.1:443"
    assert sent(connect()) == "Bearer of-the-pod"


def test_the_deployers_account_comes_before_the_pods_own(pod, api, tmp_path, monkeypatch):
    pod.mount(pod.own, "of-the-pod")
    pod.mount(pod.deployer, "of-the-deployer")
    assert sent(connect()) == "Bearer of-the-deployer"

    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path / "config")))
    assert connect().configuration.host == api.url


def test_a_token_is_read_anew_and_the_last_one_stays_while_it_is_changed(pod):
    pod.mount(pod.deployer, "first")
    client = connect()
    (pod.deployer / "token").unlink()
    assert sent(client) == "Bearer first"
    pod.mount(pod.deployer, "second")
    assert sent(client) == "Bearer second"


def test_a_token_that_is_renewed_amid_the_work_is_waited_for(pod, api):
    pod.mount(pod.deployer, api.bearer)
    cluster = pod.cluster(api.cluster.time)
    cluster.find("Pod", "")
    api.bearer = "another"
    api.cluster.waiting.append(lambda s: s > 60 and pod.mount(pod.deployer, "another"))

    assert cluster.find("Pod", "") == []
    assert api.cluster.seconds > 60


def test_a_token_that_is_never_accepted_is_told(pod, api):
    pod.mount(pod.deployer, "of-another-cluster")
    cluster = pod.cluster(api.cluster.time)
    with pytest.raises(ClusterError, match=r"your credentials; run 'scripts/apply_manifests\.sh'"):
        cluster.find("Pod", "")
    assert api.cluster.seconds == 0  # at once

    pod.mount(pod.deployer, api.bearer)
    cluster.find("Pod", "")
    api.bearer = "another"
    with pytest.raises(ClusterError, match=r"your credentials; run 'scripts/apply_manifests\.sh'"):
        cluster.find("Pod", "")
    assert 60 < api.cluster.seconds < 150


def test_nothing_is_asked_and_nothing_is_cached_before_it_is_needed(api, tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path / "config")))
    connect()
    assert api.requests == []


def test_the_client_is_imported_only_for_a_cluster():
    code = "import sys, components.release.targets; print('kubernetes' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
