"""Who may do what, asked of a real cluster: what is allowed, and what is refused."""

import pytest

from components.core.errors import ClusterError
from components.release.kubernetes.cluster import Cluster
from components.release.kubernetes.connect import connect
from components.release.kubernetes.manifests import autoscaler, budget, deployment, service
from components.release.kubernetes.permissions import Account, model_permissions
from components.spec.model import Spec
from tests.cluster.conftest import Place, make_store_secret
from tests.cluster.permitted import Permitted, as_set
from tests.cluster.test_kubernetes import wait_until
from tests.manifests.goldens import ENTRY, golden

LONGEST = "a" + "-0" * 24 + "z"
MODELS = ("pumps", "a", LONGEST)


@pytest.fixture(scope="module")
def permitted(client, pretends):
    made = Permitted(client, MODELS)
    yield made
    made.delete()


@pytest.fixture
def step(permitted, monkeypatch, tmp_path):
    """This process is a deploy step, and its own account is that of the run."""
    wait_until(lambda: permitted.secret().get("token"))
    secret = permitted.secret()
    permitted.mount(tmp_path / "deployer", secret)
    own = {"token": permitted.token("driftline-runner").encode(), "ca.crt": secret["ca.crt"]}
    permitted.mount(tmp_path / "own", own)
    permitted.be_a_step(monkeypatch, tmp_path / "deployer", tmp_path / "own")
    return tmp_path


@pytest.fixture
def place(store, permitted, client):
    core = client.CoreV1Api()
    make_store_secret(core, permitted.servers)
    yield Place(store, permitted.servers)
    core.delete_namespaced_secret("store", permitted.servers)
    client.AppsV1Api().delete_collection_namespaced_deployment(permitted.servers)


def test_an_account_may_do_what_its_roles_say_and_nothing_else(permitted):
    """`kubectl auth can-i --list`, less what every account of this cluster may do."""
    stranger = permitted.token("default", permitted.servers)
    deployer, runner = permitted.token("driftline-deployer"), permitted.token("driftline-runner")

    account = Account("kubeflow", "driftline-deployer")
    granted = [model_permissions(model, "ns", account) for model in MODELS]
    deploys = as_set(rule for roles in granted for rule in roles[0]["rules"])
    reads = as_set(rule for roles in granted for rule in roles[2]["rules"])
    everybodys = permitted.rules(stranger, permitted.servers)
    assert permitted.rules(deployer, permitted.servers) - everybodys == deploys | reads
    assert permitted.rules(runner, permitted.servers) - everybodys == reads

    (runs,) = [one for one in golden("cluster") if one["kind"] == "Role"]
    everybodys = permitted.rules(stranger, permitted.steps)
    assert permitted.rules(runner, permitted.steps) - everybodys == as_set(runs["rules"])
    assert permitted.rules(deployer, permitted.steps) == everybodys


@pytest.mark.parametrize(
    ("verb", "resource", "name"),
    [
        ("patch", "deployments.apps", "driftline-delay"),
        ("patch", "deployments.apps", "driftline-pumps-2"),
        ("delete", "services", "driftline-pumps"),
        ("patch", "services", "driftline-delay"),
        ("patch", "horizontalpodautoscalers.autoscaling", "driftline-delay"),
        ("patch", "poddisruptionbudgets.policy", "driftline-delay"),
        ("get", "secrets", "driftline-store"),
        ("create", "pods", ""),
        ("create", "pods/exec", ""),
        ("create", "pods/proxy", ""),
        ("patch", "resourcequotas", "driftline"),
        ("patch", "networkpolicies.networking.k8s.io", "deny-all"),
        ("patch", "roles.rbac.authorization.k8s.io", "driftline-deployer"),
        ("create", "rolebindings.rbac.authorization.k8s.io", ""),
    ],
)
def test_a_deployer_is_refused(permitted, verb, resource, name):
    deployer = permitted.account("driftline-deployer")
    assert not permitted.allowed(deployer, verb, resource, name)


@pytest.mark.parametrize("account", ["driftline-runner", "driftline-deployer"])
@pytest.mark.parametrize("namespace", ["steps", "default"])
def test_no_account_of_a_run_changes_anything_elsewhere(permitted, account, namespace):
    """A step that ingests cannot deploy, nor take the token of one that can."""
    where = permitted.steps if namespace == "steps" else namespace
    user = permitted.account(account)
    for verb, resource, name in (
        ("patch", "deployments.apps", "driftline-pumps"),
        ("create", "pods", ""),
        ("create", "pods/exec", ""),
        ("get", "secrets", "driftline-deployer"),
        ("list", "secrets", ""),
        ("create", "serviceaccounts/token", "driftline-deployer"),
    ):
        assert not permitted.allowed(user, verb, resource, name, where), (verb, resource)


