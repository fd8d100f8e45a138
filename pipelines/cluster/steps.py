"""What each step asks of a cluster: resources, patience, repetition, and which secrets it sees."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from components.core.errors import SpecError
from components.core.quantity import parse_quantity
from components.core.window import parse_duration
from components.spec.model import Spec

# The store's credentials, under the names that every S3 client reads.
STORE_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL")
_NAMED = re.compile(r"\$\{(\w+)\}")
# So often can a rollout be overtaken, and so long is each waited for beyond its guard.
_ROLLOUTS, _ROLLOUT_S = 3, 900


@dataclass(frozen=True)
class Needs:
    """One step's needs.

    Quantities as Kubernetes writes them, `timeout_s` of its pod. `repeats` is how often Kubeflow
    may start it again after it failed: only where a second run changes nothing that the first has
    done.
    """

    cpu: str = "250m"
    memory: str = "512Mi"
    cpu_limit: str = "1"
    memory_limit: str = "2Gi"
    timeout_s: int = 3600
    repeats: int = 2
    secrets: Mapping[str, str] = field(default_factory=dict)


# Steps that only read, and write what is theirs, may be repeated. `decide` too: it finds its own
# record. `deploy` would roll out again what the guard has just sent back, and `notify` would tell
# people twice. Fitting is repeated once: it costs the most.
_DEFAULTS = {
    "ingest": Needs(timeout_s=7200),
    "check_drift": Needs(cpu="500m", memory="1Gi"),
    "check_skew": Needs(memory="1Gi"),
    "decide": Needs(cpu="100m", memory="256Mi", memory_limit="1Gi", timeout_s=900),
    "train": Needs(
        cpu="500m", memory="1Gi", cpu_limit="2", memory_limit="4Gi", timeout_s=14400, repeats=1
    ),
    "validate_serving": Needs(cpu="500m"),
    "deploy": Needs(timeout_s=7200, repeats=0),
    "notify": Needs(cpu="100m", memory="256Mi", memory_limit="1Gi", timeout_s=900, repeats=0),
    "profile_part": Needs(cpu="500m", memory="1Gi", timeout_s=7200),
}
_READERS = ("ingest", "plan_parts", "profile_part", "merge_profiles")


def needs_of(step: str, spec: Spec | None = None) -> Needs:
    """What a step needs: the defaults, as far as the spec does not say otherwise.

    Args:
        step: the step's name, such as `check_drift`.
        spec: the spec; None for the defaults alone.

    Raises:
        SpecError: when a step would ask for more than it may take.

    >>> needs_of("deploy").repeats, needs_of("ingest").repeats
    (0, 2)
    """
    found = _DEFAULTS.get(step, Needs())
    if spec is None:
        return found
    asked = spec.cluster.resources.get(step)  # type: ignore[call-overload] # any step has a name
    given = asked.model_dump(exclude_none=True) if asked else {}
    # A limit that is not named follows a request that has outgrown it.
    for kind in ("cpu", "memory"):
        limit = f"{kind}_limit"
        request = given.get(kind, getattr(found, kind))
        if limit not in given and parse_quantity(request) > parse_quantity(getattr(found, limit)):
            given[limit] = request
    needs = Needs(
        **{name: given.get(name, getattr(found, name)) for name in ("cpu", "memory")},
        cpu_limit=given.get("cpu_limit", found.cpu_limit),
        memory_limit=given.get("memory_limit", found.memory_limit),
        timeout_s=_timeout(step, spec, found),
        repeats=found.repeats,
        secrets=_secrets(step, spec),
    )
    for kind in ("cpu", "memory"):
        request, most = getattr(needs, kind), getattr(needs, f"{kind}_limit")
        if parse_quantity(request) > parse_quantity(most):
            raise SpecError(
                f"cluster.resources.{step}: it asks for {kind} {request}, more than its limit "
                f"{most}; raise {kind}_limit"
            )
    return needs


def deadline_s(spec: Spec | None = None) -> int:
    """How many seconds a whole run may take.

    As long as the policy is patient: after that, another run may take its retraining over, and
    two would be at work on one.
    """
    patience = parse_duration(spec.policy.patience).total_seconds() if spec else 6 * 3600
    return int(max(patience, needs_of("deploy", spec).timeout_s))


def check_secrets(spec: Spec) -> None:
    """Make sure that what the spec takes from the environment comes from somewhere.

    Raises:
        SpecError: for a name that no secret of `cluster.secrets` gives to the steps.
    """
    named = {"source.url": _of_source(spec), "alerts.to": _of_alerts(spec)}
    for place, names in named.items():
        if missing := sorted(names - spec.cluster.secrets.keys()):
            raise SpecError(
                f"{place} takes ${{{missing[0]}}} from the environment, which a step on a cluster "
                f"does not have; name a secret under cluster.secrets, as {missing[0]}: secret/key"
            )


def _timeout(step: str, spec: Spec, found: Needs) -> int:
    if given := spec.cluster.timeouts.get(step):  # type: ignore[call-overload] # as above
        return int(parse_duration(given).total_seconds())
    if step != "deploy":
        return found.timeout_s
    serving = spec.serving
    waits = [serving.guard.period, serving.kubernetes.progress]
    each = _ROLLOUT_S + sum(parse_duration(wait).total_seconds() for wait in waits)
    return int(max(found.timeout_s, _ROLLOUTS * each))


def _secrets(step: str, spec: Spec) -> dict[str, str]:
    told = _of_alerts(spec)
    if step == "notify":
        return {name: key for name, key in spec.cluster.secrets.items() if name in told}
    if step in _READERS:
        only_told = told - _of_source(spec)
        return {name: key for name, key in spec.cluster.secrets.items() if name not in only_told}
    return {}


def _of_source(spec: Spec) -> set[str]:
    return set(_NAMED.findall(getattr(spec.source, "url", "")))


def _of_alerts(spec: Spec) -> set[str]:
    return set(_NAMED.findall(" ".join(spec.alerts.to)))
