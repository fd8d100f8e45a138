import pytest

from tests.scripts.conftest import READY, WAITING

EXISTING = ("--context", "staging", "--image", "ghcr.io/me/driftline:v1")


def test_from_nothing_to_the_next_command(machine):
    done = machine.run("cluster_up.sh")

    assert done.returncode == 0, done.stderr
    assert machine.called("minikube start") == [
        "minikube start --profile mlops --driver docker --cpus 4 --memory 8g --disk-size 40g "
        "--nodes 1 --kubernetes-version v1.36.1 --cni kindnet"
    ]
    applied = [call for call in machine.calls if " apply " in call]
    assert all(
        "--context mlops apply --server-side --field-manager driftline" in call for call in applied
    )
    assert "scripts/open_ui.sh --context mlops" in done.stdout
    assert "driftline run training" in done.stdout


def test_twice_is_once_and_kubectl_always_names_its_context(machine):
    assert machine.run("cluster_up.sh").returncode == 0
    done = machine.run("cluster_up.sh", "--memory", "6g")
    machine.run("cluster_status.sh")
    machine.run("cluster_down.sh", "--yes")

    assert done.returncode == 0, done.stderr
    assert "it keeps the size that it was made with" in done.stderr
    assert machine.called("minikube start")[1:] == ["minikube start --profile mlops"]
    offline = ("config", "version --client", "kustomize", "create", "label --local")
    rest = [call for call in machine.called("kubectl") if "--context mlops" not in call]
    assert [call for call in rest if not call.removeprefix("kubectl ").startswith(offline)] == []
    assert all("--dry-run=client" in call for call in rest if call.startswith("kubectl create"))


def test_several_nodes_get_volumes_that_every_node_has(machine):
    machine.on("kubectl", "*'get nodes -o name'", "node/mlops\nnode/mlops-m02\nnode/mlops-m03\n")
    done = machine.run("cluster_up.sh", "--nodes=3")

    assert done.returncode == 0, done.stderr
    assert "--cpus 2 --memory 4g --disk-size 40g --nodes 3" in machine.called("minikube start")[0]
    assert machine.called("minikube addons enable storage-provisioner-rancher")
    assert machine.called("minikube addons disable default-storageclass")


@pytest.mark.parametrize(
    ("tool", "remedy"),
    [
        ("minikube", "https://minikube.sigs.k8s.io"),
        ("kubectl", "https://kubernetes.io/docs/tasks/tools"),
        ("git", "apt-get install git"),
        ("docker", "install docker from https://docs.docker.com"),
    ],
)
def test_a_missing_tool_is_named_with_the_way_to_install_it(machine, tool, remedy):
    machine.without(tool)
    done = machine.run("cluster_up.sh")

    assert done.returncode == 1
    assert remedy in done.stderr
    assert machine.called("minikube start") == []


def test_without_docker_another_driver_does(machine):
    machine.without("docker")
    machine.on("podman", "*")
    assert machine.run("cluster_up.sh", "--cpus", "1", "--memory", "256m").returncode == 0

    assert "--driver podman" in machine.called("minikube start")[0]


@pytest.mark.parametrize(
    ("tool", "pattern", "said", "remedy"),
    [
        ("minikube", "version*", "v1.35.0", "minikube is 1.35.0, and 1.38 or later is needed"),
        ("kubectl", "version*", "Client Version: v1.29.9", "1.31 or later is needed; update it"),
        ("kubectl", "version*", "", "kubectl does not tell its version"),
        ("docker", "*NCPU*", "2 17179869184", "4 CPUs are asked for, and docker has 2"),
        ("docker", "*NCPU*", "8 4294967296", "8192 MiB of memory, and docker has 4096"),
    ],
)
def test_what_is_too_old_or_too_small_is_told_before_anything_starts(
    machine, tool, pattern, said, remedy
):
    machine.on(tool, pattern, said)
    done = machine.run("cluster_up.sh")

    assert done.returncode == 1
    assert remedy in done.stderr
    assert machine.called("minikube start") == []


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("permission denied while trying to connect to the docker API", "usermod -aG docker"),
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock", "systemctl start"),
    ],
)
def test_a_docker_that_cannot_be_used_is_told(machine, said, remedy):
    machine.on("docker", "info*", err=said, code=1)
    done = machine.run("cluster_up.sh")

    assert done.returncode == 1
    assert remedy in done.stderr


@pytest.mark.parametrize(
    ("code", "remedy"),
    [(23, "--memory"), (26, "docker system prune"), (40, "proxy"), (59, "--driver"), (80, "again")],
)
def test_why_minikube_did_not_start_is_translated(machine, code, remedy):
    machine.on("minikube", "start*", code=code)
    done = machine.run("cluster_up.sh")

    assert done.returncode == 1
    assert remedy in done.stderr.splitlines()[-1]


