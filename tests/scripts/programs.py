"""Stand-ins for the programs that the image's scripts call: they record, remember and fail."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]

# As read in minikube's source: build and load end with 0 also when they failed.
MINIKUBE = r"""
world="$WORLD"
[ "$1" = -p ] && profile="$2" && shift 2
place() { mkdir -p "$world/$1" && touch "$world/$1/$(echo "$2" | tr '/:' '__')"; }
case "$1 $2" in
    "version --short") echo "${MINIKUBE_VERSION:-v1.38.1}" ;;
    "status --format")
        tr -d '\n' <"$world/status"
        tail -n +2 "$world/nodes" | while read -r _; do printf Irrelevant; done ;;
    "node list") awk '{ print $0 "\t192.168.49.2" }' "$world/nodes" ;;
    "ssh --") printf 'Version:  0.1.0\r\nRuntimeName:  %s\r\n' "$(cat "$world/runtime")" ;;
    "ssh -n")
        for image; do :; done; image="${image#docker.io/library/}"
        [ -e "$world/$3/$(echo "$image" | tr '/:' '__')" ] || exit 1
        echo '{"status": {"id": "sha256:1"}}' ;;
    "image build") [ -e "$world/no-build" ] || place "$(head -n 1 "$world/nodes")" "$4" ;;
    "image save")
        dir="$(mktemp -d)"
        echo "[{\"RepoTags\":[\"docker.io/library/$3\"]}]" >"$dir/manifest.json"
        tar -C "$dir" -cf "$4" manifest.json ;;
    "image load")
        tag="$(tar -xOf "$3" manifest.json | sed 's/.*\["//; s/"\].*//')"
        for node in $(cat "$world/nodes"); do
            [ "$node" = "$(cat "$world/no-load" 2>/dev/null)" ] ||
                place "$node" "${tag#docker.io/library/}"
        done ;;
esac
"""

DOCKER = r"""
world="$WORLD"
case "$1" in
    info) echo 28.2.2 ;;
    build | pull | push | load)
        if [ -e "$world/no-$1" ]; then echo "denied: $1" >&2; exit 1; fi ;;
    save)
        dir="$(mktemp -d)"
        echo "[{\"RepoTags\":[\"$4\"]}]" >"$dir/manifest.json"
        tar -C "$dir" -cf "$3" manifest.json
        [ ! -e "$world/no-save" ] ;;
esac
"""

KUBECTL = r"""
world="$WORLD"
case "$1" in
    version) echo "Client Version: v1.36.1" ;;
    kustomize)
        case "$2" in
            *cluster-scoped*) echo "kind: Namespace" ;;
            *) cat "$world/kfp.yaml" ;;
        esac ;;
esac
"""


class World:
    """A folder of stand-ins, what they remember, and what was asked of them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.programs = folder / "programs"
        self.programs.mkdir(parents=True)
        self.write("nodes", "mlops\n")
        self.write("status", "Running\n")
        self.write("runtime", "docker\n")
        self.write("calls", "")

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def add(self, name, body):
        record = f'#!/bin/bash\necho "{name} $*" >>"$WORLD/calls"\n'
        (self.programs / name).write_text(record + body)
        (self.programs / name).chmod(0o755)

    @property
    def calls(self):
        return (self.folder / "calls").read_text().splitlines()

    def called(self, start):
        return [call for call in self.calls if call.startswith(start)]

    def run(self, script, *arguments, **environment):
        """The script, with its stand-ins before the real programs."""
        return subprocess.run(
            ["bash", str(script), *map(str, arguments)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env={
                **os.environ,
                "PATH": f"{self.programs}:{os.environ['PATH']}",
                "WORLD": str(self.folder),
                "GIT_CONFIG_GLOBAL": "/dev/null",
                **environment,
            },
        )
