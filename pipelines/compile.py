"""From the pipelines to IR YAML; no cluster is needed."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.core.errors import UsageError

PIPELINES = ("training", "monitoring")


def load_pipeline(name: str) -> Any:
    """The pipeline of that name, as KFP's own object.

    Raises:
        UsageError: when there is none.
    """
    if name not in PIPELINES:
        raise UsageError(f"there is no pipeline {name!r}; choose {' or '.join(PIPELINES)}")
    return getattr(importlib.import_module(f"pipelines.{name}"), name)


def compile_pipelines(names: Sequence[str], output: Path, image: str = "") -> list[Path]:
    """Write each pipeline's IR YAML.

    Args:
        names: which pipelines.
        output: the folder to write to; made if it is not there.
        image: the image for every step; the project's default where empty.

    Returns:
        The files, in the order of the names.

    Raises:
        UsageError: for an unknown pipeline or a folder that cannot be written.
    """
    pipelines = {name: load_pipeline(name) for name in names}
    try:
        output.mkdir(parents=True, exist_ok=True)
        return [_compile(each, output / f"{name}.yaml", image) for name, each in pipelines.items()]
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error}; choose another --output") from None


def _compile(pipeline: Any, target: Path, image: str) -> Path:
    from kfp import compiler

    from components.image import IMAGE

    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".compiling-") as scratch:
        draft = Path(scratch) / target.name
        compiler.Compiler().compile(pipeline, str(draft))
        if image:
            text = draft.read_text(encoding="utf-8")
            draft.write_text(text.replace(f"image: {IMAGE}\n", f"image: {image}\n"), "utf-8")
        os.replace(draft, target)
    return target
