"""A machine whose minikube, kubectl, docker and git only pretend, and write down what they did."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
READY = "mysql\tkubeflow\t-\t1\t1\tready\n"
# What a script may use without asking for it.
_COMMON = "awk basename bash cat cksum df dirname env getconf grep head id ls mkdir mktemp mv rm"
_COMMON += " sed sleep sort tail touch tr wc"
WAITING = "ml-pipeline\tkubeflow\t-\t1\t0\twaiting\n"


def run_bash(*arguments, **options):
    """Runs bash as a stranger does; what is given as `env` is added to this process's."""
    environment = {**os.environ, **options.pop("env", {})}
    return subprocess.run(
        ["bash", *map(str, arguments)], capture_output=True, text=True, env=environment, **options
    )


@pytest.fixture(scope="session")
def stamp():
    """What says that an environment was made from this lock."""
    return run_bash("-c", f". {SCRIPTS}/_env.sh; driftline_checksum").stdout


@pytest.fixture
def installed(tmp_path, stamp):
    """A Python environment whose stamp says that it is complete."""
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    for name in ("driftline", "python"):
        (venv / "bin" / name).write_text('#!/bin/sh\necho "$(basename "$0") $*"\n')
        (venv / "bin" / name).chmod(0o755)
    (venv / ".driftline-lock").write_text(stamp)
    return str(venv)


class Machine:
    """The pretended programs.

    `on` says what a program does when its arguments match a bash pattern; what was said last comes
    first, and a program that nothing was said about succeeds in silence. Each call is a line of
    `calls`, with what came by stdin in `stdin`.
    """

    def __init__(self, folder, venv):
        self.folder = folder
        self._rules = {"minikube": [], "kubectl": [], "docker": [], "git": [], "podman": []}
        self._log = folder / "calls"
        self.home = folder / "home"
        self.home.mkdir()
        self._scripts = self._copy_of_the_tree()
        self._environment = {
            "PATH": f"{folder}/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(folder / "state"),
            "CALLS": str(self._log),
            "DRIFTLINE_VENV": venv,
            "CLUSTER_POLL_SECONDS": "0",
        }
        (folder / "bin").mkdir()
        for tool in ("minikube", "kubectl", "docker", "git"):
            self._write(tool)

    def on(self, tool, pattern, out="", err="", code=0, do=""):
        """`do` is bash, run before the output."""
        said = f"{do}\nprintf %s {shlex.quote(out)}\nprintf %s {shlex.quote(err)} >&2\nexit {code}"
        self._rules[tool].insert(0, f"{pattern})\n{said} ;;")
        self._write(tool)

    def without(self, tool):
        """Take the program away, also the real one that this machine may have."""
        self.on(tool, "*", code=127)
        (self.folder / "bin" / tool).unlink()
        only = self.folder / "only"
        only.mkdir(exist_ok=True)
        for name in _COMMON.split():
            if not (only / name).exists():
                (only / name).symlink_to(shutil.which(name))
        self._environment["PATH"] = f"{self.folder}/bin:{only}"

    def run(self, script, *arguments, **options):
        return run_bash(
            self._scripts / script,
            *arguments,
            env={**self._environment, **options.pop("env", {})},
            stdin=options.pop("stdin", subprocess.DEVNULL),
            **options,
        )

    def _copy_of_the_tree(self):
        """The scripts, but those that build and load images, which have tests of their own."""
        root = self.folder / "root"
        (root / "scripts").mkdir(parents=True)
        for name in ("manifests", "requirements.lock"):
            (root / name).symlink_to(SCRIPTS.parent / name)
        for path in SCRIPTS.iterdir():
            if path.name not in ("build_image.sh", "load_images.sh"):
                (root / "scripts" / path.name).symlink_to(path)
        for name in ("build_image.sh", "load_images.sh"):
            (root / "scripts" / name).write_text(
                f'echo "{name} $*" >>"$CALLS"; printf "building\\ndriftline:v1\\n"\n'
            )
        return root / "scripts"

    @property
    def calls(self):
        return self._log.read_text().splitlines() if self._log.exists() else []

    @property
    def stdin(self):
        return (self.folder / "calls.stdin").read_text()

    def called(self, beginning):
        return [call for call in self.calls if call.startswith(beginning)]

    def _write(self, tool):
        path = self.folder / "bin" / tool
        rules = "\n".join(self._rules[tool])
        path.write_text(
            f'#!/bin/bash\nprintf "%s\\n" "{tool} $*" >>"$CALLS"\n'
            'case " $* " in *" -f - "*) stdin="$(cat)"; echo "$stdin" >>"$CALLS.stdin" ;; esac\n'
            f'case "$*" in\n{rules}\nesac\n'
        )
        path.chmod(0o755)


@pytest.fixture
def machine(tmp_path, installed):
    """Docker with 8 CPUs and 16 GiB, no profile yet, and a healthy cluster once it is up."""
    here = Machine(tmp_path, installed)
    here.on("docker", "info*NCPU*", "8 17179869184")
    here.on("docker", "info*DockerRootDir*", str(tmp_path))
    here.on("minikube", "'version --short'", "v1.38.1\n")
    here.on(
        "minikube",
        "status*",
        do='[ -e "$HOME/profile" ] || exit 85; cat "$HOME/profile"; exit 0',
    )
    here.on("minikube", "start*", do='echo "Running Running" >"$HOME/profile"')
    here.on("minikube", "delete*", do='rm -f "$HOME/profile"')
    here.on("minikube", "stop*", do='echo "Stopped Stopped" >"$HOME/profile"')
    here.on("kubectl", "'version --client'", "Client Version: v1.36.3\nKustomize Version: v5.8.1\n")
    here.on("kubectl", "*'get namespace kube-system'*", "uid-1")
    here.on("kubectl", "*'get nodes -o name'", "node/mlops\n")
    here.on("kubectl", "*'get --raw /version'", '{"gitVersion": "v1.36.1"}')
    here.on("kubectl", "*'get deployments,statefulsets,daemonsets -n kubeflow'*", READY)
    here.on("kubectl", "*'get endpointslices'*", "192.168.49.2")
    here.on("kubectl", "kustomize*", "kind: List\n")
    here.on("kubectl", "*'get configmap driftline-kfp'*", "configmap/driftline-kfp")
    return here
