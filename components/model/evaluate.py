"""Champion and challenger on the same fresh rows, and the gate's verdict."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from components.core.errors import ReleaseError
from components.core.window import Window
from components.data.report import read_report
from components.model.compare import Comparison, Outcome, constant_model
from components.model.files import MODEL, TRAINING
from components.model.gate import judge, not_judged
from components.model.persist import load_model
from components.model.records import Evaluation, TrainingRecord
from components.model.rows import Rows, after, read_labelled
from components.model.score import FittedModel
from components.model.threads import one_thread
from components.spec.model import Spec


def evaluate_candidate(
    spec: Spec, data_path: Path, candidate: Path, champion: Path | None
) -> Evaluation:
    """Compare a candidate with the champion on rows that neither was fitted on.

    Args:
        spec: the model's spec: metric, slices and gate.
        data_path: a window, as ingest wrote it.
        candidate: the candidate's folder.
        champion: the champion's release folder; None compares with the constant answer of the
            candidate's fit rows alone, as scikit-learn's Dummy estimators give it. A challenger of
            a champion has to beat both.

    Returns:
        The gate's verdict. It is `reject`, and nothing is compared, when both are the same model,
        when there are too few fresh rows, or when the metric is not defined on them.

    Raises:
        ReleaseError: when a folder is no candidate or release, or its model file is refused.
        DataError: when the window cannot be read or does not fit the task.
        ModelError: when a model cannot be judged by the metric.
    """
    challenger = _Entrant(candidate, spec)
    opponent = _Entrant(champion, spec) if champion else None
    start = max(one.fresh_from for one in (challenger, opponent) if one)
    rows = read_labelled(data_path, spec)
    rows = rows.where(after(rows.times, start))
    facts: dict[str, Any] = {
        "against": "champion" if opponent else "baseline",
        "champion": opponent.digest if opponent else None,
        "challenger": challenger.digest,
        "window": _fresh(data_path, start),
        "rows": len(rows),
        "metric": spec.metric,
        "confidence": spec.gate.confidence,
    }
    if opponent and opponent.digest == challenger.digest:
        reason = f"identical: the challenger is the champion itself ({challenger.digest[:12]})"
        return Evaluation(verdict="reject", reasons=[reason], **facts)
    if len(rows) < spec.gate.min_rows:
        reason = (
            f"only {len(rows):,} labelled rows that were not fitted on, and gate.min_rows asks for "
            f"{spec.gate.min_rows:,}; take a longer window, or wait for the labels"
        )
        return Evaluation(verdict="reject", reasons=[reason], **facts)
    model = challenger.model()
    constant = constant_model(challenger.record, model)
    other = opponent.model() if opponent else constant
    with one_thread():
        pair = Comparison(rows, other, model)
        least = Comparison(rows, constant, model).outcome() if opponent else None
    return _decide(rows, pair, least, facts | {"blocks": pair.blocks})


def _fresh(data_path: Path, start: datetime) -> str:
    """The part of the window that begins at a time, as text; empty where there is none."""
    window = Window.parse(read_report(data_path).window)
    begin = max(start, window.start)
    return str(Window(begin, window.end)) if begin < window.end else ""


def _decide(
    rows: Rows, pair: Comparison, least: Outcome | None, facts: dict[str, Any]
) -> Evaluation:
    outcome = pair.outcome()
    slices = pair.slices(rows.slices())
    if outcome is None:
        reason = (
            f"{pair.metric.name} is not defined on the {len(rows):,} fresh rows, because "
            f"{pair.why_none()}; take a longer window"
        )
        reasons = [reason, *not_judged(slices)]
        return Evaluation(verdict="reject", reasons=reasons, slices=slices, **facts)
    accepted, reasons = judge(
        pair.spec.gate, pair.metric, facts["against"], len(rows), outcome, slices, least
    )
    champion_metrics, challenger_metrics = pair.metrics()
    return Evaluation(
        verdict="accept" if accepted else "reject",
        reasons=reasons,
        champion_score=outcome.champion,
        challenger_score=outcome.challenger,
        difference=outcome.difference,
        interval=outcome.interval,
        champion_metrics=champion_metrics,
        challenger_metrics=challenger_metrics,
        slices=slices,
        **facts,
    )


class _Entrant:
    """A folder with a model and the record of its training."""

    def __init__(self, folder: Path, spec: Spec) -> None:
        self._folder, self._prefixes = folder, spec.estimator.allowed_prefixes
        try:
            self.record = TrainingRecord.model_validate_json((folder / TRAINING).read_bytes())
        except (OSError, ValidationError) as error:
            raise ReleaseError(
                f"{folder / TRAINING} cannot be read as a training record; "
                "train the candidate again, or roll back"
            ) from error
        self.digest = self.record.model_sha256
        # Not the fit window's end: the labels of its last rows were only known from here on.
        self.fresh_from = Window.parse(self.record.holdout_window).start

    def model(self) -> FittedModel:
        """The model, if its file is the one that the record speaks of."""
        return load_model(self._folder / MODEL, self.digest, self._prefixes)
