"""The arrows of the design point one way, and light things stay light."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def python(code):
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()


def test_the_import_contracts_hold():
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout


def test_package_inits_hold_a_docstring_only():
    for package in ("components", "pipelines"):
        for path in (ROOT / package).rglob("__init__.py"):
            text = path.read_text().strip()
            assert text.startswith('"""'), path
            assert text.endswith('"""'), path
            assert "import" not in text, path


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("pipelines.cli", ["kfp", "pandas", "sklearn", "pyarrow", "scipy", "yaml", "fsspec"]),
        ("components.steps.checks", ["pandas", "sklearn", "scipy", "evidently"]),
        ("components.steps.decide", ["pandas", "sklearn", "pyarrow"]),
        ("components.steps.notify", ["pandas", "sklearn", "pyarrow", "apprise"]),
        ("components.drift.check", ["sklearn", "evidently", "scipy.stats"]),
        ("components.drift.skew", ["sklearn", "evidently", "scipy.stats"]),
        ("components.data.ingest", ["pandas", "sklearn", "scipy"]),
        (
            "components.model.portable.session, components.model.recorded",
            ["pandas", "sklearn", "scipy", "pyarrow", "skops", "onnx", "skl2onnx", "google"],
        ),
        ("components.model.runtime", ["pandas", "sklearn", "scipy", "pyarrow", "skops", "onnx"]),
    ],
)
def test_a_light_module_does_not_drag_in_a_heavy_one(module, heavy):
    loaded = python(f"import sys, {module}; print(*sys.modules)")

    assert not set(heavy) & set(loaded)


def test_importing_reads_no_environment():
    code = (
        "import os, pkgutil, importlib, sys, components, pipelines\n"
        "class Watched(type(os.environ)):\n"
        "    def __getitem__(self, key):\n"
        "        if key.startswith('DRIFTLINE'): print(key)\n"
        "        return super().__getitem__(key)\n"
        "os.environ.__class__ = Watched\n"
        "for package in (components, pipelines):\n"
        "    for found in pkgutil.walk_packages(package.__path__, f'{package.__name__}.'):\n"
        "        if not found.name.endswith('__main__'): importlib.import_module(found.name)\n"
    )
    assert python(code) == []
