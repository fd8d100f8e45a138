"""What training and evaluation measured, as JSON documents; imports nothing heavy."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.core.verdict import Document

# A target's own value: what the source holds and what the server answers.
Label = bool | int | str
Bounds = tuple[float, float]

MISSING = "(missing)"
"""How a slice of the rows without a value is called."""


class SliceScore(Document):
    """The metric on the rows that share one value of a categorical column.

    `score` is None where there are too few rows, or where the metric is not defined on them.
    """

    column: str
    value: str
    rows: int
    score: float | None = None
    interval: Bounds | None = None


class RocCurve(Document):
    """Points of the ROC curve, from (0, 0) to (1, 1), all finite.

    At `thresholds[i]` and above counts as positive: `fpr[i]` of the negative rows do, and `tpr[i]`
    of the positive ones.
    """

    fpr: list[float]
    tpr: list[float]
    thresholds: list[float]


class ErrorReference(Document):
    """How often the model was wrong on the holdout: what is normal to the detector of drift.

    `wrong` of `labels` answers; wrong is another class than the label's, or for regression an
    absolute error of `bound` or more, which about a tenth of the holdout's rows reach, and all of
    them where they are all alike. `dispersion` is the variance of error counts over stretches of
    time, relative to the binomial one: 1 where errors come independently of one another, more where
    they come together.
    """

    labels: int
    wrong: int
    bound: float | None = None
    dispersion: float = 1.0


class Knots(Document):
    """Of rows given about the probability `scores[i]`, the share `shares[i]` were of the class."""

    scores: list[float]
    shares: list[float]


class Calibration(Document):
    """What the model's answers turned out to mean on the holdout, for estimates without labels.

    `knots` are for each class, for a binary target for the positive one alone. For regression
    `residuals[i]` are label minus answer where the answer lies between `edges[i - 1]` and
    `edges[i]`.
    """

    knots: list[Knots] = Field(default_factory=list)
    edges: list[float] = Field(default_factory=list)
    residuals: list[list[float]] = Field(default_factory=list)


class TrainingRecord(Document):
    """What one training run did and measured; equal inputs give an equal record.

    Windows are text, half-open. `rows` counts the labelled rows: `fit_rows`, `gap_rows` and
    `holdout_rows` together; those of the gap, as long as the label delay, are in neither window,
    because their labels were not known when the holdout began. Everything measured is measured on
    the holdout, the latest rows, which the model never saw. `baseline` is what a constant answer
    would be by the fit rows: the classes' shares in class order, or the target's mean. `blocks` is
    over how many blocks of time the intervals were resampled, 0 in records from before that was
    noted. `confusion` has a row for each true class and a column for each predicted one, called by
    `labels`; it is None for regression and beyond 50 classes. `roc` is None unless the task is
    binary and there are probabilities. `importances` are by permutation, in shares of their sum.
    `remarks` are the estimator's warnings while it was fitted. `errors` is what the detector of
    concept drift starts from, and `calibration` what estimates are made with while labels are
    late; both are None in older records, and the second for models without probabilities.
    """

    estimator: str
    task: Literal["binary", "multiclass", "regression"]
    classes: list[Label] = Field(default_factory=list)
    window: str
    fit_window: str
    holdout_window: str
    rows: int
    fit_rows: int
    gap_rows: int = 0
    holdout_rows: int
    unlabelled_rows: int
    metric: str
    score: float
    interval: Bounds
    confidence: float
    blocks: int = 0
    metrics: dict[str, float]
    slices: list[SliceScore]
    baseline: list[float]
    labels: list[str] = Field(default_factory=list)
    confusion: list[list[int]] | None = None
    roc: RocCurve | None = None
    importances: dict[str, float]
    remarks: list[str] = Field(default_factory=list)
    errors: ErrorReference | None = None
    calibration: Calibration | None = None
    fingerprint: str
    model_sha256: str
    libraries: dict[str, str]
    seed: int


class RuntimeRecord(Document):
    """What a model travels in for serving, and why.

    `rows` answers of ONNX were held against scikit-learn's: the holdout's, and rows made from them
    with values missing, never seen or extreme. `largest_difference` is the largest one found, of a
    probability, or of a regression's value by its share (where that is above 1); None where there
    was nothing to compare. `limit` is what the spec allowed. `reason` is a sentence.
    """

    chosen: Literal["onnx", "skops"]
    rows: int
    largest_difference: float | None = None
    limit: float
    reason: str


class RecordedRows(Document):
    """Rows of the holdout with scikit-learn's answers: a server that is ready answers the same.

    `rows` are as `/predict` takes them: features by name, null where missing. `probability` has a
    list for each row, in class order; None where the model has none. Numbers may differ by
    `tolerance`, a regression's value by that share of it where it is above 1.
    """

    rows: list[dict[str, float | str | None]]
    prediction: list[bool | int | float | str]
    probability: list[list[float]] | None = None
    tolerance: float


class SliceComparison(Document):
    """Champion and challenger on one slice; `difference` above zero: the challenger is better.

    `interval` is so wide that those of all judged slices hold together (Bonferroni). `verdict` is
    `worse` only when the whole of it lies below minus the gate's slice margin; `not judged` comes
    with the reason in `note`.
    """

    column: str
    value: str
    rows: int
    verdict: Literal["fine", "worse", "not judged"]
    champion_score: float | None = None
    challenger_score: float | None = None
    difference: float | None = None
    interval: Bounds | None = None
    note: str = ""


class Evaluation(Document):
    """The gate's verdict on a challenger, with every reason.

    `difference` and `interval` are in the metric's unit and above zero where the challenger is
    better, whatever the metric's direction. `against` says what it was compared with: the
    champion, or the constant answer of the fit rows where there is no champion yet. `champion` and
    `challenger` are the sha256 of the model files; `champion_version` is filled in by who knows
    it. `blocks` is over how many blocks of time the intervals were resampled. The scores are None
    where nothing could be compared; the reasons say why.
    """

    verdict: Literal["accept", "reject"]
    reasons: list[str]
    against: Literal["champion", "baseline"]
    champion: str | None
    champion_version: str = ""
    challenger: str
    window: str
    rows: int
    metric: str
    champion_score: float | None = None
    challenger_score: float | None = None
    difference: float | None = None
    interval: Bounds | None = None
    confidence: float
    blocks: int = 0
    champion_metrics: dict[str, float] = Field(default_factory=dict)
    challenger_metrics: dict[str, float] = Field(default_factory=dict)
    slices: list[SliceComparison] = Field(default_factory=list)

    def scores(self) -> dict[str, float]:
        """The figures of the comparison by name, those that there are."""
        figures = {
            "rows": float(self.rows),
            f"challenger_{self.metric}": self.challenger_score,
            f"{self.against}_{self.metric}": self.champion_score,
            "difference": self.difference,
            "difference_low": self.interval[0] if self.interval else None,
            "difference_high": self.interval[1] if self.interval else None,
        }
        return {name: value for name, value in figures.items() if value is not None}
