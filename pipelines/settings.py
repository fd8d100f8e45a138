"""The settings of a workplace; the environment is read when asked, never at import."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from components.core import build
from components.core.errors import UsageError

TARGETS = ("local", "cluster")
"""Where a command's work is done: on this machine, or on Kubeflow Pipelines."""

_PREFIX = "DRIFTLINE_"
# Read by the scripts before Python runs, and facts about the image, which no user sets.
_NO_SETTINGS = {"DRIFTLINE_VENV", build.IMAGE, build.COMMIT}
# Kubernetes tells every pod of its namespace's Services so; one may be called driftline-something.
_OF_A_SERVICE = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT(_\d+_(TCP|UDP|SCTP)\w*)?$")


@dataclass(frozen=True)
class Settings:
    """What a command falls back to where a flag does not say otherwise.

    Each is set by `DRIFTLINE_` and its name: `DRIFTLINE_STORE=s3://bucket/driftline`.
    """

    store: str = ".driftline"
    spec: str = str(Path(__file__).parent / "specs" / "flights.yaml")
    image: str = ""
    kfp_host: str = ""
    kfp_token: str = field(default="", repr=False)
    kfp_token_file: str = ""
    kfp_namespace: str = ""
    kfp_service_account: str = ""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Take the settings from an environment.

        Raises:
            UsageError: for a `DRIFTLINE_` variable that does not exist.

        >>> Settings.read({"DRIFTLINE_STORE": "s3://bucket/x"}).store
        's3://bucket/x'
        """
        names = {f"{_PREFIX}{each.name.upper()}": each.name for each in fields(cls)}
        ours = (key for key in environment if key.startswith(_PREFIX))
        given = {key for key in ours if not _OF_A_SERVICE.search(key)} - _NO_SETTINGS
        if unknown := sorted(given - names.keys()):
            word = unknown[0].removeprefix(_PREFIX).lower()
            close = difflib.get_close_matches(word, names.values(), n=1)
            hint = (
                f"did you mean {_PREFIX}{close[0].upper()}?"
                if close
                else f"there are {', '.join(names)}"
            )
            raise UsageError(f"the variable {unknown[0]} is not a setting; {hint}")
        return cls(**{names[key]: environment[key] for key in given})


def check_target(target: str) -> None:
    """Refuse a target that there is not.

    Raises:
        UsageError: with those that there are.
    """
    if target not in TARGETS:
        raise UsageError(f"--target {target!r} is not known; choose {' or '.join(TARGETS)}")
