"""Say how a run ended."""

from __future__ import annotations

import os

from components.alerting.message import Message, compose
from components.alerting.send import send
from components.spec.context import Context


def notify_step(context: Context, state: str, error: str) -> str:
    """Print one line, and send it where the spec says; once, if Kubeflow starts the step again.

    Args:
        context: the step's surroundings.
        state: the pipeline's final state.
        error: what Kubeflow says went wrong; empty where it does not say.

    Returns:
        The line.
    """
    entries = [entry for entry in context.journal.entries() if entry.step != "notify"]
    message = compose(context.spec.model, str(context.window), context.run, state, error, entries)
    print(message.line, flush=True)
    if _told(context, message):
        return message.line
    with context.step("notify") as say:
        problems = []
        if message.kind in context.spec.alerts.on:
            problems = send(message, context.spec.alerts.to, os.environ)
        for problem in problems:
            print(problem, flush=True)
        say("warn" if problems else message.kind, "; ".join([message.text, *problems]))
    return message.line


def _told(context: Context, message: Message) -> bool:
    """Whether an earlier start of the step has sent this very message to everybody."""
    said = context.journal.read("notify")
    return said is not None and (said.status, said.headline) == (message.kind, message.text)
