"""What kustomize makes of manifests/, as the golden files have it: without kubectl."""

from decimal import Decimal

import kubernetes_validate
import pytest
import yaml

from components.release.kubernetes.names import PORT, PORT_NAME, SERVER_PODS
from components.spec.model import Kubernetes
from tests.manifests.goldens import (
    ENVIRONMENTS,
    ROOTS,
    SOURCES,
    applied,
    digest,
    golden,
    kubectl,
    kustomized,
    recorded_digest,
)

RENEW = "run 'python -m tests.manifests' and review what changes"
ROLES = [
    one for name in ("cluster", "permissions") for one in golden(name) if one["kind"] == "Role"
]
SERVERS = golden("target")[0]["spec"]["template"]


def of_kind(name, kind):
    return {one["metadata"]["name"]: one for one in golden(name) if one["kind"] == kind}


@pytest.mark.parametrize("name", ROOTS)
def test_the_golden_files_are_of_these_manifests(name):
    assert recorded_digest(name) == digest(), RENEW


@pytest.mark.parametrize("name", applied())
def test_the_golden_files_are_what_driftline_applies(name):
    assert applied()[name] == golden(name), RENEW


@pytest.mark.skipif(kubectl() is None, reason="kubectl is not installed: not rendered anew")
@pytest.mark.parametrize("name", ROOTS)
def test_kubectl_renders_the_golden_files(name):
    assert list(yaml.safe_load_all(kustomized(ROOTS[name]))) == golden(name), RENEW


@pytest.mark.parametrize("name", [*ROOTS, *applied()])
def test_all_of_it_is_of_kubernetes_own_schema(name):
    of_others = {"PodMonitor"}
    checked = [one for one in golden(name) if one["kind"] not in of_others]
    for manifest in checked:
        kubernetes_validate.validate(manifest, "1.36", strict=True)
    assert len(checked) >= 3


def test_every_file_is_used_and_every_file_that_is_used_exists():
    used = set()
    for place in SOURCES.rglob("kustomization.yaml"):
        content = yaml.safe_load(place.read_text())
        patches = [one["path"] for one in content.get("patches", [])]
        for entry in [*content["resources"], *patches]:
            path = (place.parent / entry).resolve()
            used.add(path / "kustomization.yaml" if path.is_dir() else path)
        if "overlays" in place.parts or "components" in place.parts or "cluster" in place.parts:
            used.add(place.resolve())
    assert used == {path.resolve() for path in SOURCES.rglob("*.yaml")}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_namespace_admits_only_restricted_pods(name):
    (namespace,) = of_kind(name, "Namespace").values()
    assert namespace["metadata"]["name"] == f"driftline-{name}"
    labels = namespace["metadata"]["labels"]
    for mode in ("enforce", "warn", "audit"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"
    places = {one["metadata"].get("namespace") for one in golden(name)} - {None}
    assert places == {f"driftline-{name}"}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_nothing_is_made_that_the_target_makes_itself(name):
    made = {one["kind"] for one in golden("target")}
    assert not made & {one["kind"] for one in golden(name)}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_traffic_is_denied_and_the_servers_are_let_through(name):
    policies = of_kind(name, "NetworkPolicy")
    deny = policies.pop("deny-all")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert policies.keys() == {"dns", "store", "clients"}


def test_policies_speak_of_the_servers_and_their_port():
    """Labels and ports are those of the pods that the target makes."""
    found = [
        *of_kind("everything", "NetworkPolicy").values(),
        *of_kind("permissions", "NetworkPolicy").values(),
    ]
    ports = {one["name"]: one["containerPort"] for one in SERVERS["spec"]["containers"][0]["ports"]}
    assert ports == {PORT_NAME: PORT}
    assert SERVER_PODS.items() <= SERVERS["metadata"]["labels"].items()
    for policy in found:
        wanted = policy["spec"]["podSelector"].get("matchLabels", {})
        assert wanted in ({}, SERVER_PODS)
        for rule in policy["spec"].get("ingress", []):
            assert rule["ports"] == [{"port": PORT, "protocol": "TCP"}]
            assert rule["from"]  # an empty list would let everybody in


def test_prometheus_scrapes_the_servers():
    (monitor,) = of_kind("everything", "PodMonitor").values()
    assert monitor["metadata"]["namespace"] == "driftline-production"
    assert monitor["spec"]["selector"]["matchLabels"] == SERVER_PODS
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"]) == (PORT_NAME, "/metrics")
    assert set(monitor["spec"]["podTargetLabels"]) <= SERVERS["metadata"]["labels"].keys()


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_accounts_are_those_that_pods_and_steps_use(name):
    accounts = of_kind(name, "ServiceAccount")
    assert accounts.keys() == {SERVERS["spec"]["serviceAccountName"], "default"}
    assert all(one["automountServiceAccountToken"] is False for one in accounts.values())
    assert not of_kind(name, "RoleBinding")  # those are granted model by model
    deployers = of_kind("cluster", "ServiceAccount")
    for binding in of_kind("permissions", "RoleBinding").values():
        (subject,) = binding["subjects"]
        if subject["kind"] == "ServiceAccount":
            assert subject["namespace"] == "kubeflow"
            assert subject["name"] in deployers
        else:
            assert subject["name"] == "system:serviceaccounts:kubeflow"
    secret = of_kind("cluster", "Secret")["driftline-deployer"]
    account = secret["metadata"]["annotations"]["kubernetes.io/service-account.name"]
    assert account in deployers


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role["metadata"]["name"])
def test_no_role_reaches_further_than_it_says(role):
    for rule in role["rules"]:
        assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
        if "secrets" in rule["resources"]:
            assert rule["resourceNames"] == ["mlpipeline-minio-artifact"]
        if set(rule["verbs"]) - {"get", "list"}:
            assert rule.get("resourceNames") or rule["resources"] == ["workflowtaskresults"]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_model_as_the_defaults_have_it_finds_room(name):
    """At its most replicas, and one more while it is rolled out."""
    serving = Kubernetes()
    most = serving.max_replicas + 1
    (quota,) = of_kind(name, "ResourceQuota").values()
    (limits,) = of_kind(name, "LimitRange").values()
    hard, resources = quota["spec"]["hard"], serving.resources
    wanted = {
        "pods": most,
        "requests.cpu": most * quantity(resources.cpu),
        "requests.memory": most * quantity(resources.memory),
        "limits.cpu": most * quantity(resources.cpu_limit),
        "limits.memory": most * quantity(resources.memory_limit),
    }
    for key, value in wanted.items():
        assert value <= quantity(hard[key]), key
    largest = limits["spec"]["limits"][0]["max"]
    assert quantity(resources.cpu_limit) <= quantity(largest["cpu"])
    assert quantity(resources.memory_limit) <= quantity(largest["memory"])
    (namespace,) = of_kind(name, "Namespace").values()
    floor = namespace["metadata"]["labels"].get("driftline.dev/replica-floor", "1")
    assert serving.replicas >= int(floor)


def quantity(text):
    """A quantity as Kubernetes writes it, as far as these files do."""
    for suffix, factor in (("m", Decimal("0.001")), ("Mi", 2**20), ("Gi", 2**30)):
        if text.endswith(suffix):
            return Decimal(text.removesuffix(suffix)) * factor
    return Decimal(text)
