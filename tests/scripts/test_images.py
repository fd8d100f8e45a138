"""Building, saving and loading images, with stand-ins for minikube, docker and kubectl."""

import re
import shutil
import subprocess

import pytest

from tests.scripts.programs import DOCKER, KUBECTL, MINIKUBE, ROOT, World

TAG = "v1.2.0"
IMAGE = f"driftline:{TAG}"


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path / "world")
    world.add("minikube", MINIKUBE)
    world.add("docker", DOCKER)
    world.add("kubectl", KUBECTL)
    return world


@pytest.fixture
def checkout(tmp_path):
    """A working copy with the scripts and one module, committed and tagged."""
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "scripts", root / "scripts")
    shutil.copytree(ROOT / "manifests" / "image", root / "manifests" / "image")
    shutil.copy(ROOT / "manifests" / "images.txt", root / "manifests")
    (root / "components").mkdir()
    (root / "components" / "one.py").write_text("1\n")
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "all"],
        ["tag", TAG],
    ):
        subprocess.run(["git", *command], cwd=root, check=True)
    return root


def build(world, checkout, *arguments, **environment):
    return world.run(checkout / "scripts" / "build_image.sh", *arguments, **environment)


def test_every_node_gets_the_image_and_its_name_is_all_that_is_printed(world, checkout):
    world.write("nodes", "mlops\nmlops-m02\nmlops-m03\n")
    done = build(world, checkout)

    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{IMAGE}\n"
    for node in ("mlops", "mlops-m02", "mlops-m03"):
        assert (world.folder / node / IMAGE.replace(":", "_")).exists()
    (call,) = world.called("minikube -p mlops image build")
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True
    ).stdout.strip()
    for argument in (f"IMAGE={IMAGE}", f"COMMIT={commit}", f"VERSION={TAG}"):
        assert f"--build-opt=build-arg={argument}" in call


def test_the_second_time_nothing_is_built_or_copied(world, checkout):
    build(world, checkout)
    done = build(world, checkout)

    assert done.stdout == f"{IMAGE}\n"
    assert len(world.called("minikube -p mlops image build")) == 1
    assert not world.called("minikube -p mlops image save")


def test_buildkit_of_containerd_is_told_in_its_own_words(world, checkout):
    world.write("runtime", "containerd\n")
    build(world, checkout)

    (call,) = world.called("minikube -p mlops image build")
    assert f"--build-opt=opt=build-arg:IMAGE={IMAGE}" in call


def test_a_failed_build_is_noticed_though_minikube_says_nothing(world, checkout):
    world.write("no-build", "")
    done = build(world, checkout)

    assert done.returncode == 1
    assert "the build failed" in done.stderr
    assert done.stdout == ""


def test_a_node_that_the_image_did_not_reach_is_named(world, checkout):
    world.write("nodes", "mlops\nmlops-m02\n")
    world.write("no-load", "mlops-m02")
    done = build(world, checkout)

    assert done.returncode == 1
    assert f"{IMAGE} did not get onto mlops-m02 of profile mlops" in done.stderr


@pytest.mark.parametrize("name", ["components/one.py", "components/new.py"])
def test_a_changed_tree_is_dirty_and_each_change_has_its_own_name(world, checkout, name):
    names = []
    for text in ("2\n", "3\n"):
        (checkout / name).write_text(text)
        names.append(build(world, checkout).stdout)

    assert all(re.fullmatch(rf"driftline:{TAG}-dirty-[0-9a-f]{{8}}\n", each) for each in names)
    assert len(set(names)) == 2
    assert "-dirty" in re.search(r"COMMIT=(\S+)", world.called("minikube -p mlops image b")[0])[1]


def test_what_is_not_in_the_image_leaves_it_clean(world, checkout):
    (checkout / "notes.md").write_text("mine\n")

    assert build(world, checkout).stdout == f"{IMAGE}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tag", "latest"], "'latest' says nothing"),
        (["--image", "r.io/a:latest"], "'latest' says nothing"),
        (["--tag", "a b"], "can be no tag"),
        (["--push"], "need --image NAME"),
        (["--image", "r.io/a:1", "--tag", "2"], "has a tag already"),
        (["--image", "r.io/a@sha256:1"], "without a digest"),
        (["--image", "r.io/a", "--profile", "x"], "choose one"),
        (["--load", "a.tar", "--tag", "2"], "takes the image as it is"),
        (["--image", "r.io/a", "--builder", "kaniko"], "docker, podman or buildah"),
        (["--save", "/nowhere/a.tar"], "there is no folder /nowhere"),
        (["--what"], "there is no option '--what'"),
        (["--image"], "--image needs a value"),
    ],
)
def test_wrong_usage_is_refused_before_anything_is_called(world, checkout, arguments, said):
    done = build(world, checkout, *arguments)

    assert done.returncode == 2
    assert said in done.stderr
    assert world.calls == []


def test_without_git_history_a_tag_is_asked_for(world, checkout):
    shutil.rmtree(checkout / ".git")
    done = build(world, checkout, GIT_CEILING_DIRECTORIES=str(checkout.parent))

    assert done.returncode == 1
    assert "name one with --tag" in done.stderr
    assert build(world, checkout, "--tag", "1.0").stdout == "driftline:1.0\n"


