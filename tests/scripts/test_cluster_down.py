import json

import pytest

MINIKUBES = "minikube.sigs.k8s.io"
IN_KFP = "*'-n kubeflow -o name'*"


@pytest.fixture
def up(machine):
    """The profile that cluster_up.sh made."""
    assert machine.run("cluster_up.sh").returncode == 0
    return machine


def test_the_profile_and_its_entries_in_the_kubeconfig_go(up):
    up.on("kubectl", "'config view'*", MINIKUBES)
    up.on("kubectl", "'config current-context'", "mlops\n")
    done = up.run("cluster_down.sh", "--yes")

    assert done.returncode == 0, done.stderr
    assert up.called("minikube delete") == ["minikube delete --profile mlops"]
    for entry in ("delete-context mlops", "delete-cluster mlops", "delete-user mlops"):
        assert up.called(f"kubectl config {entry}")
    assert up.called("kubectl config unset current-context")
    again = up.run("cluster_down.sh", "--yes")
    assert again.returncode == 0
    assert "there is no profile mlops" in again.stderr
    assert len(up.called("minikube delete")) == 1


def test_a_context_of_that_name_which_is_not_minikubes_stays(up):
    up.on("kubectl", "'config view'*", "")
    assert up.run("cluster_down.sh", "--yes").returncode == 0

    assert up.called("kubectl config delete") == []


def test_without_a_terminal_it_wants_to_be_told_yes(up):
    done = up.run("cluster_down.sh")

    assert done.returncode == 2
    assert "pass --yes to mean it. Nothing was changed" in done.stderr
    assert up.called("minikube delete") == []


def test_stopping_asks_nothing_and_keeps_everything(up):
    done = up.run("cluster_down.sh", "--stop")

    assert done.returncode == 0
    assert up.called("minikube stop") == ["minikube stop --profile mlops"]
    assert up.called("minikube delete") == []
    stopped = up.run("cluster_status.sh")
    assert stopped.returncode == 1
    assert "is stopped; scripts/cluster_up.sh starts it" in stopped.stderr
    found = json.loads(up.run("cluster_status.sh", "--json").stdout)
    assert found["healthy"] is False
    assert "is stopped" in found["problems"][0]


def test_a_profile_that_was_made_again_by_hand_is_not_ours(up):
    up.on("kubectl", "*'get namespace kube-system'*", "uid-2")
    done = up.run("cluster_down.sh", "--yes")

    assert done.returncode == 1
    assert "if you mean it: --profile mlops" in done.stderr
    assert up.called("minikube delete") == []
    assert up.run("cluster_down.sh", "--profile", "mlops", "--yes").returncode == 0
    assert up.called("minikube delete") == ["minikube delete --profile mlops"]


def test_all_are_those_that_cluster_up_made_and_never_minikubes_own_all(up):
    up.run("cluster_up.sh", "--profile", "second")
    (up.folder / "state" / "driftline" / "profiles" / "second").write_text("starting\n")
    done = up.run("cluster_down.sh", "--all", "--yes")

    assert done.returncode == 0, done.stderr
    assert "--profile mlops" in up.called("minikube delete")[0]
    assert not any("--all" in call for call in up.called("minikube"))
    assert list((up.folder / "state" / "driftline" / "profiles").iterdir()) == []


def test_a_failing_minikube_leaves_the_note_for_the_next_try(up):
    up.on("minikube", "delete*", code=80)
    done = up.run("cluster_down.sh", "--yes")

    assert done.returncode == 1
    assert "minikube could not delete mlops" in done.stderr
    assert (up.folder / "state" / "driftline" / "profiles" / "mlops").exists()


@pytest.fixture
def elsewhere(machine):
    """A cluster of somebody else with driftline in two namespaces."""
    machine.on(
        "kubectl",
        "*'get namespaces -l app.kubernetes.io/part-of=driftline'*",
        do='printf "driftline-%s\\n" development staging >"$HOME/all"; touch "$HOME/gone"; '
        'grep -vxF -f "$HOME/gone" "$HOME/all"; exit 0',
    )
    machine.on("kubectl", "*'delete '*' namespace '*", do='echo "${*: -1}" >>"$HOME/gone"')
    return machine


def deleted(machine):
    return [
        call.split("--timeout=300s ")[1]
        for call in machine.calls
        if "kubectl" in call and " delete " in call
    ]


def test_of_somebody_elses_cluster_only_what_was_applied_goes(elsewhere):
    done = elsewhere.run("cluster_down.sh", "--context", "staging", "--yes")

    assert done.returncode == 0, done.stderr
    names = deleted(elsewhere)
    assert names[:2] == ["namespace driftline-development", "namespace driftline-staging"]
    assert names[2].endswith("manifests/cluster")
    assert names[3:] == ["secret driftline-store -n kubeflow"]
    assert elsewhere.called("minikube") == []
    assert elsewhere.called("kubectl config delete") == []


def test_one_environment_leaves_what_the_others_need(elsewhere):
    elsewhere.run(
        "cluster_down.sh", "--context", "staging", "--environment", "development", "--yes"
    )

    assert deleted(elsewhere) == ["namespace driftline-development"]


def test_kfp_goes_only_when_it_is_asked_for_and_ours(elsewhere):
    assert (
        elsewhere.run("cluster_down.sh", "--context", "staging", "--kfp", "--yes").returncode == 0
    )
    assert [name.split("/")[-1] for name in deleted(elsewhere)[-2:]] == [
        "programs.yaml",
        "cluster.yaml",
    ]

    elsewhere.on("kubectl", "*'get configmap driftline-kfp'*", code=1)
    done = elsewhere.run("cluster_down.sh", "--context", "staging", "--kfp", "--yes")
    assert done.returncode == 1
    assert "did not install the KFP in staging; it stays" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--context", "staging", "--all"),
        ("--all", "--profile", "x"),
        ("--kfp",),
        ("--context", "staging", "--kfp", "--environment", "staging"),
    ],
)
def test_what_does_not_go_together_is_refused(machine, arguments):
    assert machine.run("cluster_down.sh", *arguments, "--yes").returncode == 2
    assert machine.calls == []
