"""Model files: skops, one form only, digest before content, a fixed allowlist.

A model file is a skops archive with one further member, `driftline.json`: the model's task,
classes and columns.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import skops.io
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.pipeline import Pipeline

from components.core.errors import ModelError, ReleaseError
from components.core.verdict import Document
from components.model.allowlist import Foreign, Untrusted, trusted_types
from components.model.archive import canonical, pack, unpack
from components.model.intact import REMEDY, read_verified
from components.model.records import Label
from components.model.score import FittedModel
from components.model.soundness import Unsound, check_soundness
from components.spec.model import Columns, Task

FACTS = "driftline.json"
DEFAULT_PREFIXES = ("sklearn.",)


class _Facts(Document):
    """What a fitted pipeline does not know about itself."""

    format: int
    task: Task
    classes: list[Label]
    columns: Columns


_FORMAT = 1


def save_model(
    model: FittedModel, path: Path, allowed_prefixes: Sequence[str] = DEFAULT_PREFIXES
) -> str:
    """Write a model file atomically; a model fitted the same way gives the same bytes.

    Args:
        model: the fitted model.
        path: where to write.
        allowed_prefixes: as for `load_model`: what could not be loaded again is not saved.

    Returns:
        The file's sha256, in hexadecimal.

    Raises:
        ModelError: when the model holds something that a model file cannot or may not hold.
    """
    facts = _Facts(
        format=_FORMAT, task=model.task, classes=model.classes, columns=model.columns
    ).model_dump_json()
    name = _estimator_name(model.pipeline)
    try:
        data = canonical(skops.io.dumps(model.pipeline), {FACTS: facts.encode()})
        trusted_types(_without_facts(unpack(data)), allowed_prefixes)
    except Foreign as error:
        raise ModelError(
            f"estimator.class: {name} cannot be saved safely: {error}, which is not on the list of "
            "allowed types; choose another estimator or other parameters"
        ) from error
    except Exception as error:  # skops names no common error
        raise ModelError(
            f"estimator.class: {name} cannot be saved: {_line(error)}; "
            "choose another estimator or other parameters"
        ) from error
    _write(path, data)
    return hashlib.sha256(data).hexdigest()


def load_model(
    path: Path, sha256: str, allowed_prefixes: Sequence[str] = DEFAULT_PREFIXES
) -> FittedModel:
    """Read a model file: first its digest, then its types, and only then its content.

    Args:
        path: the file.
        sha256: the digest that it must have.
        allowed_prefixes: packages whose classes may occur besides the fixed list; pass what the
            user trusts, never what the file or its release says.

    Raises:
        ReleaseError: when the file is missing, changed, truncated or foreign, holds a type that is
            not allowed, or was written by another scikit-learn.
    """
    data = read_verified(path, sha256)
    try:
        facts, pipeline = _read(data, allowed_prefixes)
    except Untrusted as error:
        raise ReleaseError(
            f"{path} is refused: {error}, not on the list of allowed types; {REMEDY}; only if you "
            "trust that package, add it to the spec's estimator.allowed_prefixes"
        ) from error
    except (Foreign, Unsound) as error:
        raise ReleaseError(
            f"{path} is refused: {error}, which no model of driftline does; {REMEDY}"
        ) from error
    except InconsistentVersionWarning as error:
        raise ReleaseError(
            f"{path} is refused: it was written by scikit-learn {error.original_sklearn_version}, "
            f"this is {error.current_sklearn_version}; train the model again"
        ) from error
    except Exception as error:  # a foreign file may fail anywhere; all of it is a refusal
        raise ReleaseError(
            f"{path} is refused: it is no model file of driftline ({_line(error)}); {REMEDY}"
        ) from error
    return FittedModel(pipeline, facts.task, facts.classes, facts.columns, digest=sha256)


def _read(data: bytes, allowed_prefixes: Sequence[str]) -> tuple[_Facts, Any]:
    members = unpack(data)
    facts = _Facts.model_validate_json(members[FACTS])
    if facts.format != _FORMAT:
        raise ValueError(f"its format is {facts.format}, and this version reads {_FORMAT}")
    bare = _without_facts(members)
    trusted = trusted_types(bare, allowed_prefixes)
    with warnings.catch_warnings():
        warnings.simplefilter("error", InconsistentVersionWarning)
        pipeline = skops.io.loads(pack(bare), trusted=trusted)
    if not isinstance(pipeline, Pipeline):
        raise ValueError(f"it holds a {type(pipeline).__name__} and no pipeline")
    check_soundness(pipeline)
    return facts, pipeline


def _without_facts(members: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in members.items() if name != FACTS}


def _write(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _estimator_name(pipeline: Any) -> str:
    last = pipeline.steps[-1][1] if isinstance(pipeline, Pipeline) else pipeline
    return f"{type(last).__module__}.{type(last).__name__}"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
