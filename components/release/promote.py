"""From a candidate and its proofs to a release."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from components.core.errors import ReleaseError
from components.core.window import Window, format_time
from components.model.card import model_card
from components.model.card_page import card_page
from components.model.files import CARD, CARD_PAGE, MODEL, SPEC
from components.model.records import Evaluation
from components.release.package import Manifest, Release, content_version, load_release, seal


class Proof(Protocol):
    """What a serving proof tells; the proof itself belongs to the serving package."""

    @property
    def passed(self) -> bool:
        """Whether every answer was the model's own."""

    @property
    def model_sha256(self) -> str:
        """The model that answered."""

    @property
    def runtime_sha256(self) -> str:
        """The file that answered; empty in older proofs."""

    def model_dump_json(self, *, indent: int | None = None) -> str:
        """The proof as it is kept."""


def check_proofs(trained: Release, evaluation: Evaluation, proof: Proof) -> None:
    """Refuse a candidate that was not proven, or whose proofs speak of another model.

    Args:
        trained: the sealed candidate.
        evaluation: the gate's verdict.
        proof: the serving proof.

    Raises:
        ReleaseError: naming what stands against it.
    """
    sha256 = trained.manifest.files[MODEL]
    if evaluation.verdict != "accept":
        raise ReleaseError(
            f"the gate rejected this candidate: {evaluation.reasons[0]}; it is not deployed"
        )
    if not proof.passed:
        raise ReleaseError("the serving proof of this candidate failed; it is not deployed")
    answering = trained.runtime_sha256
    # A proof from before models travelled in two forms is one of scikit-learn's file.
    answered = proof.runtime_sha256 or proof.model_sha256
    for name, judged, own in (
        ("gate", evaluation.challenger, sha256),
        ("serving proof", proof.model_sha256, sha256),
        ("serving proof", answered, answering),
    ):
        if judged != own:
            raise ReleaseError(
                f"the {name} judged model {judged[:8]}, not this candidate's {own[:8]}; "
                "run the training pipeline again"
            )


def package_release(
    candidate: Path,
    evaluation: Evaluation,
    proof: Proof,
    folder: Path,
    *,
    run: str,
    reason: str,
    built: Mapping[str, str] | None = None,
) -> Manifest:
    """Make a release's folder from a candidate, if both proofs speak for this very model.

    Args:
        candidate: the sealed folder from training.
        evaluation: the gate's verdict.
        proof: the serving proof.
        folder: where the release goes; must not exist.
        run: the run that deploys.
        reason: why the candidate was trained.
        built: what the code was built from, by name: image and commit, where they are known.

    Raises:
        ReleaseError: when a proof is negative, or speaks of another model.
    """
    trained = load_release(candidate)
    check_proofs(trained, evaluation, proof)
    trained.extract(trained.manifest.files, folder)
    (folder / "evaluation.json").write_text(evaluation.model_dump_json(indent=2), encoding="utf-8")
    (folder / "serving.json").write_text(proof.model_dump_json(indent=2), encoding="utf-8")
    spec_sha256 = trained.manifest.files[SPEC]
    known = {"run": run, "reason": reason, "spec sha256": spec_sha256, **(built or {})}
    lineage = {**trained.manifest.lineage, **known}
    runtime = trained.runtime_record
    card = model_card(
        trained.spec,
        trained.training,
        evaluation,
        lineage,
        runtime,
        schema=trained.schema,
        variation=trained.variation,
    )
    (folder / CARD).write_text(card, encoding="utf-8")
    (folder / CARD_PAGE).write_text(card_page(card, trained.manifest.model), encoding="utf-8")
    end = format_time(Window.parse(trained.training.window).end)
    return seal(folder, trained.manifest.model, content_version(folder, end), lineage)
