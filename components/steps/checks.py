"""The four checks of a window; each verdict goes to its artifact and into the store."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from components.core.errors import BlockedError
from components.core.verdict import Verdict
from components.model.files import SAMPLE
from components.release.store import ReleaseStore
from components.release.targets import open_target
from components.spec.context import Context
from components.steps.files import write_output

if TYPE_CHECKING:
    from components.data.report import IngestReport
    from components.drift.profile import Profile
    from components.profiling.merging import WindowProfile
    from components.release.package import Release

PROFILING = "profiling"


def schema_step(context: Context, purpose: str, data: str, destination: str) -> Verdict:
    """Check a window against the champion's schema, or against the spec where there is none.

    Changes that were accepted with `driftline schema accept` belong to the champion's schema. What
    the window's own schema is goes into the store beside the verdict, to be accepted from there.

    Raises:
        BlockedError: when a window that is meant for training must not be trained on.
    """
    from components.data.report import read_report
    from components.schema.reading import read_profile

    with context.step(f"check_schema_{purpose}") as say:
        champion = open_target(context.spec, context.store).champion()
        report = read_report(data)
        profile = read_profile(data, report, context.spec, champion.profile if champion else None)
        verdict = _judge_schema(context, purpose, champion, report, profile, destination)
        if verdict.status == "blocked" and purpose == "training":
            reasons = "; ".join(finding.message for finding in verdict.at_least("blocked"))
            raise BlockedError(
                f"the window {context.window} is not fit for training: {reasons}; "
                "mend the source or choose another window"
            )
        say(verdict.status, verdict.headline)
    return verdict


def profile_schema_step(context: Context, profile: str, destination: str) -> Verdict:
    """The same from a window's merged profile, against the release in whose cells it counts.

    Raises:
        ReleaseError: when that release is gone or damaged.
    """
    with context.step(f"check_schema_{PROFILING}") as say:
        whole = _read_profile(profile)
        champion = _release_of(context, whole)
        seen = whole.for_schema(context.spec)
        verdict = _judge_schema(context, PROFILING, champion, whole.report, seen, destination)
        say(verdict.status, verdict.headline)
    return verdict


def profile_drift_step(context: Context, profile: str, destination: str, report: str) -> Verdict:
    """Check a window's distributions from its merged profile; what takes rows is said to.

    Raises:
        ReleaseError: when the release in whose cells it counts is gone or damaged.
    """
    from components.drift.check import check_drift
    from components.drift.report import write_page

    with context.step("check_drift") as say:
        whole = _read_profile(profile)
        champion = _release_of(context, whole)
        verdict = check_drift(
            whole.profile,
            champion.profile,
            context.spec,
            context.window,
            champion.version,
            importances=champion.training.importances,
            variation=champion.variation if context.spec.checks.drift.learn else None,
        )
        _keep(context, verdict, destination, name=f"drift_{PROFILING}")
        write_page(verdict, Path(report))
        page = _name(context, f"drift_{PROFILING}.html")
        context.store.write(page, Path(report).read_bytes())
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


def _judge_schema(
    context: Context,
    purpose: str,
    champion: Release | None,
    report: IngestReport,
    profile: Profile,
    destination: str,
) -> Verdict:
    """Judge a window's schema, and keep the verdict and what was seen."""
    from components.release.accepted import AcceptedSchemas
    from components.schema.check import judge_schema, observe

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
    return verdict


def _read_profile(path: str) -> WindowProfile:
    from components.profiling.merging import WindowProfile

    return WindowProfile.model_validate_json(Path(path).read_bytes())


def _release_of(context: Context, whole: WindowProfile) -> Release:
    """The release in whose cells a profile counts, whatever is deployed by now."""
    releases = ReleaseStore(context.store, context.spec.model)
    return releases.open(whole.champion, whole.manifest_sha256)


def _keep(context: Context, verdict: Verdict, destination: str, name: str = "") -> None:
    text = verdict.model_dump_json(indent=2)
    write_output(destination, text)
    context.store.write(_name(context, f"{name or verdict.check}.json"), text.encode())


def _name(context: Context, file: str) -> str:
    return f"{context.spec.model}/checks/{context.window.key}/{file}"