def test_a_profile_that_does_not_run_is_said(world, checkout):
    world.write("status", "Stopped\n")
    done = build(world, checkout)

    assert done.returncode == 1
    assert "scripts/cluster_up.sh starts it" in done.stderr


def test_for_a_registry_it_is_built_here_and_pushed(world, checkout):
    done = build(world, checkout, "--image=registry.example.com/team/driftline", "--push")
    name = f"registry.example.com/team/driftline:{TAG}"

    assert done.stdout == f"{name}\n", done.stderr
    assert [call.split()[:4] for call in world.called("docker b")] == [
        ["docker", "build", "-t", name]
    ]
    assert world.called("docker push") == [f"docker push {name}"]
    assert not world.called("minikube")


def test_a_push_that_is_denied_ends_with_the_remedy(world, checkout):
    world.write("no-push", "")
    done = build(world, checkout, "--image", "registry.example.com/driftline", "--push")

    assert done.returncode == 1
    assert "docker login registry.example.com" in done.stderr
    assert done.stdout == ""


def test_an_archive_is_saved_whole_or_not_at_all(world, checkout, tmp_path):
    world.write("no-save", "")
    arguments = ("--image", "driftline", "--save", tmp_path / "a.tar")
    assert build(world, checkout, *arguments).returncode == 1
    assert not list(tmp_path.glob("a.tar*"))

    (world.folder / "no-save").unlink()
    assert build(world, checkout, *arguments).returncode == 0
    assert [path.name for path in tmp_path.glob("a.tar*")] == ["a.tar"]


def test_what_was_saved_is_loaded_onto_every_node_under_its_name(world, checkout, tmp_path):
    build(world, checkout, "--image", "driftline", "--save", tmp_path / "a.tar")
    world.write("nodes", "mlops\nmlops-m02\n")
    done = build(world, checkout, "--load", tmp_path / "a.tar")

    assert done.stdout == f"{IMAGE}\n", done.stderr
    assert (world.folder / "mlops-m02" / IMAGE.replace(":", "_")).exists()
    assert not world.called("minikube -p mlops image build")


@pytest.mark.parametrize("content", [None, "no archive"])
def test_what_is_no_archive_is_refused(world, checkout, tmp_path, content):
    if content:
        (tmp_path / "a.tar").write_text(content)
    done = build(world, checkout, "--load", tmp_path / "a.tar")

    assert done.returncode == 1
    assert "a.tar" in done.stderr
    assert not world.called("minikube -p mlops image load")


def manifests(checkout, world, extra=""):
    """What KFP's manifests would name, from the list itself, in the three places it does so."""
    listed = [
        line
        for line in (checkout / "manifests" / "images.txt").read_text().splitlines()
        if line and not line.startswith("#") and "/python:" not in line
    ]
    lines = []
    for image in listed:
        if "argoexec" in image:
            lines += ["        - --executor-image", f"        - {image}"]
        elif "launcher" in image or "driver" in image:
            lines += ["        - name: V2_IMAGE", f"          value: {image}"]
        else:
            lines += [f"        image: {image.removeprefix('docker.io/library/')}"]
    lines += ["        imagePullPolicy: Always", extra]
    world.write("kfp.yaml", "\n".join(lines))
    return listed


def test_saving_and_loading_carry_all_images_and_go_on_after_a_break(world, checkout, tmp_path):
    listed = manifests(checkout, world)
    folder = tmp_path / "stick"
    world.write("no-push", "")
    saved = world.run(checkout / "scripts" / "save_images.sh", folder, "--builder", "docker")
    assert saved.returncode == 0, saved.stderr
    assert "Always" not in (folder / "manifests" / "kfp.yaml").read_text()
    assert len(list(folder.glob("*.tar"))) == len(listed) + 2  # the base's, and driftline's own

    pulled = len(world.called("docker pull"))
    (folder / "quay.io_argoproj_argoexec_v4.0.5.tar").unlink()
    world.run(checkout / "scripts" / "save_images.sh", folder, "--builder", "docker")
    assert len(world.called("docker pull")) == pulled + 1

    world.write("nodes", "mlops\nmlops-m02\n")
    for _ in range(2):
        loaded = world.run(checkout / "scripts" / "load_images.sh", folder)
        assert loaded.returncode == 0, loaded.stderr
    assert len(world.called("minikube -p mlops image load")) == len(listed)


def test_a_list_that_lags_behind_the_manifests_stops_before_anything_is_fetched(
    world, checkout, tmp_path
):
    manifests(checkout, world, "        image: ghcr.io/kubeflow/kfp-new:2.17.0")
    done = world.run(checkout / "scripts" / "save_images.sh", tmp_path / "stick")

    assert done.returncode == 1
    assert "> ghcr.io/kubeflow/kfp-new:2.17.0" in done.stderr
    assert not world.called("docker pull")


def test_a_folder_that_lacks_an_image_is_refused_before_loading(world, checkout, tmp_path):
    (tmp_path / "images.txt").write_text((checkout / "manifests" / "images.txt").read_text())
    done = world.run(checkout / "scripts" / "load_images.sh", tmp_path)

    assert done.returncode == 1
    assert "lacks" in done.stderr
    assert not world.called("minikube -p mlops image load")
