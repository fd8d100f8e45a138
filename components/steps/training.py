"""Train a candidate and prove it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from components.core.errors import ServingError
from components.model.files import MODEL, TRAINING
from components.release.package import digest, seal
from components.release.target import Target
from components.release.targets import open_target
from components.spec.context import Context
from components.steps.files import write_output

if TYPE_CHECKING:
    from components.model.records import Evaluation, TrainingRecord
    from components.serving.records import ServingProof


def train_step(context: Context, data: str, candidate: str) -> TrainingRecord:
    """Fit a candidate and seal its folder."""
    from components.model.train import train_candidate

    with context.step("train") as say:
        folder = Path(candidate)
        record = train_candidate(context.spec, Path(data), folder)
        lineage = {
            "run": context.run,
            "window": str(context.window),
            "fingerprint": record.fingerprint,
        }
        version = f"candidate-{digest(folder / MODEL)[:8]}"
        seal(folder, context.spec.model, version, lineage)
        say("ok", f"{record.metric} {record.score:.4f} on {record.holdout_rows:,} held-out rows")
    return record


def evaluate_step(context: Context, data: str, candidate: str, destination: str) -> Evaluation:
    """Compare the candidate with the champion on rows that neither has seen."""
    with context.step("evaluate") as say:
        target = open_target(context.spec, context.store)
        evaluation = compare(context, target, data, Path(candidate))
        write_output(destination, evaluation.model_dump_json(indent=2))
        say(evaluation.verdict, evaluation.reasons[0])
    return evaluation


def compare(context: Context, target: Target, data: str, candidate: Path) -> Evaluation:
    """Hold a candidate against what is deployed at this moment."""
    from components.model.evaluate import evaluate_candidate

    champion = target.champion()
    with tempfile.TemporaryDirectory() as scratch:
        opponent = champion.extract([MODEL, TRAINING], Path(scratch)) if champion else None
        evaluation = evaluate_candidate(context.spec, Path(data), candidate, opponent)
    if champion is None:
        return evaluation
    return evaluation.model_copy(update={"champion_version": champion.version})


def validate_step(context: Context, data: str, candidate: str, destination: str) -> ServingProof:
    """Compare the answers of a real server with the model's own.

    Raises:
        ServingError: when they differ, or the server does not start.
    """
    from components.serving.proof import prove_candidate

    with context.step("validate_serving") as say:
        proof = prove_candidate(context.spec, Path(data), Path(candidate))
        write_output(destination, proof.model_dump_json(indent=2))
        if not proof.passed:
            raise ServingError(
                "the candidate must not be deployed, its server does not answer as the model "
                f"does: {'; '.join(proof.differences[:3])}"
            )
        say("ok", f"{proof.rows:,} rows answered by the server as by the model")
    return proof
