"""The model card: what a release is and what it has proven, in Markdown.

Sections after Mitchell et al. (2019), Model Cards for Model Reporting; every figure in it was
measured, and what was not measured is not in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from components.model.card_context import data_section, monitoring_section
from components.model.markdown import cell, table
from components.model.records import Bounds, Evaluation, RuntimeRecord, TrainingRecord
from components.model.words import number, signed, span
from components.spec.model import Spec

if TYPE_CHECKING:
    from components.drift.variation import Variation
    from components.schema.schema import Schema

# So many of the most important features are listed.
_TOP = 10


def model_card(
    spec: Spec,
    record: TrainingRecord,
    evaluation: Evaluation | None = None,
    lineage: Mapping[str, str] | None = None,
    runtime: RuntimeRecord | None = None,
    *,
    schema: Schema | None = None,
    variation: Variation | None = None,
) -> str:
    """Write the card of a release.

    Args:
        spec: the model's spec.
        record: what was measured at training.
        evaluation: the gate's verdict, where it was asked.
        lineage: where the release comes from, by name.
        runtime: what it travels in for serving; older releases do not know.
        schema: what the columns looked like in the training window.
        variation: how much the training window varied by itself.
    """
    parts = [
        f"# {spec.model}",
        _purpose(spec, record),
        "## Quality",
        _quality(record),
        *_slices(record),
        *_gate(evaluation),
        "## What it looks at",
        _importances(record),
        "## Training",
        _training(spec, record),
        *data_section(schema),
        *_serving(runtime),
        "## What monitoring holds it to",
        monitoring_section(spec, variation),
        "## Limits",
        _limits(spec, record),
        *_lineage(lineage or {}),
    ]
    return "\n\n".join(parts) + "\n"


def _purpose(spec: Spec, record: TrainingRecord) -> str:
    columns = spec.columns
    shown = ", ".join(f"`{cell(value)}`" for value in record.classes[:20])
    classes = f" ({len(record.classes)} classes: {shown})" if record.classes else ""
    return (
        f"Predicts `{columns.target}`{classes} from {len(columns.numeric)} numeric and "
        f"{len(columns.categorical)} categorical columns; task {spec.task}, `{record.estimator}`."
    )


def _quality(record: TrainingRecord) -> str:
    percent = f"{100 * record.confidence:g} %"
    over_blocks = f" over {record.blocks} blocks of time" if record.blocks else ""
    headline = (
        f"{record.metric} {number(record.score)}, {percent} interval {span(record.interval)}"
        f"{over_blocks}, on the {record.holdout_rows:,} latest labelled rows, which it was not "
        "fitted on."
    )
    rows = [(name, number(value)) for name, value in record.metrics.items()]
    return f"{headline}\n\n{table(('metric', 'value'), rows)}"


def _slices(record: TrainingRecord) -> Iterable[str]:
    if record.slices:
        head = ("column", "value", "rows", record.metric, "interval")
        rows = [
            (s.column, s.value, f"{s.rows:,}", _value(s.score), _span(s.interval))
            for s in record.slices
        ]
        yield "### By slice"
        yield table(head, rows)


def _gate(evaluation: Evaluation | None) -> Iterable[str]:
    if evaluation is None:
        return
    yield f"## Against the {evaluation.against}"
    outcome = "accepted" if evaluation.verdict == "accept" else "rejected"
    reasons = "\n".join(f"- {cell(reason)}" for reason in evaluation.reasons)
    yield f"The gate {outcome} it:\n\n{reasons}"
    judged = [part for part in evaluation.slices if part.difference is not None]
    if judged:
        head = ("column", "value", "rows", evaluation.against, "this model", "difference")
        rows = [
            (
                s.column,
                s.value,
                f"{s.rows:,}",
                _value(s.champion_score),
                _value(s.challenger_score),
                f"{signed(s.difference or 0)} {_span(s.interval)}",
            )
            for s in judged
        ]
        yield table(head, rows)


def _importances(record: TrainingRecord) -> str:
    ranked = sorted(record.importances.items(), key=lambda item: -item[1])[:_TOP]
    rows = [(name, f"{100 * share:.0f} %") for name, share in ranked]
    note = (
        f"How much {record.metric} loses when a column is shuffled, in shares of the sum of all "
        "losses; it says what the model uses, not what causes the target."
    )
    return f"{note}\n\n{table(('column', 'share'), rows)}"


def _training(spec: Spec, record: TrainingRecord) -> str:
    parameters = ", ".join(f"{k}={v!r}" for k, v in spec.estimator.parameters.items()) or "defaults"
    rows = [
        ("window", record.window),
        ("fitted on", f"{record.fit_window}, {record.fit_rows:,} rows"),
        *([("left out between", f"{record.gap_rows:,} rows")] if record.gap_rows else []),
        ("measured on", f"{record.holdout_window}, {record.holdout_rows:,} rows"),
        ("rows without a label", f"{record.unlabelled_rows:,}"),
        ("parameters", parameters),
        ("seed", str(record.seed)),
        ("data fingerprint", record.fingerprint),
        ("model sha256", record.model_sha256),
        ("libraries", ", ".join(f"{name} {v}" for name, v in record.libraries.items())),
        *(("remark of the estimator", remark) for remark in record.remarks),
    ]
    return table(("", ""), rows)


def _serving(runtime: RuntimeRecord | None) -> Iterable[str]:
    if runtime is None:
        return
    yield "## Serving"
    if runtime.chosen == "skops":
        yield f"Served by scikit-learn itself, from skops: {cell(runtime.reason)}."
        return
    yield (
        f"Served from ONNX: of {runtime.rows:,} answers, to the holdout and to rows with values "
        "missing, never seen and extreme, the one furthest from scikit-learn's is off by "
        f"{runtime.largest_difference:.2g}, and {runtime.limit:g} is allowed."
    )


def _limits(spec: Spec, record: TrainingRecord) -> str:
    unseen = "refused" if spec.serving.unseen == "refuse" else "answered like a missing or rare one"
    lines = [
        f"It knows the time up to {record.fit_window.partition('..')[2]}; drift after that is what "
        "monitoring is for.",
        f"A category that training never saw is {unseen}; missing values are answered.",
    ]
    small = [f"{s.column}={s.value}" for s in record.slices if s.score is None]
    if small:
        lines.append(f"How good it is there was not measured: {cell(', '.join(small))}.")
    return "\n".join(f"- {line}" for line in lines)


def _lineage(lineage: Mapping[str, str]) -> Iterable[str]:
    if lineage:
        yield "## Where it comes from"
        yield table(("", ""), list(lineage.items()))


def _value(value: float | None) -> str:
    return "not measured" if value is None else number(value)


def _span(bounds: Bounds | None) -> str:
    return "" if bounds is None else span(bounds)
