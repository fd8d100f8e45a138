"""The four checks of a window; each verdict goes to its artifact and into the store."""

from __future__ import annotations

import tempfile
from pathlib import Path

from components.core.errors import BlockedError
from components.core.verdict import Verdict
from components.model.files import SAMPLE
from components.release.targets import open_target
from components.spec.context import Context
from components.steps.files import write_output


def schema_step(context: Context, purpose: str, data: str, destination: str) -> Verdict:
    """Check a window against the champion's schema, or against the spec where there is none.

    Changes that were accepted with `driftline schema accept` belong to the champion's schema. What
    the window's own schema is goes into the store beside the verdict, to be accepted from there.

    Raises:
        BlockedError: when a window that is meant for training must not be trained on.
    """
    from components.data.report import read_report
    from components.release.accepted import AcceptedSchemas
    from components.schema.check import judge_schema, observe
    from components.schema.reading import read_profile

    with context.step(f"check_schema_{purpose}") as say:
        champion = open_target(context.spec, context.store).champion()
        report = read_report(data)
        profile = read_profile(data, report, context.spec, champion.profile if champion else None)
        accepted = AcceptedSchemas(context.store, context.spec.model)
        verdict = judge_schema(
            report,
            profile,
            accepted.widen(champion.schema) if champion else None,
            context.spec,
            context.window,
            champion.version if champion else "",
        )
        observed = observe(report, profile, context.spec, context.window)
        accepted.keep(context.window, purpose, verdict, observed)
        _keep(context, verdict, destination, name=f"schema_{purpose}")
        if verdict.status == "blocked" and purpose == "training":
            reasons = "; ".join(finding.message for finding in verdict.at_least("blocked"))
            raise BlockedError(
                f"the window {context.window} is not fit for training: {reasons}; "
                "mend the source or choose another window"
            )
        say(verdict.status, verdict.headline)
    return verdict


def drift_step(
    context: Context, data: str, predictions: str, destination: str, report: str
) -> Verdict:
    """Check a window's distributions, and draw the report."""
    from components.drift.check import check_drift, profile_window
    from components.drift.report import write_report

    with context.step("check_drift") as say, tempfile.TemporaryDirectory() as scratch:
        champion = open_target(context.spec, context.store).require_champion()
        reference = champion.profile
        sample = champion.extract([SAMPLE], Path(scratch)) / SAMPLE
        verdict = check_drift(
            profile_window(
                Path(data), Path(predictions), context.spec, reference, release=champion.version
            ),
            reference,
            context.spec,
            context.window,
            champion.version,
            importances=champion.training.importances,
            variation=champion.variation if context.spec.checks.drift.learn else None,
            samples=(sample, Path(data)),
        )
        _keep(context, verdict, destination)
        write_report(sample, Path(data), Path(predictions), verdict, context.spec, Path(report))
        context.store.write(_name(context, "drift.html"), Path(report).read_bytes())
        say(verdict.status, verdict.headline)
    return verdict


def skew_step(context: Context, data: str, predictions: str, destination: str) -> Verdict:
    """Check what the server was asked against what training would have seen."""
    from components.drift.skew import check_skew

    with context.step("check_skew") as say:
        champion = open_target(context.spec, context.store).require_champion()
        verdict = check_skew(
            Path(data),
            Path(predictions),
            context.spec,
            context.window,
            champion.version,
            importances=champion.training.importances,
        )
        _keep(context, verdict, destination)
        say(verdict.status, verdict.headline)
    return verdict


def performance_step(context: Context, data: str, predictions: str, destination: str) -> Verdict:
    """Check the champion's quality on the labels that have arrived."""
    from components.model.concept_state import ConceptMemory
    from components.model.performance import check_performance

    with context.step("check_performance") as say:
        champion = open_target(context.spec, context.store).require_champion()
        verdict = check_performance(
            context.spec,
            Path(data),
            Path(predictions),
            champion.training,
            context.window,
            champion.version,
            lambda: champion.model(context.spec.estimator.allowed_prefixes),
            ConceptMemory(context.store, context.spec.model),
        )
        _keep(context, verdict, destination)
        say(verdict.status, verdict.headline)
    return verdict


def _keep(context: Context, verdict: Verdict, destination: str, name: str = "") -> None:
    text = verdict.model_dump_json(indent=2)
    write_output(destination, text)
    context.store.write(_name(context, f"{name or verdict.check}.json"), text.encode())


def _name(context: Context, file: str) -> str:
    return f"{context.spec.model}/checks/{context.window.key}/{file}"
