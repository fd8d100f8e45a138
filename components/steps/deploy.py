"""Package a proven candidate and make it the champion, whoever deploys at the same time."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from components.core.build import build_facts
from components.core.errors import ConflictError
from components.core.window import parse_duration
from components.decision.asked import AskedRuns
from components.model.files import CARD, MODEL
from components.model.records import Evaluation
from components.release.package import load_release, read_manifest
from components.release.promote import check_proofs, package_release
from components.release.target import Deployment, Target
from components.release.targets import open_target
from components.serving.records import ServingProof
from components.spec.context import Context
from components.steps.files import write_output
from components.steps.training import compare

_logger = logging.getLogger(__name__)

# Whoever loses so many times in a row meets a store where everybody deploys all the time.
_ATTEMPTS = 3
_POLL_S = 2.0
# So long beyond the guard's period may another rollout take before it is no longer waited for.
_PATIENCE_S = 600.0


def deploy_step(
    context: Context, data: str, candidate: str, evaluation: str, proof: str, card: str
) -> str:
    """Package, publish, and roll out.

    Where another release became the champion since the evaluation, the candidate is compared with
    that one first; it is deployed only if the gate accepts it again.

    Args:
        context: the step's surroundings.
        data: the window's rows, to compare on.
        candidate: the candidate's folder.
        evaluation: the gate's verdict, as a file.
        proof: the serving proof, as a file.
        card: where the model card goes.

    Returns:
        The version that is deployed now; another one where the candidate was rejected after all.

    Raises:
        ReleaseError: when a proof is missing, negative, or speaks of another model.
        ConflictError: when others deployed each time.
        RolloutError: when it could not be served, or did worse; what served before serves again.
    """
    with context.step("deploy") as say, tempfile.TemporaryDirectory() as scratch:

        def tell(sentence: str) -> None:
            _logger.info("%s", sentence)
            say("running", sentence)

        work = _Deploying(
            context=context,
            target=open_target(context.spec, context.store),
            data=data,
            candidate=Path(candidate),
            proof=ServingProof.model_validate_json(Path(proof).read_bytes()),
            reason=_reason(context),
            scratch=Path(scratch),
            tell=tell,
        )
        judged = Evaluation.model_validate_json(Path(evaluation).read_bytes())
        check_proofs(load_release(work.candidate), judged, work.proof)
        done = work.earlier() or work.deploy(judged)
        write_output(card, done.card)
        say(done.status, done.headline)
    return done.version


@dataclass(frozen=True)
class _Done:
    """What came of it; `version` is what is deployed now."""

    version: str
    status: str
    headline: str
    card: str


@dataclass(frozen=True)
class _Deploying:
    """One deployment: what it needs, and what it does."""

    context: Context
    target: Target
    data: str
    candidate: Path
    proof: ServingProof
    reason: str
    scratch: Path
    tell: Callable[[str], None]

    def earlier(self) -> _Done | None:
        """What this run has deployed already, when its step is tried again."""
        model = read_manifest(self.candidate).files.get(MODEL)
        for entry in reversed(self.target.history()):
            if entry.run == self.context.run and entry.action == "deploy":
                release = self.target.releases.open(entry.version, entry.manifest_sha256)
                if release.manifest.files[MODEL] == model:
                    return _Done(entry.version, "ok", entry.version, release.text(CARD))
        return None

    def deploy(self, judged: Evaluation) -> _Done:
        """Roll out; where somebody else was faster, be judged against that first."""
        for attempt in range(1, _ATTEMPTS + 1):
            self.target.repair(self.tell)
            current = self.target.current()
            if self._model_of(current) != judged.champion:
                self.tell(f"the champion is {_named(current)}: it is compared with that")
                judged = compare(self.context, self.target, self.data, self.candidate)
                if judged.verdict == "reject":
                    return self._rejected(judged, current)
            try:
                return self._roll_out(judged, current, self.scratch / f"release-{attempt}")
            except ConflictError as error:
                if attempt == _ATTEMPTS:
                    raise
                self.tell(str(error))
                self._wait()
        raise AssertionError("the last attempt returns or raises")

    def _roll_out(self, judged: Evaluation, current: Deployment | None, folder: Path) -> _Done:
        run, built = self.context.run, build_facts(os.environ)
        manifest = package_release(
            self.candidate, judged, self.proof, folder, run=run, reason=self.reason, built=built
        )
        self.target.releases.publish(folder)
        entry = self.target.deploy(
            manifest.version,
            expected=current.version if current else None,
            run=run,
            reason=self.reason,
            progress=self.tell,
        )
        card = (folder / CARD).read_text(encoding="utf-8")
        return _Done(entry.version, "ok", entry.version, card)

    def _rejected(self, judged: Evaluation, current: Deployment | None) -> _Done:
        """What is said of a candidate that another one overtook, and that is no better."""
        headline = f"{_named(current)} meanwhile, and against that: {judged.reasons[0]}"
        deployed = current.version if current else ""
        return _Done(deployed, "reject", headline, f"# Not deployed\n\n{headline}\n")

    def _model_of(self, current: Deployment | None) -> str | None:
        """The digest of the champion's model."""
        if current is None:
            return None
        return self.target.releases.manifest(current.version).files[MODEL]

    def _wait(self) -> None:
        """Wait until the other rollout has ended: only then is it known who the champion is."""
        period = parse_duration(self.context.spec.serving.guard.period).total_seconds()
        end = time.monotonic() + period + _PATIENCE_S
        while self.target.status().underway and time.monotonic() < end:
            time.sleep(_POLL_S)
            self.target.repair(self.tell)


def _reason(context: Context) -> str:
    """Why there is a candidate: what was decided, or what somebody outside asked for it for."""
    if decided := context.journal.read("decide"):
        return decided.headline
    asked = AskedRuns(context.store, context.spec.model).read(context.run)
    return f"{asked.source}: {asked.reason}" if asked else "asked for by hand"


def _named(current: Deployment | None) -> str:
    if current is None:
        return "nothing is deployed any more"
    return f"{current.version} was deployed by run {current.run}"
