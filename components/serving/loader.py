"""From a release's folder to something that answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from components.core.errors import ReleaseError, ServingError
from components.data.feature_rows import FeatureRows
from components.model.files import MODEL, SCHEMA
from components.model.recorded import check_recorded
from components.model.records import RecordedRows
from components.model.runtime import open_runtime
from components.release.package import Release, load_release
from components.serving.domain import read_domain
from components.serving.refusal import RequestError
from components.serving.served import ServedModel

CANDIDATE = "candidate-"


def load_model(
    folder: Path,
    *,
    manifest_sha256: str | None = None,
    allow_candidate: bool = False,
    allowed_prefixes: Sequence[str] = ("sklearn.",),
) -> ServedModel:
    """Verify a release's folder, load its model, and let it answer the rows whose answers it knows.

    Args:
        folder: a release, or a candidate from training.
        manifest_sha256: the digest that its manifest must have, where it is known.
        allow_candidate: whether a candidate that passed no gate may be served.
        allowed_prefixes: packages whose classes the model may hold; the user's own spec says.

    Raises:
        ReleaseError: when the folder is no release, was tampered with, or is a candidate.
        ServingError: when the loaded model does not answer, or not as it did in training.
    """
    release = load_release(folder, manifest_sha256)
    if release.version.startswith(CANDIDATE) and not allow_candidate:
        raise ReleaseError(
            f"{folder} holds {release.version}, which has passed no gate; "
            "deploy it first, or allow candidates (--allow-candidate)"
        )
    recorded = release.recorded
    served = _served(release, recorded, allowed_prefixes)
    if recorded is None or not recorded.rows:
        _warm_up(served)
    else:
        _check(served, recorded)
    return served


def _served(
    release: Release, recorded: RecordedRows | None, allowed_prefixes: Sequence[str]
) -> ServedModel:
    spec, files = release.spec, release.manifest.files
    return ServedModel(
        name=release.manifest.model,
        release=release.version,
        model_sha256=files[MODEL],
        spec=spec,
        runtime=open_runtime(release.folder, files, spec.columns, allowed_prefixes),
        domain=read_domain(release.text(SCHEMA), spec, release.version),
        example=recorded.rows[0] if recorded and recorded.rows else None,
    )


def _check(served: ServedModel, recorded: RecordedRows) -> None:
    """Ask for the recorded rows: the model in use here has to be the one that was trained."""
    if found := check_recorded(served.runtime, recorded, served.spec.columns):
        raise ServingError(
            f"release {served.release} does not answer as it did in training: {found[0]}; serve "
            "it with the libraries that it was trained with, or train it again"
        )


def _warm_up(served: ServedModel) -> None:
    """Answer once, for a row of which nothing is known: the first answer is slow, or impossible."""
    columns = served.spec.columns
    nothing = FeatureRows(
        np.full((1, len(columns.numeric)), np.nan), [[None] for _ in columns.categorical]
    )
    try:
        served.answer(nothing)
    except RequestError as error:
        raise ServingError(
            f"release {served.release} does not answer a row of missing values: {error}"
        ) from error
