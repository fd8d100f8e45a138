"""The stages that cluster_up.sh runs, each alone, and what looks on."""

import json
import socket

import pytest

from tests.scripts.conftest import READY, WAITING

SERVER = "driftline-flights\tdriftline-development\tv7\t2\t{}\t{}\n"
ACCESS = "QUtJQQ=="


@pytest.fixture
def healthy(machine):
    """A cluster with everything applied and one model that serves."""
    machine.on("kubectl", "*ready_nodes.tmpl*", "mlops\t-\t-\t1\t1\tready\n")
    machine.on(
        "kubectl", "*'get deployment ml-pipeline'*", "ghcr.io/kubeflow/kfp-api-server:2.17.0"
    )
    machine.on("kubectl", "*'get namespaces -l'*", "driftline-development\n")
    machine.on("kubectl", "*component=model-server*", SERVER.format(2, "ready"))
    machine.on("kubectl", "*'get configmap driftline-applied'*", "driftline:v1\tabc\n")
    machine.on("kubectl", "'config view --minify'*", "https://192.168.49.2:8443")
    return machine


def test_a_healthy_cluster_is_shown_with_its_versions(healthy):
    done = healthy.run("cluster_status.sh", "--context", "staging")

    assert done.returncode == 0, done.stderr
    for said in (
        "context     staging at https://192.168.49.2:8443",
        "kubernetes  v1.36.1, nodes: 1 of 1 ready",
        "kfp         2.17.0, 1 of 1 ready",
        "driftline   driftline-development, image driftline:v1, manifests of abc",
        "model       driftline-flights: release v7, 2 of 2 answer, ready",
    ):
        assert said in done.stdout.splitlines()


def test_the_status_is_a_document_for_machines(healthy):
    healthy.on("kubectl", "*component=model-server*", SERVER.format(1, "waiting"))
    done = healthy.run("cluster_status.sh", "--json")

    assert (done.returncode, done.stderr) == (1, "")
    found = json.loads(done.stdout)
    assert found["healthy"] is False
    assert found["problems"] == ["in driftline-development: not ready: driftline-flights"]
    (model,) = found["environments"][0]["models"]
    assert model == {
        "name": "driftline-flights",
        "release": "v7",
        "wanted": 2,
        "available": 1,
        "ready": False,
    }


def test_an_empty_cluster_is_told_what_it_lacks(machine):
    machine.on("kubectl", "*ready_nodes.tmpl*", "mlops\t-\t-\t1\t0\twaiting\n")
    done = machine.run("cluster_status.sh", "--context", "staging")

    assert done.returncode == 1
    assert "scripts/install_kfp.sh --context staging" in done.stderr
    assert "scripts/apply_manifests.sh --context staging" in done.stderr
    assert "not every node is ready" in done.stderr


@pytest.mark.parametrize(
    ("script", "said", "remedy"),
    [
        ("cluster_status.sh", "dial tcp 10.0.0.1:443: i/o timeout", "it does not answer"),
        ("install_kfp.sh", "You must be logged in to the server (Unauthorized)", "log in to it"),
        ("apply_manifests.sh", "tls: failed to verify certificate: x509", "kubeconfig anew"),
    ],
)
def test_a_cluster_that_cannot_be_asked_is_told(machine, script, said, remedy):
    machine.on("kubectl", "*'get --raw /version'", err=said, code=1)
    done = machine.run(script, "--context", "staging")

    assert done.returncode == 1
    assert remedy in done.stderr


def test_an_unknown_context_is_told_with_those_there_are(machine):
    machine.on("kubectl", "'config get-contexts nope'*", code=1)
    machine.on("kubectl", "'config get-contexts -o name'", "staging\nproduction\n")
    done = machine.run("install_kfp.sh", "--context", "nope")

    assert done.returncode == 1
    assert "no context 'nope' (it has: staging production )" in done.stderr


