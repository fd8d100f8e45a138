"""Package a proven candidate and make it the champion."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from components.core.errors import ConflictError
from components.model.records import Evaluation
from components.release.promote import package_release
from components.release.target import Target
from components.release.targets import open_target
from components.serving.records import ServingProof
from components.spec.context import Context
from components.steps.files import write_output


def deploy_step(context: Context, candidate: str, evaluation: str, proof: str, card: str) -> str:
    """Package, publish, and switch the pointer.

    Args:
        context: the step's surroundings.
        candidate: the candidate's folder.
        evaluation: the gate's verdict, as a file.
        proof: the serving proof, as a file.
        card: where the model card goes.

    Returns:
        The version that is deployed now.

    Raises:
        ReleaseError: when a proof is missing, negative, or speaks of another model.
        ConflictError: when the champion changed since the evaluation.
    """
    with context.step("deploy") as say, tempfile.TemporaryDirectory() as scratch:
        judged = Evaluation.model_validate_json(Path(evaluation).read_bytes())
        served = ServingProof.model_validate_json(Path(proof).read_bytes())
        decided = context.journal.read("decide")
        reason = decided.headline if decided else "asked for by hand"
        folder = Path(scratch) / "release"
        manifest = package_release(
            Path(candidate), judged, served, folder, run=context.run, reason=reason
        )
        target = open_target(context.spec, context.store)
        target.releases.publish(folder)
        target.deploy(
            manifest.version,
            expected=_judged_champion(target, judged, manifest.version),
            run=context.run,
            reason=reason,
            progress=_tell,
        )
        write_output(card, (folder / "card.md").read_text(encoding="utf-8"))
        say("ok", manifest.version)
    return manifest.version


def _tell(sentence: str) -> None:
    """Progress, for the log of the step, which may run for minutes."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def _judged_champion(target: Target, judged: Evaluation, version: str) -> str | None:
    """The champion's version, if it still is the model that the challenger was compared with."""
    current = target.current()
    if current is None:
        serving = None
    elif current.version == version:
        return version  # a step that is tried again finds its own deployment
    else:
        serving = target.releases.manifest(current.version).files["model.skops"]
    if serving != judged.champion:
        raise ConflictError(
            f"the challenger was compared with model {(judged.champion or 'none')[:8]}, but "
            f"{current.version if current else 'nothing'} is deployed now; run the training "
            "again to compare with that"
        )
    return current.version if current else None
