"""What this code was built from, where that is known; it is never guessed."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Set in the image where it is built, and by whoever compiles a pipeline with that image.
IMAGE = "DRIFTLINE_BUILD_IMAGE"
COMMIT = "DRIFTLINE_BUILD_COMMIT"


def build_facts(environment: Mapping[str, str], source: Path = ROOT) -> dict[str, str]:
    """The image that this process runs in, and the commit of its code.

    Args:
        environment: the process's; its variables come from the image.
        source: where the code lies; asked for its commit where the environment does not tell.

    Returns:
        `image` and `commit`, those that are known.

    >>> build_facts({"DRIFTLINE_BUILD_COMMIT": "4d2cf0f"}, Path("/nowhere"))
    {'commit': '4d2cf0f'}
    """
    facts = {"image": environment.get(IMAGE, ""), "commit": environment.get(COMMIT, "")}
    if not facts["commit"]:
        facts["commit"] = _checked_out(source)
    return {name: fact for name, fact in facts.items() if fact}


def _checked_out(source: Path) -> str:
    """The commit of a working copy, and whether it was changed since; empty where it is none."""
    if not (source / ".git").exists():  # not of a repository that merely holds this folder
        return ""
    commit = _git(source, "rev-parse", "HEAD")
    changed = _git(source, "status", "--porcelain", "--untracked-files=no") if commit else ""
    return f"{commit}, with changes that are not committed" if changed else commit


def _git(source: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 # a fixed program, asked about our own folder
            ["git", "-C", str(source), *arguments],  # noqa: S607 # wherever the user has it
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