def test_kfp_is_pinned_and_noted(machine):
    assert machine.run("install_kfp.sh").returncode == 0

    rendered = [call.split("/manifests/kustomize/")[1] for call in machine.called("kubectl kust")]
    assert rendered == [
        "cluster-scoped-resources?ref=2.17.0",
        "env/platform-agnostic?ref=2.17.0",
    ]
    order = [call for call in machine.calls if " apply " in call or " wait " in call]
    assert ["cluster.yaml" in order[0], " wait crd/" in order[1]] == [True, True]
    assert "programs.yaml" in order[-1]
    patience = "set env deployment/workflow-controller -n kubeflow MAX_OPERATION_TIME=300s"
    assert any(patience in call for call in machine.calls)


@pytest.mark.parametrize(
    ("version", "ours", "code", "said"),
    [
        ("2.17.0", True, 0, "runs in mlops"),
        ("2.17.0", False, 0, "installed by somebody else; it is left as it is"),
        ("2.4.1", False, 1, "KFP 2.4.1 runs in mlops already"),
    ],
)
def test_a_kfp_that_is_there_is_not_replaced(machine, version, ours, code, said):
    machine.on("kubectl", "*'get deployment ml-pipeline'*", f"kfp-api-server:{version}")
    if not ours:
        machine.on("kubectl", "*'get configmap driftline-kfp'*", code=1)
    done = machine.run("install_kfp.sh")

    assert done.returncode == code
    assert said in done.stderr
    assert ours or not [call for call in machine.calls if " apply " in call]


def test_manifests_that_cannot_be_read_change_nothing(machine, tmp_path):
    machine.on("kubectl", "kustomize*", err="fatal: unable to access github.com", code=1)
    done = machine.run("install_kfp.sh")

    assert done.returncode == 1
    assert "is github.com reachable?" in done.stderr
    assert not [call for call in machine.calls if " apply " in call]
    empty = machine.run("install_kfp.sh", "--offline", str(tmp_path))
    assert "fill the folder with scripts/save_images.sh" in empty.stderr


def test_a_namespace_that_is_on_its_way_out_is_waited_for(machine):
    leaving = 'touch "$HOME/l"; [ "$(wc -l <"$HOME/l")" -gt 1 ] && exit 0; echo >>"$HOME/l"'
    machine.on(
        "kubectl", "*'get namespaces kubeflow'*", "kubeflow is still being removed", do=leaving
    )
    done = machine.run("install_kfp.sh")

    assert done.returncode == 0
    asked = [at for at, call in enumerate(machine.calls) if "get namespaces kubeflow" in call]
    applied = [at for at, call in enumerate(machine.calls) if " apply " in call]
    assert len(asked) == 3
    assert max(asked) < min(applied)


def test_offline_nothing_is_fetched(machine, tmp_path):
    (tmp_path / "manifests").mkdir()
    for name in ("kfp-cluster-scoped", "kfp"):
        (tmp_path / "manifests" / f"{name}.yaml").write_text("kind: List\n")
    done = machine.run("cluster_up.sh", "--offline", str(tmp_path))

    assert done.returncode == 0, done.stderr
    assert machine.called("kubectl kustomize") == []
    assert machine.called("load_images.sh") == [f"load_images.sh {tmp_path} --profile mlops"]
    assert machine.called("build_image.sh")[0].endswith(f"--load {tmp_path}/driftline.tar")
    assert machine.called("minikube addons") == []


def test_the_manifests_of_one_environment_are_applied_in_order(machine):
    machine.on("kubectl", "*'get secret mlpipeline-minio-artifact'*", f"data: {ACCESS}\n")
    done = machine.run(
        "apply_manifests.sh", "--environment", "staging", "--model", "a", "--model", "b"
    )

    assert done.returncode == 0, done.stderr
    applied = [call.split("driftline ", 1)[1] for call in machine.calls if " apply " in call]
    assert applied[0].endswith("manifests/cluster")
    assert applied[1].endswith("manifests/overlays/staging")
    assert applied[2:] == ["-f -", "-n kubeflow -f -", "-n driftline-staging -f -", "-f -"]
    assert (
        "driftline permissions --namespace driftline-staging --model a --model b "
        "--api-server 192.168.49.2" in machine.stdin
    )
    assert machine.stdin.count(ACCESS) == 2
    assert not any(ACCESS in call for call in machine.calls)


