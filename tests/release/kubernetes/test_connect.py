import subprocess
import sys

import pytest

from components.core.errors import ClusterError
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


def test_a_pod_without_an_account_is_told(monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")

    with pytest.raises(ClusterError, match="automountServiceAccountToken: true"):
        connect()


def test_a_pod_uses_its_account(monkeypatch, tmp_path):
    from kubernetes.config import incluster_config

    (tmp_path / "token").write_text("of-the-pod")
    (tmp_path / "ca.crt").write_text("certificate")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    from components.release.kubernetes import connect as module

    configuration = None

    def keep(found):
        nonlocal configuration
        configuration = found

    monkeypatch.setattr(module, "_dynamic", keep)
    connect()
    assert configuration.host == "https://10.0.0.1:443"
    assert configuration.api_key == {"authorization": "bearer of-the-pod"}


def test_nothing_is_asked_and_nothing_is_cached_before_it_is_needed(api, tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path / "config")))
    connect()
    assert api.requests == []


def test_the_client_is_imported_only_for_a_cluster():
    code = "import sys, components.release.targets; print('kubernetes' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
