"""Each way not to reach Kubeflow Pipelines is told with its remedy; the ways that work, work."""

import json

import pytest
import yaml

from components.core.errors import ClusterError, UsageError
from pipelines.cluster.address import KfpAddress, address_from
from pipelines.cluster.connect import connect
from pipelines.settings import Settings
from tests.kfp_fake.server import PROXY, FakeKfp


@pytest.fixture
def kubeconfig(kfp, tmp_path, monkeypatch):
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": kfp.url}}],
        "users": [{"name": "u", "user": {"token": "of-the-kubeconfig"}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


def status(code, message):
    return {"kind": "Status", "apiVersion": "v1", "code": code, "message": message}


def test_connects_by_host_and_by_kubeconfig(kfp, kubeconfig):
    assert connect(KfpAddress(host=f"{kfp.url}/#/runs")).list_runs().runs is None
    assert connect(KfpAddress()).list_runs().runs is None
    assert connect(KfpAddress(context="here")).list_runs().runs is None


def test_kubeconfig_leads_through_the_api_server(kfp, kubeconfig):
    client = connect(KfpAddress())
    assert client._run_api.api_client.configuration.host == kfp.url + PROXY
    assert kfp.bearers == ["Bearer of-the-kubeconfig"]


@pytest.mark.parametrize(
    ("kind", "body", "says"),
    [
        ("html", "", "not the API of Kubeflow Pipelines 2.*login page"),
        ("reset", "", "cannot be reached.*check --host"),
        (401, {"code": 16, "message": "no user"}, "does not know who asks.*TOKEN_FILE"),
        (
            403,
            {"code": 7, "message": "dora may not"},
            "does not allow.*dora may not.*kubeflow-edit",
        ),
        (302, "", "sends us to.*log in"),
        (404, "404 page not found", "not the API of Kubeflow Pipelines 2"),
        (503, {"code": 14, "message": "the database is away"}, "database is away.*try again"),
    ],
)
def test_a_host_that_does_not_serve_us_is_told(kfp, kind, body, says):
    kfp.fault("GET", "healthz", kind, body=body)
    with pytest.raises(ClusterError, match=says):
        connect(KfpAddress(host=kfp.url))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (status(401, "Unauthorized"), "kubeconfig's credentials; log in again"),
        (status(403, 'cannot get "services/proxy"'), "services/proxy.*in the namespace 'kubeflow'"),
        (status(404, 'services "ml-pipeline" not found'), "install_kfp.sh"),
        (status(503, "no endpoints available"), "not ready.*no endpoints.*get pods"),
    ],
)
def test_a_cluster_that_does_not_let_us_through_is_told(kfp, kubeconfig, body, says):
    kfp.fault("GET", "healthz", body["code"], body=body)
    with pytest.raises(ClusterError, match=says):
        connect(KfpAddress())


def test_a_host_where_nothing_listens_is_told_at_once(kfp):
    kfp.close()
    with pytest.raises(ClusterError, match=r"cannot be reached at .*refused.*check --host"):
        connect(KfpAddress(host=kfp.url))


def test_no_kubeconfig_is_told(tmp_path):
    with pytest.raises(ClusterError, match="there is no kubeconfig"):
        connect(KfpAddress())


@pytest.mark.parametrize(("tag", "fits"), [("2.16.1", False), ("2.17.0", True), ("master", True)])
def test_an_old_server_is_refused(kfp, tag, fits):
    kfp.tag = tag
    if fits:
        connect(KfpAddress(host=kfp.url))
        return
    with pytest.raises(ClusterError, match=r"is 2\.16\.1, too old.*2\.17 or later"):
        connect(KfpAddress(host=kfp.url))


def test_several_users_need_a_namespace_and_a_token(tmp_path):
    kfp = FakeKfp(multi_user=True)
    kfp.token = "first"  # noqa: S105
    try:
        with pytest.raises(ClusterError, match="does not know who asks"):
            connect(KfpAddress(host=kfp.url, namespace="dora"))
        with pytest.raises(UsageError, match="name its --host and your own --namespace"):
            connect(KfpAddress(host=kfp.url, token="first"))  # noqa: S106
        file = tmp_path / "token"
        file.write_text("first\n")
        client = connect(KfpAddress(host=kfp.url, token_file=str(file), namespace="dora"))
        assert client.list_runs().runs is None
        kfp.token = "second"  # noqa: S105
        file.write_text("second\n")  # as whoever renews it does
        assert client.list_experiments().experiments is None
    finally:
        kfp.close()


def test_what_another_tool_left_is_not_taken(kfp, tmp_path, monkeypatch):
    place = tmp_path / "context.json"
    place.write_text(json.dumps({"namespace": "theirs"}))
    monkeypatch.setattr("kfp.Client._LOCAL_KFP_CONTEXT", str(place))
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", "http://elsewhere")
    assert connect(KfpAddress(host=kfp.url)).get_user_namespace() == "kubeflow"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"host": "localhost:8080"}, "has no scheme; write it as http://"),
        ({"host": "http://[bad"}, "cannot be an address"),
        ({"namespace": "Dora"}, "cannot be the name of a namespace"),
        ({"host": "http://a", "context": "b"}, "give one of them"),
        ({"token_file": "/nowhere/token"}, "cannot be read.*DRIFTLINE_KFP_TOKEN_FILE"),
    ],
)
def test_a_wrong_address_is_wrong_usage(given, says):
    with pytest.raises(UsageError, match=says):
        KfpAddress(**given)


def test_flags_win_over_settings():
    settings = Settings(kfp_host="http://set", kfp_namespace="set", kfp_token="secret")  # noqa: S106
    assert address_from(settings).url == "http://set"
    assert address_from(settings, host="http://flag", namespace="flag").namespace == "flag"
    assert address_from(settings, context="mlops").host == ""
    assert address_from(Settings(kfp_service_account="mine")).account == "mine"
    assert KfpAddress(namespace="elsewhere").account is None  # ours is in kubeflow
    assert "secret" not in repr(settings) + repr(address_from(settings))