def test_a_wrong_model_name_changes_nothing(machine, installed):
    driftline = machine.folder / "venv" / "bin" / "driftline"
    driftline.write_text('#!/bin/sh\necho "driftline: no such name" >&2\nexit 2\n')
    done = machine.run("apply_manifests.sh", "--model", "No Name")

    assert done.returncode != 0
    assert "no such name" in done.stderr
    assert not [call for call in machine.calls if " apply " in call]


def test_credentials_that_somebody_gave_stay_for_the_next_environment(machine):
    machine.on("kubectl", "*'get secret driftline-store'*jsonpath*", "driftline-store ")
    machine.on("kubectl", "*'get secret driftline-store'*store_again*", f"data: {ACCESS}\n")
    done = machine.run("apply_manifests.sh", "--environment", "production")

    assert done.returncode == 0
    assert "the store's credentials stay" in done.stderr
    assert machine.stdin.count(ACCESS) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("AWS_ACCESS_KEY_ID=a\n", "has no line AWS_SECRET_ACCESS_KEY=VALUE"),
        ("AWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY='b'\n", "remove the quotes"),
    ],
)
def test_credentials_that_could_not_work_are_refused(machine, tmp_path, text, said):
    (tmp_path / "store.env").write_text(text)
    done = machine.run("apply_manifests.sh", "--store-env", str(tmp_path / "store.env"))

    assert done.returncode == 1
    assert said in done.stderr
    assert not [call for call in machine.calls if " apply " in call]


def test_a_colleagues_change_is_not_taken_over_unasked(machine):
    machine.on("kubectl", "*apply*overlays*", err='conflict with "kubectl-edit"', code=1)
    done = machine.run("apply_manifests.sh")

    assert done.returncode == 1
    assert "take it over with --force" in done.stderr
    machine.run("apply_manifests.sh", "--force")
    assert "--force-conflicts -k" in [call for call in machine.calls if " apply " in call][-1]


FORWARDS = 'echo "Forwarding from 127.0.0.1"; '


def test_the_ui_is_opened_and_connected_again_until_it_is_ended(machine):
    machine.on(
        "kubectl",
        "*port-forward*",
        do=f'{FORWARDS} if [ -e "$HOME/once" ]; then kill -TERM $PPID; exec sleep 9; fi; '
        'touch "$HOME/once"; echo "lost connection to pod" >&2; exit 1',
    )
    done = machine.run("open_ui.sh", "--context", "staging")

    assert done.returncode == 0
    (address,) = done.stdout.splitlines()
    port = address.rpartition(":")[2]
    assert f"-n kubeflow service/ml-pipeline-ui {port}:80" in machine.called("kubectl")[-1]
    assert "no connection (lost connection to pod); trying again" in done.stderr


def test_a_port_that_is_taken_is_told(machine):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = machine.run("open_ui.sh", "--port", port)

    assert done.returncode == 1
    assert f"port {port} is taken" in done.stderr


def test_the_platforms_dashboard_is_another_service(machine):
    machine.on("kubectl", "*'get service istio-ingressgateway'*", code=1)
    done = machine.run("open_ui.sh", "--platform")

    assert done.returncode == 1
    assert "no service istio-ingressgateway in istio-system" in done.stderr


def test_waiting_pods_of_the_stage_are_named(machine):
    machine.on("kubectl", "*'get deployments,statefulsets,daemonsets'*", READY + WAITING)
    machine.on("kubectl", "*'get pods'*", err="connection refused", code=1)
    done = machine.run("install_kfp.sh", "--timeout=0")

    assert done.returncode == 1
    assert "remedy: look whether it still runs" in done.stderr