def test_the_servers_may_do_nothing(permitted, client):
    core = client.CoreV1Api()
    account = core.read_namespaced_service_account("driftline-server", permitted.servers)
    assert account.automount_service_account_token is False
    user = f"system:serviceaccount:{permitted.servers}:driftline-server"
    for verb, resource in (("get", "pods"), ("get", "secrets"), ("patch", "deployments.apps")):
        assert not permitted.allowed(user, verb, resource)


def test_a_deploy_step_rolls_out_tries_a_canary_and_rolls_back(step, place):
    def target(**changes):
        return place.target(replicas=1, resources={"cpu": "50m"}, **changes)

    place.deploy("v1", None, target=target())
    place.deploy("v2", "v1", target=target(canary=0.5))
    assert any("as 1 canary replica first" in line for line in place.said)
    target().rollback(run="by hand", reason="complaints")
    status = target().status()
    assert (status.champion, status.settled) == ("v1", True)


def test_a_deploy_step_is_refused_what_is_not_of_its_model(step, permitted):
    cluster = Cluster(connect(), permitted.servers)
    manifest = deployment(spec("delay", permitted.servers), ENTRY, "driftline:1", "s3://a/b", {})
    with pytest.raises(ClusterError, match=r"driftline-deployer may not patch deployments\.apps"):
        cluster.apply(manifest, dry_run=True)
    with pytest.raises(ClusterError, match=r"may not list pods in namespace default"):
        Cluster(connect(), "default").find("Pod", "")


def test_a_step_without_the_deployers_secret_may_not_deploy(step, place):
    """As any other step of the run, it acts as the run's account: that one sees the champion."""
    place.deploy("v1", None, target=place.target(replicas=1, resources={"cpu": "50m"}))
    (step / "deployer" / "token").unlink()
    assert place.target().current().version == "v1"
    with pytest.raises(ClusterError, match=r"driftline-runner may not patch deployments\.apps"):
        place.deploy("v2", "v1")


@pytest.mark.parametrize("model", MODELS)
def test_the_shortest_and_the_longest_names_are_taken(step, permitted, model):
    cluster = Cluster(connect(), permitted.servers)
    of = spec(model, permitted.servers)
    arguments = (of, ENTRY, "driftline:1", "s3://a/b", {})
    for manifest in (
        deployment(*arguments),
        deployment(*arguments, canary=True),
        service(of),
        autoscaler(of),
        budget(of),
    ):
        assert cluster.apply(manifest, dry_run=True)["metadata"]["name"]


def test_pods_that_are_not_restricted_are_not_admitted(permitted, client):
    container = {"name": "c", "image": "driftline:1", "securityContext": {"privileged": True}}
    with pytest.raises(client.ApiException, match="violates PodSecurity"):
        client.CoreV1Api().create_namespaced_pod(
            permitted.servers,
            {"metadata": {"name": "root"}, "spec": {"containers": [container]}},
            dry_run="All",
        )


@pytest.mark.parametrize("image", ["driftline", "driftline:latest", "localhost:5000/driftline"])
def test_an_image_that_may_be_another_one_tomorrow_is_refused(step, permitted, client, image):
    require(client, "driftline-images")
    cluster = Cluster(connect(), permitted.servers)
    manifest = deployment(spec("pumps", permitted.servers), ENTRY, image, "s3://a/b", {})
    with pytest.raises(ClusterError, match="an image without a version of its own"):
        cluster.apply(manifest, dry_run=True)


def test_a_model_has_the_replicas_that_its_namespace_asks_for(step, permitted, client):
    require(client, "driftline-replica-floor")
    core, label = client.CoreV1Api(), "driftline.dev/replica-floor"
    core.patch_namespace(permitted.servers, {"metadata": {"labels": {label: "2"}}})
    try:
        cluster = Cluster(connect(), permitted.servers)
        with pytest.raises(ClusterError, match="a model has 2 replicas here at least"):
            cluster.apply(autoscaler(spec("pumps", permitted.servers, replicas=1)), dry_run=True)
        cluster.apply(autoscaler(spec("pumps", permitted.servers, replicas=2)), dry_run=True)
    finally:
        core.patch_namespace(permitted.servers, {"metadata": {"labels": {label: None}}})


def spec(model, namespace, replicas=2) -> Spec:
    made = Place(None, namespace).spec(replicas=replicas, max_replicas=3)
    return made.model_copy(update={"model": model})


def require(client, policy):
    api = client.AdmissionregistrationV1Api()
    try:
        api.read_validating_admission_policy(policy)
    except client.ApiException:
        pytest.skip(f"the policy {policy} is not there: kubectl apply -k manifests/cluster")