def test_a_profile_of_somebody_else_is_left_alone_unless_it_is_named(machine):
    (machine.home / "profile").write_text("Running Running")
    done = machine.run("cluster_up.sh")

    assert done.returncode == 1
    assert "this script did not make; use it with --profile mlops" in done.stderr
    assert machine.called("minikube start") == []
    assert machine.run("cluster_up.sh", "--profile", "mlops").returncode == 0
    assert machine.run("cluster_down.sh", "--yes").returncode == 1
    assert machine.called("minikube delete") == []


def test_interrupted_it_says_so_and_the_same_command_carries_on(machine):
    machine.on(
        "minikube", "start*", do='echo "Running Stopped" >"$HOME/profile"; kill -TERM $PPID', code=2
    )
    done = machine.run("cluster_up.sh")

    assert done.returncode == 130
    assert "the same command carries on" in done.stderr
    machine.on("minikube", "start*", do='echo "Running Running" >"$HOME/profile"')
    assert machine.run("cluster_up.sh").returncode == 0


def test_an_existing_cluster_is_used_and_minikube_is_not(machine):
    done = machine.run("cluster_up.sh", *EXISTING)

    assert done.returncode == 0, done.stderr
    assert machine.called("minikube") == []
    assert "--image ghcr.io/me/driftline:v1" in done.stdout


def test_an_image_that_is_pushed_gets_the_tag_that_it_was_built_with(machine):
    arguments = ("--context", "staging", "--image", "ghcr.io/me/driftline", "--push")
    assert machine.run("cluster_up.sh", *arguments).returncode == 0

    assert machine.called("build_image.sh") == [
        "build_image.sh --image ghcr.io/me/driftline --push"
    ]
    (noted,) = machine.called("kubectl create configmap driftline-applied")
    assert "--from-literal=image=driftline:v1" in noted


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--nodes", "many"], "--nodes takes a whole number above zero, not 'many'"),
        (["--memory", "lots"], "--memory takes a size like 8g"),
        (["--memory"], "--memory needs a value"),
        (["--profile", "My Profile"], "--profile takes a name"),
        (["--environment", "prod"], "development, staging or production, not 'prod'"),
        (["--image", "driftline:latest"], "not 'latest'"),
        (["--image", "localhost:5000/driftline"], "an image with its tag"),
        (["--context", "staging"], "--context needs --image"),
        ([*EXISTING, "--nodes", "2"], "--context uses a cluster that is there"),
        (["--kubernetes", "newest"], "a version like v1.36.1, not 'newest'"),
        (["--nodez"], "there is no option '--nodez'; see"),
    ],
)
def test_wrong_usage_ends_with_2_and_touches_nothing(machine, arguments, said):
    done = machine.run("cluster_up.sh", *arguments)

    assert done.returncode == 2
    assert said in done.stderr
    assert machine.calls == []


def test_pods_that_are_not_ready_are_explained_when_the_limit_passes(machine):
    machine.on("kubectl", "*'get deployments,statefulsets,daemonsets'*", READY + WAITING)
    machine.on(
        "kubectl",
        "*'get pods -n kubeflow'*",
        'pod\tml-pipeline-1\tPending\t""\n'
        'container\tapi\tImagePullBackOff\t"pulling: dial tcp: lookup ghcr.io: no such host"\n'
        'pod\tmysql-1\tPending\t"0/1 nodes are available: 1 Insufficient memory."\n'
        'pod\tcache-1\tRunning\t""\ncontainer\tserver\tended: OOMKilled\texit code 137\n',
    )
    machine.on("kubectl", "*'get events'*ml-pipeline-1*", "Failed: Failed to pull image\n")
    machine.on("kubectl", "*logs*", "out of memory\n")
    done = machine.run("cluster_up.sh", "--timeout", "0")

    assert done.returncode == 1
    for said in (
        "waiting for the programs in kubeflow: ml-pipeline",
        "pod ml-pipeline-1: Pending",
        "event Failed: Failed to pull image",
        "remedy: the nodes do not reach the registry",
        "remedy: memory is short",
        "| out of memory",
        "remedy: it ran out of memory",
        "give it longer with --timeout",
    ):
        assert said in done.stderr


def test_an_api_that_is_away_for_a_moment_is_waited_for(machine):
    machine.on(
        "kubectl",
        "*'get deployments,statefulsets,daemonsets -n kubeflow'*",
        READY,
        do='[ -e "$HOME/away" ] || { touch "$HOME/away"; echo "connection refused" >&2; exit 1; }',
    )
    done = machine.run("cluster_up.sh")

    assert done.returncode == 0
    assert "the cluster does not answer" in done.stderr


def test_without_internet_all_images_come_from_the_folder(machine, tmp_path):
    for name in ("kfp-cluster-scoped", "kfp"):
        path = tmp_path / "stick" / "manifests" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("kind: List\n")
    done = machine.run("cluster_up.sh", "--offline", tmp_path / "stick")

    assert done.returncode == 0, done.stderr
    assert machine.called("load_images.sh") == [f"load_images.sh {tmp_path}/stick --profile mlops"]
    assert machine.called("build_image.sh") == [
        f"build_image.sh --profile mlops --load {tmp_path}/stick/driftline.tar"
    ]
