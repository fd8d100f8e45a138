"""The record of decisions: one window is decided once for each champion, whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

from components.core.errors import StoreError
from components.core.journal import Journal
from components.core.storage import Store
from components.core.verdict import Document, Verdict
from components.core.window import Window, parse_duration, parse_time
from components.decision.policy import Action, Advice, Retraining, advise, limits
from components.spec.model import Spec

# A retraining that failed is tried again by the next run that asks, but not for ever.
ATTEMPTS = 3


Record = TypeVar("Record", bound=Document)


class Decision(Document):
    """One window's decision, as it was recorded by the run that made it."""

    action: Action
    reasons: list[str]
    restraints: list[str]
    champion: str
    window: str
    run: str
    at: str
    attempt: int

    @property
    def headline(self) -> str:
        """The decision's weightiest reason."""
        return self.reasons[0]


def decide(
    store: Store,
    spec: Spec,
    verdicts: Sequence[Verdict],
    window: Window,
    run: str,
    now: datetime | None = None,
) -> Decision:
    """Decide about a window, unless another run has decided about it already.

    The record is created exclusively, so of two runs that ask at the same time one decides and
    the other is told `none` with that as its reason. The run that decided gets the same answer
    when it asks again, so that an interrupted run can be carried on. A retraining that failed,
    or that did not end within the policy's `patience`, is taken over by the next run that asks.

    Args:
        store: the store.
        spec: the spec.
        verdicts: one a check, all on this window and the same champion.
        window: the window.
        run: the run that asks.
        now: the clock, for the patience; the present by default.

    Raises:
        DriftlineError: when the verdicts contradict one another.
    """
    champion = verdicts[0].champion
    at = now or datetime.now(UTC)
    key = f"{spec.model}/decisions/{champion}--{window.key}"
    for attempt in range(1, ATTEMPTS + 1):
        name = f"{key}.json" if attempt == 1 else f"{key}--attempt-{attempt}.json"
        decision = _create(store, spec, verdicts, window, run, at, name, attempt)
        if decision is not None:
            return decision
        found = _parse(store, name, Decision)
        if found.run == run:
            return found
        ended = _unfinished(store, spec, found, at)
        if ended is None:
            break
    else:
        ended = f"{ATTEMPTS} attempts were made"
    reason = f"decided already by run {found.run}: {found.action}, {found.headline}"
    advice = advise(verdicts, spec.policy, window, [])
    if advice.action != found.action:
        reason += f"; the verdicts say {advice.action} now: {advice.reasons[0]}"
    return found.model_copy(
        update={
            "action": "none",
            "reasons": [reason],
            "restraints": [ended] if ended else [],
            "run": run,
        }
    )


def settled(store: Store, spec: Spec, window: Window) -> Decision | None:
    """The decision about a window that needs no further run, whoever was the champion; or None.

    A retraining that was decided and then failed, or never ended, does need one.

    Raises:
        StoreError: when the record is damaged.
    """
    found = [
        _parse(store, name, Decision)
        for name in store.names(f"{spec.model}/decisions")
        if name.rsplit("/", 1)[-1]
        .partition("--")[2]
        .startswith((f"{window.key}.", f"{window.key}--"))
    ]
    latest = max(found, key=lambda decision: parse_time(decision.at), default=None)
    if latest is None or _unfinished(store, spec, latest, datetime.now(UTC)):
        return None
    return latest


def first_decided(store: Store, model: str) -> Window | None:
    """The earliest window that was ever decided about, or None.

    Raises:
        StoreError: when a record is damaged.
    """
    windows = [
        Window.parse(_parse(store, name, Decision).window)
        for name in store.names(f"{model}/decisions")
    ]
    return min(windows, key=lambda window: window.start, default=None)


