"""The peers' environments: one each, made on first use from pinned packages.

They cannot live in ours: kserve wants pandas below 3, and each brings its own FastAPI or Starlette.
scikit-learn and joblib are the versions that our model was fitted with, so that the file is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

# What is pinned is all that is compared; `uvloop` and `httptools` are what makes uvicorn quick, and
# not every peer asks for them. MLServer's worker process fails with uvloop 0.22 and newer.
PINS: dict[str, list[str]] = {
    "kserve": ["kserve==0.21.0", "pandas<3", "uvloop==0.22.1", "httptools==0.7.1"],
    "mlserver": [
        "mlserver==1.7.1",
        "mlserver-sklearn==1.7.1",
        "uvloop==0.21.0",
        "httptools==0.7.1",
    ],
    "bentoml": ["bentoml==1.4.40", "uvloop==0.22.1", "httptools==0.7.1"],
}
_SAME_AS_OURS = ("scikit-learn", "joblib", "numpy")
_MADE = "made.json"


def default_cache() -> Path:
    """Where the environments are kept unless told otherwise."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "driftline" / "serving-peers"


def requirements(peer: str) -> list[str]:
    """What a peer's environment is made from.

    >>> any(line.startswith("scikit-learn==") for line in requirements("kserve"))
    True
    """
    return [*PINS[peer], *(f"{name}=={version(name)}" for name in _SAME_AS_OURS)]


def python_of(peer: str, cache: Path) -> Path:
    """The interpreter of a peer's environment, which is made if it is not there.

    Raises:
        SystemExit: when the packages cannot be installed, with what the installer said.
    """
    wanted = requirements(peer)
    key = hashlib.sha256("\n".join(wanted).encode()).hexdigest()[:12]
    folder = cache / f"{peer}-{key}"
    python = folder / "bin" / "python"
    if (folder / _MADE).exists():
        return python
    print(f"making the environment of {peer} in {folder} ...", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    uv = [sys.executable, "-m", "uv"]
    _run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder)], peer)
    _run([*uv, "pip", "install", "--quiet", "--python", str(python), *wanted], peer)
    listed = _run([*uv, "pip", "list", "--python", str(python), "--format", "json"], peer)
    found = {item["name"]: item["version"] for item in json.loads(listed)}
    (folder / _MADE).write_text(json.dumps(found, indent=1), encoding="utf-8")
    return python


def versions(python: Path) -> dict[str, str]:
    """The version of every package in an environment."""
    found: dict[str, str] = json.loads((python.parents[1] / _MADE).read_text(encoding="utf-8"))
    return found


def _run(command: list[str], peer: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(
            f"the environment of {peer} cannot be made, "
            f"'{' '.join(command[:4])} ...' says:\n{done.stderr.strip()[-2000:]}"
        )
    return done.stdout
