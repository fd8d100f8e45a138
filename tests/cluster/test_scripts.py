"""The scripts on a real cluster: applied, shown, explained, and taken away again."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from kubernetes.client.exceptions import ApiException

SCRIPTS = Path(__file__).parents[2] / "scripts"
ENVIRONMENT = "staging"
NAMESPACE = f"driftline-{ENVIRONMENT}"
MODEL = "teardown"


def script(name, *arguments):
    return subprocess.run(
        ["bash", SCRIPTS / name, "--context", os.environ["CLUSTER_TESTS"], *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def namespaces(client):
    found = client.CoreV1Api().list_namespace(label_selector="app.kubernetes.io/part-of=driftline")
    return {namespace.metadata.name for namespace in found.items}


@pytest.fixture
def free(client):
    """KFP is there, and the environment is not: whatever appears in it is the test's own."""
    core = client.CoreV1Api()
    try:
        core.read_namespaced_secret("mlpipeline-minio-artifact", "kubeflow")
    except ApiException:
        pytest.skip("no Kubeflow Pipelines with a store of its own: run scripts/install_kfp.sh")
    if NAMESPACE in namespaces(client):
        pytest.skip(f"there is a namespace {NAMESPACE}, which is not the tests' to remove")
    yield
    script("cluster_down.sh", "--environment", ENVIRONMENT, "--yes")


def test_an_environment_comes_is_shown_and_goes(client, free):
    before = namespaces(client)
    for _ in range(2):  # twice is once
        done = script("apply_manifests.sh", "--environment", ENVIRONMENT, "--model", MODEL)
        assert done.returncode == 0, done.stderr

    rules = client.RbacAuthorizationV1Api().read_namespaced_role(
        f"driftline-deploy-{MODEL}", NAMESPACE
    )
    assert f"driftline-{MODEL}" in {
        name for rule in rules.rules for name in rule.resource_names or []
    }
    secret = client.CoreV1Api().read_namespaced_secret("driftline-store", NAMESPACE)
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= secret.data.keys()
    shown = json.loads(script("cluster_status.sh", "--json").stdout)
    assert NAMESPACE in {environment["namespace"] for environment in shown["environments"]}

    done = script("cluster_down.sh", "--environment", ENVIRONMENT, "--yes")
    assert done.returncode == 0, done.stderr
    assert namespaces(client) == before
    again = script("cluster_down.sh", "--environment", ENVIRONMENT, "--yes")
    assert again.returncode == 0
    assert "there is nothing of driftline" in again.stderr


def test_a_pod_that_cannot_start_is_explained(client, namespace):
    labels = {"app": "none"}
    container = {
        "name": "main",
        "image": "registry.invalid/driftline-missing:1",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    client.AppsV1Api().create_namespaced_deployment(
        namespace, {"metadata": {"name": "none"}, "spec": spec}
    )
    wait = (
        f'. "{SCRIPTS}/_cluster.sh"; driftline_choose_context "$CLUSTER_TESTS"; '
        f"driftline_wait_ready {namespace} 20"
    )
    done = subprocess.run(["bash", "-c", wait], capture_output=True, text=True)

    assert done.returncode == 1
    assert f"waiting for the programs in {namespace}: none" in done.stderr
    assert "pod none-" in done.stderr
    assert "remedy: " in done.stderr
