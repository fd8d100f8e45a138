"""What came instead of an answer, and how long to wait before asking again."""

from __future__ import annotations

import json
import random
from typing import Any

from kubernetes.client.exceptions import ApiException

_LONGEST_PAUSE_S = 10.0
_LONGEST_WAIT_S = 60.0


def growing(attempt: int) -> float:
    """Half a second, then twice as long each time, and never in step with other clients."""
    return min(_LONGEST_PAUSE_S, 0.5 * 2.0 ** (attempt - 1)) * random.uniform(0.75, 1.25)  # noqa: S311


def retry_after(error: ApiException) -> float:
    """The seconds that a server asks for, a minute at most."""
    try:
        return min(float((error.headers or {}).get("Retry-After", 0)), _LONGEST_WAIT_S)
    except ValueError:
        return 0.0


def is_our_mistake(error: ApiException) -> bool:
    """A manifest that is not of the schema is answered with 500, however often it is sent.

    Unlike with a fault of the server's own, its answer then gives no reason.
    """
    status = _status(error)
    return error.status == 500 and status.get("kind") == "Status" and not status.get("reason")


def _status(error: ApiException) -> dict[str, Any]:
    try:
        found = json.loads(error.body or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def problem(error: ApiException) -> str:
    """A refusal in words, as the server put them where it did."""
    message = _status(error).get("message") or error.reason or ""
    return f"it answered {error.status} {message}".strip()


def root(error: BaseException) -> str:
    """The first cause, which says more than the exceptions around it."""
    while error.__cause__ is not None or getattr(error, "reason", None) is not None:
        inner = error.__cause__ or getattr(error, "reason", None)
        if not isinstance(inner, BaseException) or inner is error:
            break
        error = inner
    return " ".join(str(error).split()) or type(error).__name__
