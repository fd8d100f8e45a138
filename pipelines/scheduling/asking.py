"""What Alertmanager or a CI job sends, read into runs to ask for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.core.errors import UsageError
from components.core.window import Window, format_time, parse_duration, parse_time
from components.decision.asked import Asked
from components.spec.model import Spec
from components.spec.schedule import Scheduled

_LONGEST_KEY = 200
_LONGEST_REASON = 500
# A group's alerts began within days of one another.
_MOST_WINDOWS = 50
Body = TypeVar("Body", bound=BaseModel)


class _Alert(BaseModel):
    """One alert of a group; what is not used here may be anything."""

    model_config = ConfigDict(extra="ignore")
    status: Literal["firing", "resolved"]
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    startsAt: str  # noqa: N815 # as Alertmanager writes it


class _Group(BaseModel):
    """Alertmanager's webhook, version 4."""

    model_config = ConfigDict(extra="ignore")
    version: Literal["4"]
    groupKey: str  # noqa: N815 # as Alertmanager writes it
    alerts: list[_Alert]


class _Wish(BaseModel):
    """What a CI job may ask for."""

    model_config = ConfigDict(extra="forbid")
    pipeline: Literal["training", "monitoring"]
    reason: Annotated[str, Field(min_length=1, max_length=_LONGEST_REASON)]
    window: str | None = None


@dataclass(frozen=True)
class Reader:
    """Reads requests for one model.

    A run's name follows from what identifies the request, so that whoever reads it again, here or
    in another process, comes to the same name.
    """

    spec: Spec
    alerts_run: Scheduled = "monitoring"

    def alerts(self, content: Any, now: datetime) -> list[Asked]:
        """The runs that a group of alerts asks for: one for each window that one began in.

        An alert asks for the last window that was complete when it began to fire. So one that is
        sent again, alone or in a larger group, asks for the same run; a resolved one for none.

        Args:
            content: the JSON document.
            now: the present.

        Raises:
            UsageError: when it is no group of alerts.
        """
        group = _read(_Group, content, "no webhook of Alertmanager, version 4")
        found: dict[str, Asked] = {}
        for alert in group.alerts:
            if alert.status == "firing":
                window = self._complete(min(parse_time(alert.startsAt), now))
                asked = self._asked(
                    f"alert-{self.alerts_run}-{window.key}",
                    self.alerts_run,
                    window,
                    _sentence(alert),
                    "alertmanager",
                    now,
                )
                found.setdefault(asked.run, asked)
        if len(found) > _MOST_WINDOWS:
            raise UsageError(
                f"these alerts began in {len(found)} windows, and one call may ask for "
                f"{_MOST_WINDOWS}; for windows long past there is 'driftline schedule backfill'"
            )
        return list(found.values())

    def wish(self, content: Any, key: str, now: datetime) -> Asked:
        """The run that a CI job asks for.

        Args:
            content: the JSON document.
            key: the request's own key: the same request has the same one.
            now: the present.

        Raises:
            UsageError: when the document or the key cannot be.
        """
        if not 1 <= len(key) <= _LONGEST_KEY or not key.isprintable():
            raise UsageError(
                f"send a header Idempotency-Key of 1 to {_LONGEST_KEY} signs, such as the CI job's "
                "id; the same key never starts a second run"
            )
        wish = _read(_Wish, content, "no request for a run")
        window = Window.parse(wish.window) if wish.window else self._complete(now)
        if window.end > now:
            raise UsageError(
                f"the window {window} has not ended yet; ask for one that has, or leave it out for "
                "the last one"
            )
        name = f"ci-{wish.pipeline}-{_digest(key)}"
        asked = self._asked(name, wish.pipeline, window, wish.reason, f"ci {key}", now)
        return asked.model_copy(update={"content": _digest(wish.model_dump_json())})

    def _asked(
        self, run: str, pipeline: Scheduled, window: Window, reason: str, source: str, now: datetime
    ) -> Asked:
        start = window.start
        if pipeline == "training":
            with _on_the_calendar(str(window)):
                start = window.end - parse_duration(self.spec.training.history)
        return Asked(
            run=run,
            pipeline=pipeline,
            start=format_time(start),
            end=format_time(window.end),
            as_of=format_time(now.replace(microsecond=0)),
            reason=_printable(reason)[:_LONGEST_REASON],
            source=source,
            at=now.astimezone(UTC).isoformat(),
            content="",
        )

    def _complete(self, moment: datetime) -> Window:
        """The last complete window at a moment, whatever the cron."""
        with _on_the_calendar(format_time(moment)):
            return replace(self.spec.rule("monitoring"), cron=None).window(moment)


@contextmanager
def _on_the_calendar(told: str) -> Iterator[None]:
    """Refuse what begins before the year 1, such as the time that Go takes for none."""
    try:
        yield
    except OverflowError:
        raise UsageError(f"{told} is too early: no window comes before it") from None


def _sentence(alert: _Alert) -> str:
    """The alert in one line, as its author described it."""
    name = alert.labels.get("alertname", "an alert")
    said = alert.annotations.get("summary") or alert.annotations.get("description") or ""
    return " ".join(f"{name} since {alert.startsAt}{': ' if said else ''}{said}".split())


def _printable(text: str) -> str:
    """The text as it may stand in a terminal: no escapes, one line."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read(kind: type[Body], content: Any, otherwise: str) -> Body:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise UsageError(f"this is {otherwise}: {where}: {first['msg']}") from None


def parse_json(body: bytes) -> Any:
    """A request's document.

    Raises:
        UsageError: when it is no JSON.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise UsageError("the body is no JSON document") from None
