"""From the pipelines to IR YAML; no cluster is needed."""

from __future__ import annotations

import importlib
import itertools
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from components.core.errors import UsageError
from components.spec.model import Spec

PIPELINES = ("training", "monitoring", "profiling")
CHOICES = f"{', '.join(PIPELINES[:-1])} or {PIPELINES[-1]}"
# libyaml's, where it is there: these files have thousands of lines.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_IMAGE = re.compile(
    r"([a-z0-9][-a-z0-9._]*(:\d+)?/)?[a-z0-9][-a-z0-9._]*(/[a-z0-9][-a-z0-9._]*)*"
    r"(:(?P<tag>\w[-.\w]{0,127}))?(?P<digest>@sha256:[0-9a-f]{64})?"
)


def load_pipeline(name: str) -> Any:
    """The pipeline of that name, as KFP's own object.

    Raises:
        UsageError: when there is none.
    """
    if name not in PIPELINES:
        raise UsageError(f"there is no pipeline {name!r}; choose {CHOICES}")
    return getattr(importlib.import_module(f"pipelines.{name}"), name)


def compile_pipelines(
    names: Sequence[str], output: Path, image: str = "", spec: Spec | None = None
) -> list[Path]:
    """Write each pipeline's IR YAML.

    Args:
        names: which pipelines.
        output: the folder to write to; made if it is not there.
        image: the image for every step; the project's default where empty.
        spec: whose `cluster` part the steps follow; the defaults where None.

    Returns:
        The files, in the order of the names.

    Raises:
        UsageError: for an unknown pipeline, a folder that cannot be written, or an image without
            a fixed tag.
        SpecError: when the spec's `cluster` part contradicts itself.
    """
    texts = {name: compiled(name, image, spec) for name in names}
    try:
        output.mkdir(parents=True, exist_ok=True)
        return [_write(text, output / f"{name}.yaml") for name, text in texts.items()]
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error}; choose another --output") from None


def compiled(name: str, image: str = "", spec: Spec | None = None) -> str:
    """A pipeline's IR YAML for a cluster; equal inputs give equal text.

    Raises:
        UsageError: for an unknown pipeline, or an image without a fixed tag.
        SpecError: when the spec's `cluster` part contradicts itself.
    """
    from kfp import compiler

    from components.image import IMAGE
    from pipelines.cluster.dress import dress

    pipeline = load_pipeline(name)
    if image:
        check_image(image)
    with tempfile.TemporaryDirectory(prefix="driftline-") as scratch:
        draft = Path(scratch) / f"{name}.yaml"
        compiler.Compiler().compile(pipeline, str(draft))
        text = draft.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    heading = "".join(itertools.takewhile(lambda line: line.startswith("#"), lines))
    ir, platform = dress(documents(text)[0], image or IMAGE, spec)
    return f"{heading}{_dump(ir)}---\n{_dump(platform)}"


def documents(text: str) -> list[Any]:
    """The documents of an IR YAML: the pipeline's, and its platform's where there is one."""
    return list(yaml.load_all(text, Loader=_LOADER))


def check_image(image: str) -> None:
    """Refuse an image that is not the same every time it is pulled.

    Raises:
        UsageError: with what to write instead.

    >>> check_image("ghcr.io/dora/driftline:0.1.0"), check_image("driftline:1")
    (None, None)
    """
    match = _IMAGE.fullmatch(image)
    if not match:
        raise UsageError(f"{image!r} is no image; write one as registry/name:tag")
    if not match["digest"] and match["tag"] in (None, "latest"):
        raise UsageError(
            f"the image {image!r} has no fixed tag, so a step may not run what was tested; give "
            "it one, as scripts/build_image.sh does"
        )


def _dump(document: Any) -> str:
    return str(yaml.dump(document, sort_keys=True))


def _write(text: str, target: Path) -> Path:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".compiling-") as scratch:
        draft = Path(scratch) / target.name
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, target)
    return target
