"""What the image promises, as far as it shows without building it.

tests/cluster runs the image itself; manifests/image/import_all.py runs while it is built.
"""

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from components.core import build

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "manifests" / "image"


def instructions():
    """The Dockerfile's instructions, those of each stage together."""
    text = re.sub(r"\\\n\s*", "", (FOLDER / "Dockerfile").read_text())
    stages = [[]]
    for line in text.splitlines():
        if line and not line.startswith("#"):
            word, rest = line.split(None, 1)
            if word == "FROM":
                stages.append([])
            stages[-1].append((word, rest))
    return stages


def load_script(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def last():
    return instructions()[-1]


def environment(stage):
    return dict(
        pair.split("=", 1) for word, rest in stage if word == "ENV" for pair in rest.split()
    )


def test_the_base_is_pinned_to_a_full_version_and_can_be_pinned_to_a_digest():
    assert instructions()[0] == [
        ("ARG", "BASE=docker.io/library/python:3.11.14-slim-bookworm"),
    ]
    froms = [rest for stage in instructions()[1:] for word, rest in stage if word == "FROM"]
    assert froms == ["${BASE} AS packages", "packages AS code", "${BASE}"]


def test_it_runs_as_a_numbered_user_in_the_one_writable_folder(last):
    assert [rest for word, rest in last if word == "USER"] == ["65532:65532"]
    (folder,) = [rest for word, rest in last if word == "WORKDIR"]
    values = environment(last)
    assert values["HOME"] == folder == "/tmp"  # noqa: S108 # in the image
    assert values["PYTHONDONTWRITEBYTECODE"] == "1"


def test_the_last_stage_only_takes_finished_folders_and_removes_what_could_install(last):
    assert [rest for word, rest in last if word == "COPY"] == [
        "--from=packages /opt/driftline /opt/driftline",
        "--from=code /opt/driftline/src /opt/driftline/src",
    ]
    (run,) = [rest for word, rest in last if word == "RUN"]
    for gone in ("/usr/local/lib/python3*/site-packages/*", "/usr/local/bin/pip*", "/usr/bin/apt*"):
        assert gone in run
    assert not re.search(r"apt-get|pip install|ADD |curl", (FOLDER / "Dockerfile").read_text())


def test_it_says_what_it_was_built_from(last):
    values = environment(last)
    assert values[build.IMAGE] == '"${IMAGE}"'
    assert values[build.COMMIT] == '"${COMMIT}"'
    labels = " ".join(rest for word, rest in last if word == "LABEL")
    assert 'org.opencontainers.image.version="${VERSION}"' in labels
    assert 'org.opencontainers.image.revision="${COMMIT}"' in labels


def test_a_new_commit_leaves_the_large_layers_as_they_are(last):
    """What changes with each build is told last, and the packages are made without the code."""
    words = [word for word, _ in last]
    assert max(i for i, word in enumerate(words) if word in ("COPY", "RUN")) < words.index("ARG")
    packages = instructions()[1]
    assert not any("components" in rest for word, rest in packages if word == "COPY")


def test_the_builder_is_sent_only_what_is_copied():
    sent = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    copied = {
        source
        for stage in instructions()
        for word, rest in stage
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    inside = {"manifests/image" if each.startswith("manifests/image/") else each for each in copied}
    assert inside == sent


def test_what_the_lock_lacks_is_refused_and_what_it_has_comes_with_its_hashes():
    def pins(*names):
        return subprocess.run(
            ["bash", "-c", f". {ROOT}/scripts/_pins.sh; driftline_pins {' '.join(names)}"],
            capture_output=True,
            text=True,
        )

    found = pins("pandas", "uv")
    assert found.returncode == 0
    heads = [line for line in found.stdout.splitlines() if not line.startswith(" ")]
    # The lock names an extra of pandas; "uvicorn" and "uvloop" are not "uv".
    assert [re.split(r"[=\[]", head)[0] for head in heads] == ["pandas", "uv"]
    assert found.stdout.count("--hash=sha256:") >= len(heads)

    lacking = pins("uv", "no-such-package")
    assert lacking.returncode != 0
    assert "does not pin no-such-package" in lacking.stderr


def test_all_that_the_project_requires_is_in_the_lock():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["remote"], *extras["demo"], "uv", "setuptools"]
    names = [Requirement(each).name for each in wanted]
    command = f". {ROOT}/scripts/_pins.sh; driftline_pins {' '.join(names)} >/dev/null"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_slimming_takes_the_parts_and_refuses_a_list_that_finds_nothing(tmp_path):
    slim = load_script("slim")
    for patterns in slim.PARTS.values():
        for pattern in patterns:
            path = tmp_path / pattern.replace("**/", "deep/").replace("*", "x")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("1234")
    (tmp_path / "evidently" / "tests").mkdir(parents=True)
    count = sum(1 for path in tmp_path.rglob("*") if path.is_file())

    assert slim.slim(tmp_path) == 4 * count
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert (tmp_path / "evidently" / "tests").exists()
    with pytest.raises(ValueError, match="nothing is at"):
        slim.slim(tmp_path)


def test_an_import_inside_a_function_that_cannot_be_kept_is_found(tmp_path, monkeypatch):
    load = load_script("import_all")
    monkeypatch.setattr(load, "BY_NAME", ())
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "project_part.py").write_text("def f():\n    from json import loads\n")
    assert load.load_all(tmp_path) == 2

    (tmp_path / "project_part.py").write_text("def f():\n    import no_such_module\n")
    with pytest.raises(ImportError, match="no_such_module"):
        load.load_all(tmp_path)


def test_the_images_for_a_cluster_without_internet_are_those_that_are_installed():
    listed = [
        line
        for line in (ROOT / "manifests" / "images.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert len(listed) == len(set(listed))
    assert all(re.fullmatch(r"[a-z.]+/[a-z0-9_./-]+:[\w.-]+", each) for each in listed)
    assert not any(each.endswith(":latest") for each in listed)

    script = (ROOT / "scripts" / "_kfp.sh").read_text()
    kfp = re.search(r"^driftline_kfp_version=(\S+)$", script, re.M)
    ours = {each.rpartition(":")[2] for each in listed if "ghcr.io/kubeflow/kfp-" in each}
    assert ours == {kfp[1]}
    base = instructions()[0][0][1].removeprefix("BASE=")
    assert base in listed


def test_the_workflow_calls_nothing_that_is_not_there():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "driftline.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"], name
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", step["uses"]), step
            for called in re.findall(r"scripts/\w+\.sh", step.get("run", "")):
                assert (ROOT / called).exists(), called
