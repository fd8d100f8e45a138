"""Decide about a window."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components.core.verdict import Verdict
from components.decision.record import Decision, decide
from components.spec.context import Context
from components.steps.files import write_output


def decide_step(context: Context, verdicts: Sequence[str], destination: str) -> Decision:
    """Apply the policy to the verdicts; the record in the store makes it once.

    Args:
        context: the step's surroundings.
        verdicts: the verdicts' files.
        destination: where this run's answer goes.

    Raises:
        DriftlineError: when the verdicts contradict one another.
    """
    with context.step("decide") as say:
        read = [Verdict.model_validate_json(Path(path).read_bytes()) for path in verdicts]
        decision = decide(context.store, context.spec, read, context.window, context.run)
        write_output(destination, decision.model_dump_json(indent=2))
        say(decision.action, decision.headline)
    return decision
