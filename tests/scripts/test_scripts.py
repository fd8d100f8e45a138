"""The scripts as a stranger calls them; installing itself is tried from a fresh clone."""

import sys

import pytest

from tests.scripts.conftest import SCRIPTS, run_bash


def bash(*arguments, **environment):
    return run_bash(*arguments, env=environment)


@pytest.mark.parametrize(
    "script",
    sorted(path.name for path in SCRIPTS.glob("*.sh") if not path.name.startswith("_")),
)
def test_help_needs_nothing_installed(script, tmp_path):
    done = bash(SCRIPTS / script, "--help", DRIFTLINE_VENV=str(tmp_path / "none"))

    assert done.returncode == 0
    assert f"scripts/{script}" in done.stdout.split("Example")[1]
    assert done.stderr == ""
    assert not (tmp_path / "none").exists()


def test_a_complete_environment_is_used_as_it_is(installed):
    done = bash(SCRIPTS / "demo.sh", "--months", "1", DRIFTLINE_VENV=installed)

    assert done.stdout == "driftline demo --months 1\n"
    assert done.stderr == ""


def test_without_a_fitting_python_the_remedy_is_named(tmp_path):
    only = tmp_path / "bin"
    only.mkdir()
    for tool in ("bash", "cat", "cksum", "dirname"):
        (only / tool).symlink_to(f"/usr/bin/{tool}")
    done = bash(
        SCRIPTS / "demo.sh", PATH=str(only), PYTHON="", DRIFTLINE_VENV=str(tmp_path / "venv")
    )

    assert done.returncode != 0
    assert "set PYTHON to its path" in done.stderr


def test_an_installer_that_fails_leaves_no_stamp_and_says_why(tmp_path):
    broken = tmp_path / "python"
    broken.write_text(
        f'#!/bin/sh\ncase "$*" in *venv*) exit 1;; *) exec {sys.executable} "$@";; esac\n'
    )
    broken.chmod(0o755)
    venv = tmp_path / "new"
    done = bash(SCRIPTS / "demo.sh", PYTHON=str(broken), DRIFTLINE_VENV=str(venv))

    assert done.returncode == 1
    assert "is the venv module installed" in done.stderr
    assert not (venv / ".driftline-lock").exists()