def grant(store: Store, spec: Spec, window: Window, run: str) -> list[str]:
    """Spend one retraining of the policy's budget on a run that was asked for from outside.

    A run is granted its retraining once, however often it asks.

    Args:
        store: the store.
        spec: the spec.
        window: what the run trains on.
        run: the run.

    Returns:
        Why it may not retrain, by the cooldown or the budget; empty where it may.
    """
    # No champion was judged, so none stands there.
    entry = Retraining(champion="", window=str(window), run=run, at=datetime.now(UTC).isoformat())
    while True:
        ledger = _ledger(store, spec.model)
        if any(each.run == run for each in ledger.values()):
            return []
        if restraints := limits(spec.policy, window, list(ledger.values())):
            return restraints
        slot = f"{spec.model}/retrainings/{max(ledger, default=0) + 1:06d}.json"
        if store.create(slot, entry.model_dump_json().encode()):
            return []


def retrainings(store: Store, model: str) -> list[Retraining]:
    """The ledger: every retraining that was decided, oldest first."""
    return list(_ledger(store, model).values())


def _create(
    store: Store,
    spec: Spec,
    verdicts: Sequence[Verdict],
    window: Window,
    run: str,
    at: datetime,
    name: str,
    attempt: int,
) -> Decision | None:
    """Record a decision under a name, or None when the name is taken."""
    if store.exists(name):
        return None
    champion = verdicts[0].champion
    entry = Retraining(champion=champion, window=str(window), run=run, at=at.isoformat())
    advice, slot = _advise(store, spec, verdicts, window, entry)
    decision = Decision(
        **advice.model_dump(),
        champion=champion,
        window=str(window),
        run=run,
        at=at.isoformat(),
        attempt=attempt,
    )
    if store.create(name, decision.model_dump_json(indent=2).encode()):
        return decision
    winner = _parse(store, name, Decision)
    if slot is not None and winner.action != "retrain":
        store.delete(slot)
    return None


def _advise(
    store: Store, spec: Spec, verdicts: Sequence[Verdict], window: Window, entry: Retraining
) -> tuple[Advice, str | None]:
    """The policy's advice, and the ledger's slot where the advice is to retrain.

    The slot is taken before the decision is recorded, exclusively: two runs that decide about
    two windows at the same moment cannot both spend the last retraining of the budget.
    """
    while True:
        ledger = _ledger(store, spec.model)
        # A retraining that this very window was granted before is not a second one.
        past = [
            each
            for each in ledger.values()
            if (each.champion, each.window) != (entry.champion, entry.window)
        ]
        advice = advise(verdicts, spec.policy, window, past)
        if advice.action != "retrain" or len(past) < len(ledger):
            return advice, None
        slot = f"{spec.model}/retrainings/{max(ledger, default=0) + 1:06d}.json"
        if store.create(slot, entry.model_dump_json().encode()):
            return advice, slot


def _ledger(store: Store, model: str) -> dict[int, Retraining]:
    entries = {}
    for name in store.names(f"{model}/retrainings"):
        stem = name.rsplit("/", 1)[-1].removesuffix(".json")
        if not stem.isdigit():
            continue
        number = int(stem)
        entries[number] = _parse(store, name, Retraining)
    return entries


def _parse(store: Store, name: str, kind: type[Record]) -> Record:
    try:
        return kind.model_validate_json(store.read(name))
    except ValueError:
        raise StoreError(
            f"{store.url(name)} is damaged; restore it from a backup, or delete it to decide anew"
        ) from None


def _later_attempts() -> list[str]:
    return [f"--attempt-{attempt}.json" for attempt in range(2, ATTEMPTS + 1)]


def _unfinished(store: Store, spec: Spec, decision: Decision, now: datetime) -> str | None:
    """Why a decided retraining may be taken over by another run, or None when it may not."""
    if decision.action != "retrain":
        return None
    entries = Journal(store, spec.model, decision.run).entries()
    if any(entry.step == "deploy" and entry.status == "ok" for entry in entries):
        return None
    if any(entry.step == "evaluate" and entry.status == "reject" for entry in entries):
        return None
    if any(entry.status == "failed" and entry.step != "notify" for entry in entries):
        return f"run {decision.run} failed"
    if now - parse_time(decision.at) > parse_duration(spec.policy.patience):
        return f"run {decision.run} did not end within {spec.policy.patience}"
    return None
